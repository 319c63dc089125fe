//! An event that Stripe could not make, named later: its object is asked for.
//!
//! Stripe sends `v2.core.health.event_generation_failure.resolved` for each such event, with what it
//! would have been about (<https://docs.stripe.com/webhooks/event-generation-failures>). The event
//! itself never comes, so nothing but the object can tell what happened.
//!
//! Pure. Invariant: where the payload lies is looked for, not assumed; what names no object that can
//! be told the kind of asks for nothing, and the event is kept all the same.

use serde_json::Value;
use shared::folding::graph::Key;
use shared::ids::{AccountId, ObjectId};

use super::world::Refetch;
use crate::item::{Readable, RowKind};

/// What the type ends with; before it comes the version alone (`v2`).
const TYPE: &str = ".core.health.event_generation_failure.resolved";
/// Where the impact may lie, from the payload's top.
const PLACES: &[&str] = &[
    "/data/impact",
    "/reason/impact",
    "/impact",
    "/data/reason/impact",
    "/data",
    "/reason",
];
/// Names of objects whose events begin with something else than their kind.
const PREFIXES: &[(&str, &str)] = &[
    ("charge.dispute.", "dispute"),
    ("charge.refund.", "refund"),
    ("customer.subscription.", "subscription"),
    ("checkout.session.", "checkout.session"),
];
/// Collections in a path that are not the kind with an s.
const COLLECTIONS: &[(&str, &str)] = &[("checkout/sessions", "checkout.session")];
/// Kinds by the prefix of their ids.
const IDS: &[(&str, &str)] = &[
    ("pi_", "payment_intent"),
    ("ch_", "charge"),
    ("py_", "charge"),
    ("re_", "refund"),
    ("pyr_", "refund"),
    ("du_", "dispute"),
    ("dp_", "dispute"),
    ("cs_", "checkout.session"),
    ("sub_", "subscription"),
    ("in_", "invoice"),
    ("inpay_", "invoice_payment"),
    ("cus_", "customer"),
    ("po_", "payout"),
    ("seti_", "setup_intent"),
    ("pm_", "payment_method"),
];

/// The wish that an event of this type makes; `None` for every other, and where it names nothing.
pub(super) fn wish(item: &Readable) -> Option<Refetch> {
    if item.kind != RowKind::Event || !tells_failure(&item.event_type) {
        return None;
    }
    let payload: Value = serde_json::from_slice(&item.record.value).ok()?;
    let named = PLACES
        .iter()
        .find_map(|place| named(payload.pointer(place)?))?;
    Some(Refetch {
        key: Key {
            account: named.account.unwrap_or_else(|| item.account.clone()),
            id: named.id,
        },
        kind: named.kind,
        fingerprint: format!("not_generated:{}", item.id),
        reason: "not_generated",
        tied_at: item.created,
    })
}

fn tells_failure(event_type: &str) -> bool {
    let version = event_type.strip_suffix(TYPE);
    version.is_some_and(|version| !version.is_empty() && !version.contains('.'))
}

/// The object that an impact names.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    id: String,
    kind: String,
    account: Option<String>,
}

fn named(impact: &Value) -> Option<Named> {
    let text = |name: &str| impact.get(name).and_then(Value::as_str);
    let url = text("related_object_url");
    let id = text("related_object_id")
        .or_else(|| url?.rsplit('/').next())
        .and_then(|id| ObjectId::parse(id).ok())?;
    let kind = url
        .and_then(|url| kind_of_url(url, id.as_str()))
        .or_else(|| kind_of_type(text("event_type")?))
        .or_else(|| kind_of_id(id.as_str()))?;
    Some(Named {
        id: id.as_str().to_owned(),
        kind,
        // An account that can't be told must not become our own.
        account: match impact.get("context").filter(|context| !context.is_null()) {
            Some(context) => Some(AccountId::parse(context.as_str()?).ok()?.to_string()),
            None => None,
        },
    })
}

/// `/v1/payment_intents/pi_1` is a `payment_intent`.
fn kind_of_url(url: &str, id: &str) -> Option<String> {
    let path = url.split_once("/v1/")?.1;
    let path = path.split(['?', '#']).next()?;
    let collection = path.strip_suffix(id)?.strip_suffix('/')?;
    if let Some((_, kind)) = COLLECTIONS.iter().find(|(path, _)| *path == collection) {
        return Some((*kind).to_owned());
    }
    let is_word = |c: char| c.is_ascii_lowercase() || c == '_';
    let kind = collection.strip_suffix('s')?;
    (!kind.is_empty() && kind.chars().all(is_word)).then(|| kind.to_owned())
}

