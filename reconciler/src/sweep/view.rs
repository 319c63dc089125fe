//! What of a retrieved payment is compared, and which payment an event is about.
//!
//! Pure. Deliberately absent: folding; the little that is read here only decides whether the
//! processor is told, never what it makes of it.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::store::bookings::Believed;

/// What of a payment intent or a session is compared.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct View {
    pub(super) status: Option<String>,
    pub(super) amount_received: Option<i64>,
    pub(super) created: i64,
    pub(super) payment_intent: Option<Reference>,
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

impl View {
    /// A status or a sum that we do not hold, or an object that we do not know.
    pub(super) fn differs(&self, believed: Option<&Believed>) -> bool {
        let Some(believed) = believed else {
            return true;
        };
        let received = self.amount_received.unwrap_or(0);
        self.status != believed.status || received != believed.amount_paid.unwrap_or(0)
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

    fn believed(status: &str, paid: Option<i64>) -> Believed {
        Believed {
            status: Some(status.to_owned()),
            amount: Some(100),
            amount_paid: paid,
            settled: true,
        }
    }

    fn view(json: &str) -> View {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn object_in_the_state_we_believe_does_not_differ() {
        let same = view(r#"{"status":"processing","amount_received":0}"#);
        assert!(!same.differs(Some(&believed("processing", None))));
    }

    #[test]
    fn other_status_other_sum_and_unknown_object_differ() {
        let paid = view(r#"{"status":"succeeded","amount_received":100}"#);
        assert!(paid.differs(Some(&believed("processing", None))));
        assert!(paid.differs(Some(&believed("succeeded", Some(50)))));
        assert!(paid.differs(None));
        assert!(!paid.differs(Some(&believed("succeeded", Some(100)))));
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
