//! Setup intents (docs.stripe.com/api/setup_intents): a card is saved, no money moves.

use serde_json::{Value, json};

use super::Common;

pub(crate) fn new(common: &Common, id: &str) -> Value {
    json!({
        "id": id, "object": "setup_intent", "application": null, "attach_to_self": null,
        "automatic_payment_methods": null, "cancellation_reason": null,
        "client_secret": format!("{id}_secret_S1Vd9yZ0wXbQ2"), "created": common.created,
        "customer": common.customer, "customer_account": null, "description": null,
        "excluded_payment_method_types": null, "flow_directions": null, "last_setup_error": null,
        "latest_attempt": null, "livemode": common.livemode, "mandate": null, "metadata": {},
        "next_action": null, "on_behalf_of": null, "payment_method": null,
        "payment_method_configuration_details": null,
        "payment_method_options": {"card": {"mandate_options": null, "network": null, "request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"], "single_use_mandate": null,
        "status": "requires_payment_method", "usage": "off_session",
    })
}

pub(crate) fn succeeded(payment_method: &str) -> Value {
    json!({"status": "succeeded", "payment_method": payment_method})
}
