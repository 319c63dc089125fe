//! Reads a retrieved object's age, booking and payers, and the object that an event is about.
//!
//! Pure. Deliberately absent: what of it is compared ([`super::differs`]).

use std::collections::BTreeSet;

use serde::Deserialize;

/// The little that is read without folding.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct View {
    pub(super) created: i64,
    payment_intent: Option<Reference>,
    subscription: Option<Reference>,
    invoice: Option<Reference>,
    latest_invoice: Option<Reference>,
    payments: Option<Payments>,
    metadata: Option<Metadata>,
}

/// The list of an invoice's payments. Source: <https://docs.stripe.com/api/invoice-payment>.
#[derive(Debug, Deserialize)]
struct Payments {
    #[serde(default)]
    data: Vec<InvoicePayment>,
}

#[derive(Debug, Deserialize)]
struct InvoicePayment {
    #[serde(default)]
    payment: Paid,
}

#[derive(Debug, Default, Deserialize)]
struct Paid {
    #[serde(default)]
    payment_intent: Option<Reference>,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    booking_id: Option<String>,
}

impl View {
    /// The objects that decide about the money of this one, which is of `kind`: each with its kind.
    pub(super) fn payers(&self, kind: &str) -> Vec<(&'static str, &str)> {
        let mut named = vec![("payment_intent", self.payment_intent.as_ref())];
        match kind {
            "checkout.session" => {
                named.push(("subscription", self.subscription.as_ref()));
                named.push(("invoice", self.invoice.as_ref()));
            }
            "subscription" => named.push(("invoice", self.latest_invoice.as_ref())),
            "invoice" => {
                let payments = self.payments.iter().flat_map(|list| &list.data);
                let intents = payments.map(|one| one.payment.payment_intent.as_ref());
                named.extend(intents.map(|intent| ("payment_intent", intent)));
            }
            _ => {}
        }
        named
            .into_iter()
            .filter_map(|(kind, reference)| Some((kind, reference?.id())))
            .collect()
    }

    /// The booking that its metadata names; a blank id names none.
    pub(super) fn claim(&self) -> Option<&str> {
        let named = self.metadata.as_ref()?.booking_id.as_deref()?;
        Some(named).filter(|id| !id.trim().is_empty())
    }
}

/// An id, or the object itself where Stripe expanded it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Reference {
    Id(String),
    Expanded { id: String },
}

impl Reference {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Id(id) | Self::Expanded { id } => id,
        }
    }
}

/// The one of `ids` that an event is about: its own object, or the payment intent that it names.
pub(super) fn subject(raw: &[u8], ids: &BTreeSet<&str>) -> Option<String> {
    #[derive(Deserialize)]
    struct Event {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        object: Object,
    }
    #[derive(Deserialize)]
    struct Object {
        id: Option<String>,
        #[serde(default)]
        payment_intent: Option<Reference>,
    }
    let object = serde_json::from_slice::<Event>(raw).ok()?.data.object;
    let named = object.payment_intent.map(|intent| intent.id().to_owned());
    object
        .id
        .into_iter()
        .chain(named)
        .find(|id| ids.contains(id.as_str()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn payers(kind: &str, object: &str) -> Vec<(&'static str, String)> {
        let view: View = serde_json::from_str(object).unwrap();
        let named = view.payers(kind);
        named
            .into_iter()
            .map(|(kind, id)| (kind, id.to_owned()))
            .collect()
    }

    #[test]
    fn session_names_its_payment_its_subscription_and_its_invoice() {
        let object = r#"{"payment_intent":null,"subscription":{"id":"sub_1"},"invoice":"in_1"}"#;
        let both = [
            ("subscription", "sub_1".to_owned()),
            ("invoice", "in_1".to_owned()),
        ];
        assert_eq!(payers("checkout.session", object), both);
        assert!(
            payers("payment_intent", object).is_empty(),
            "the invoice that an old intent names decides nothing about it"
        );
    }

    #[test]
    fn invoice_names_each_of_its_payments_and_a_subscription_its_invoice() {
        let object = r#"{"payments":{"data":[{"payment":{"payment_intent":"pi_1"}},
            {"payment":{"charge":"ch_1"}},{}]}}"#;
        assert_eq!(
            payers("invoice", object),
            [("payment_intent", "pi_1".to_owned())]
        );
        let object = r#"{"latest_invoice":"in_1"}"#;
        assert_eq!(
            payers("subscription", object),
            [("invoice", "in_1".to_owned())]
        );
    }

    #[test]
    fn blank_or_absent_booking_id_claims_nothing() {
        let claim = |object: &str| {
            let view: View = serde_json::from_str(object).unwrap();
            view.claim().map(str::to_owned)
        };
        assert_eq!(
            claim(r#"{"metadata":{"booking_id":"B-1","x":"y"}}"#).unwrap(),
            "B-1"
        );
        for none in [
            r#"{"metadata":{"booking_id":" "}}"#,
            r#"{"metadata":{}}"#,
            r#"{"metadata":null}"#,
            "{}",
        ] {
            assert_eq!(claim(none), None, "{none}");
        }
    }

    #[test]
    fn event_is_about_its_object_or_the_payment_it_names() {
        let ids = BTreeSet::from(["pi_1", "cs_1"]);
        let about = |object: &str| {
            subject(
                format!("{{\"data\":{{\"object\":{object}}}}}").as_bytes(),
                &ids,
            )
        };
        assert_eq!(about(r#"{"id":"pi_1"}"#).unwrap(), "pi_1");
        assert_eq!(
            about(r#"{"id":"ch_1","payment_intent":"pi_1"}"#).unwrap(),
            "pi_1"
        );
        assert_eq!(
            about(r#"{"id":"ch_1","payment_intent":{"id":"pi_1"}}"#).unwrap(),
            "pi_1"
        );
        assert_eq!(about(r#"{"id":"ch_1","payment_intent":null}"#), None);
        assert_eq!(about(r#"{"id":"pi_2"}"#), None);
        assert_eq!(about("null"), None);
    }
}
