//! One made-up event as bytes, about 2.5 KB, rendered by copying the template's parts.

use super::super::model::API_VERSION;
use super::Volume;

/// As Stripe renders a payment intent's event; the capital words are replaced.
const TEMPLATE: &str = r#"{
  "id": "EVENT",
  "object": "event",
  "api_version": "VERSION",
  "created": CREATED,
  "data": {
    "object": {
      "id": "pi_vol_NUMBER",
      "object": "payment_intent",
      "amount": 5000,
      "amount_capturable": 0,
      "amount_details": {
        "tip": {}
      },
      "amount_received": 5000,
      "application": null,
      "application_fee_amount": null,
      "automatic_payment_methods": {
        "allow_redirects": "always",
        "enabled": true
      },
      "canceled_at": null,
      "cancellation_reason": null,
      "capture_method": "automatic_async",
      "client_secret": null,
      "confirmation_method": "automatic",
      "created": CREATED,
      "currency": "eur",
      "customer": "cus_vol_NUMBER",
      "description": "Two nights in a room with a view of the sea, breakfast included, for two persons who will arrive late in the evening and would like to find the light on",
      "last_payment_error": null,
      "latest_charge": "ch_vol_NUMBER",
      "livemode": false,
      "metadata": {
        "booking_id": "vol-NUMBER",
        "channel": "web",
        "campaign": "spring"
      },
      "next_action": null,
      "on_behalf_of": null,
      "payment_method": "pm_vol_NUMBER",
      "payment_method_configuration_details": {
        "id": "pmc_1Lt0pIJUDPojXS6LkPZ6ZtTQ",
        "parent": null
      },
      "payment_method_options": {
        "card": {
          "installments": null,
          "mandate_options": null,
          "network": null,
          "request_three_d_secure": "automatic"
        },
        "klarna": {
          "preferred_locale": null
        },
        "link": {
          "persistent_token": null
        }
      },
      "payment_method_types": [
        "card",
        "klarna",
        "link"
      ],
      "processing": null,
      "receipt_email": null,
      "review": null,
      "setup_future_usage": null,
      "shipping": {
        "address": {
          "city": "Nowhere",
          "country": "DE",
          "line1": "Street of the volume 1",
          "line2": null,
          "postal_code": "00000",
          "state": null
        },
        "carrier": null,
        "name": "Guest NUMBER",
        "phone": null,
        "tracking_number": null
      },
      "source": null,
      "statement_descriptor": null,
      "statement_descriptor_suffix": null,
      "status": "succeeded",
      "transfer_data": null,
      "transfer_group": null
    }
  },
  "livemode": false,
  "pending_webhooks": 0,
  "request": {
    "id": "req_vol_NUMBER",
    "idempotency_key": "key-NUMBER"
  },
  "type": "payment_intent.succeeded"
}"#;

/// What fills a gap of the template.
#[derive(Clone, Copy, Debug)]
enum Gap {
    Event,
    Number,
    Created,
}

/// The template, cut at its gaps.
#[derive(Debug)]
pub(super) struct Template {
    parts: Vec<(String, Gap)>,
    rest: String,
}

impl Template {
    pub(super) fn new() -> Self {
        let gaps = [
            ("EVENT", Gap::Event),
            ("NUMBER", Gap::Number),
            ("CREATED", Gap::Created),
        ];
        let text = TEMPLATE.replace("VERSION", API_VERSION);
        let (mut parts, mut rest) = (Vec::new(), text.as_str());
        loop {
            let next = gaps
                .iter()
                .filter_map(|(word, gap)| Some((rest.split_once(word)?, *gap)))
                .min_by_key(|((before, _), _)| before.len());
            let Some(((before, after), gap)) = next else {
                return Self {
                    parts,
                    rest: rest.to_owned(),
                };
            };
            parts.push((before.to_owned(), gap));
            rest = after;
        }
    }

    /// Appends one event's bytes.
    pub(super) fn render(&self, volume: Volume, number: u64, into: &mut Vec<u8>) {
        let (id, created) = (Volume::id(number), volume.created(number).to_string());
        let digits = id.trim_start_matches("evt_vol_");
        for (before, gap) in &self.parts {
            into.extend_from_slice(before.as_bytes());
            into.extend_from_slice(match gap {
                Gap::Event => id.as_bytes(),
                Gap::Number => digits.as_bytes(),
                Gap::Created => created.as_bytes(),
            });
        }
        into.extend_from_slice(self.rest.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_event_is_json_of_the_size_of_a_real_one_and_names_itself() {
        let volume = Volume {
            from: 1_700_000_000,
            to: 1_700_000_100,
            count: 10,
        };
        let mut bytes = Vec::new();
        Template::new().render(volume, 7, &mut bytes);
        assert!((2_300..2_800).contains(&bytes.len()), "{}", bytes.len());
        let event: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(event["id"], "evt_vol_000000007");
        assert_eq!(event["created"], 1_700_000_070);
        assert_eq!(event["api_version"], API_VERSION);
        assert_eq!(
            event["data"]["object"]["metadata"]["booking_id"],
            "vol-000000007"
        );
        assert_eq!(volume.number("evt_vol_000000007"), Some(7));
    }
}