/// `payment_intent.succeeded` is about a `payment_intent`.
fn kind_of_type(event_type: &str) -> Option<String> {
    let event_type = event_type.strip_prefix("v1.").unwrap_or(event_type);
    let special = PREFIXES
        .iter()
        .find(|(prefix, _)| event_type.starts_with(prefix));
    if let Some((_, kind)) = special {
        return Some((*kind).to_owned());
    }
    let (kind, rest) = event_type.split_once('.')?;
    // A longer name is of something that lies below: only what is known may be guessed.
    (!kind.is_empty() && !rest.contains('.')).then(|| kind.to_owned())
}

fn kind_of_id(id: &str) -> Option<String> {
    let known = IDS.iter().find(|(prefix, _)| id.starts_with(prefix));
    known.map(|(_, kind)| (*kind).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn type_is_known_in_every_version_and_nothing_else_is() {
        for version in ["v2", "v3", "v12"] {
            assert!(tells_failure(&format!("{version}{TYPE}")));
        }
        for other in [
            TYPE,
            "v2.x.core.health.event_generation_failure.resolved",
            "v2",
        ] {
            assert!(!tells_failure(other), "{other}");
        }
    }

    #[test]
    fn object_of_an_account_that_cannot_be_told_is_not_asked_for_in_ours() {
        for context in [json!("acct_1/acct_2"), json!(7), json!({})] {
            assert_eq!(
                named(&json!({"related_object_id": "pi_1", "context": context})),
                None
            );
        }
        let ours = named(&json!({"related_object_id": "pi_1", "context": null}));
        assert_eq!(ours.map(|named| named.account), Some(None));
    }

    fn kind(impact: &Value) -> Option<String> {
        named(impact).map(|named| named.kind)
    }

    #[test]
    fn kind_is_told_by_the_url_first() {
        let told = |url: &str, id: &str| {
            kind(&json!({"related_object_id": id, "related_object_url": url,
                "event_type": "charge.succeeded"}))
        };
        assert_eq!(
            told("/v1/payment_intents/pi_1", "pi_1").as_deref(),
            Some("payment_intent")
        );
        assert_eq!(
            told("https://api.stripe.com/v1/checkout/sessions/cs_1", "cs_1").as_deref(),
            Some("checkout.session")
        );
        // Not understood: the type tells.
        for url in ["/v2/x/y/pi_1", "/v1/a/b/c/pi_1", "/v1/Users/pi_1", ""] {
            assert_eq!(told(url, "pi_1").as_deref(), Some("charge"), "{url}");
        }
    }

    #[test]
    fn kind_is_told_by_the_type_where_there_is_no_url() {
        let told =
            |event_type: &str| kind(&json!({"related_object_id": "x_1", "event_type": event_type}));
        assert_eq!(told("refund.created").as_deref(), Some("refund"));
        assert_eq!(
            told("charge.dispute.funds_withdrawn").as_deref(),
            Some("dispute")
        );
        assert_eq!(
            told("v1.checkout.session.completed").as_deref(),
            Some("checkout.session")
        );
        assert_eq!(told("issuing.card.created"), None);
    }

    #[test]
    fn kind_is_told_by_the_id_where_nothing_else_does() {
        let told = |id: &str| kind(&json!({ "related_object_id": id }));
        assert_eq!(told("re_1").as_deref(), Some("refund"));
        assert_eq!(told("pyr_1").as_deref(), Some("refund"));
        assert_eq!(told("zz_1"), None);
    }

    #[test]
    fn what_names_no_object_asks_for_nothing() {
        for impact in [json!({}), json!({"related_object_id": 7}), json!(null)] {
            assert_eq!(named(&impact), None, "{impact}");
        }
        let by_url = named(&json!({"related_object_url": "/v1/charges/ch_1"}));
        assert_eq!(by_url.map(|it| it.id).as_deref(), Some("ch_1"));
    }

    #[test]
    fn context_names_the_connected_account() {
        let told = |context: &str| {
            let impact = json!({"related_object_id": "pi_1", "context": context});
            named(&impact).and_then(|it| it.account)
        };
        assert_eq!(told("acct_1").as_deref(), Some("acct_1"));
        assert_eq!(told("not one"), None);
    }
}
