//! How old a retrieved object is and which payment it names, and which object an event is about.
//!
//! Pure. Deliberately absent: what of it is compared ([`super::differs`]).

use std::collections::BTreeSet;

use serde::Deserialize;

/// The little that is read without folding.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct View {
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
