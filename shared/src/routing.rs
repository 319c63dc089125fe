//! The key of a record: what keeps the events of one booking together.
//!
//! Pure. Invariant: a key is never empty, never longer than Kafka tools can show, and depends on
//! the bytes alone. Two events of one booking may still get different keys (not every object
//! knows its booking): folding makes that harmless.
//!
//! The rule: the booking id found in the payload; else `kind:id` of the payment intent, charge,
//! subscription, invoice, customer, account or event, in this order; else `sha256:` and the hash
//! of the bytes. A connected account's key begins with `acct_…/`: its metadata never claims a
//! booking of ours.
//!
//! Source: Stripe's documentation "Metadata" (what is copied to which object, and what is not).

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::envelope::{Decoded, Malformed, ObservedObject};
use crate::folding::values::{chosen_id_at, each_at, id_at, text_at};
use crate::ids::{AccountId, BookingId};

/// Key of a record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecordKey(String);

impl RecordKey {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<RecordKey> for String {
    fn from(key: RecordKey) -> Self {
        key.0
    }
}

/// Where an object may name what it belongs to, strongest first.
const JOINS: &[(&str, &[&str])] = &[
    (
        "payment_intent",
        &[
            "/payment_intent",
            "/payment/payment_intent",
            "/payments/data/0/payment/payment_intent",
        ],
    ),
    ("charge", &["/charge", "/payment/charge"]),
    (
        "subscription",
        &["/subscription", "/parent/subscription_details/subscription"],
    ),
    ("invoice", &["/invoice"]),
    ("customer", &["/customer"]),
];

/// Where an event's record goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The record's key.
    pub key: RecordKey,
    /// The booking id in the payload, if it names one.
    pub booking: Option<BookingId>,
}

/// The route of an event's record; by the bytes' hash where they could not be read.
#[must_use]
pub fn route(body: &[u8], decoded: Result<&Decoded<'_>, &Malformed>) -> Route {
    let Ok(decoded) = decoded else {
        let hash = hex::encode(Sha256::digest(body));
        return Route {
            key: RecordKey(format!("sha256:{hash}")),
            booking: None,
        };
    };
    let envelope = &decoded.envelope;
    let own = own(decoded);
    let fallback = || format!("event:{}", envelope.id);
    let naming = decoded.naming();
    let booking = claimed(own.map_or("", |(kind, _)| kind), naming);
    let account = envelope.account.as_ref();
    let key = key_of(naming, booking.as_ref(), own, account, fallback);
    Route { key, booking }
}

/// The key of an event's record, as of its [`route`].
#[must_use]
pub fn record_key(body: &[u8], decoded: Result<&Decoded<'_>, &Malformed>) -> RecordKey {
    route(body, decoded).key
}

/// The key of an observation's record: the same as that of the object's events.
#[must_use]
pub fn observation_key(account: Option<&AccountId>, observed: &ObservedObject<'_>) -> RecordKey {
    let own = (observed.object.kind.as_str(), observed.object.id.as_str());
    let fallback = || format!("{}:{}", own.0, own.1);
    let naming = observed.naming();
    let booking = claimed(own.0, &naming);
    key_of(&naming, booking.as_ref(), Some(own), account, fallback)
}

fn own<'d>(decoded: &'d Decoded<'_>) -> Option<(&'d str, &'d str)> {
    let object = decoded.envelope.object.as_ref()?;
    Some((object.kind.as_str(), object.id.as_str()))
}

fn key_of(
    naming: &Value,
    booking: Option<&BookingId>,
    own: Option<(&str, &str)>,
    account: Option<&AccountId>,
    fallback: impl Fn() -> String,
) -> RecordKey {
    let key = booking
        .map(ToString::to_string)
        .or_else(|| joined(naming, own))
        .or_else(|| account.map(|account| format!("account:{account}")))
        .unwrap_or_else(fallback);
    RecordKey(match account {
        Some(account) => format!("{account}/{key}"),
        None => key,
    })
}

fn joined(object: &Value, own: Option<(&str, &str)>) -> Option<String> {
    for (kind, paths) in JOINS {
        if let Some((own_kind, id)) = own
            && own_kind == *kind
        {
            return Some(format!("{kind}:{id}"));
        }
        let id_at = if *kind == "customer" {
            chosen_id_at
        } else {
            id_at
        };
        if let Some(id) = paths.iter().find_map(|path| id_at(object, path)) {
            return Some(format!("{kind}:{id}"));
        }
    }
    None
}

/// The booking id in an event's payload, if it names one.
#[must_use]
pub fn booking_id_of(decoded: &Decoded<'_>) -> Option<BookingId> {
    claimed(own(decoded).map_or("", |(kind, _)| kind), decoded.naming())
}

/// The booking id an object of this kind names: its own metadata, and for invoices the copies
/// of their subscription's.
#[must_use]
pub fn claimed(kind: &str, object: &Value) -> Option<BookingId> {
    let own = "/metadata/booking_id";
    let paths: &[&str] = match kind {
        "invoice" => &[
            own,
            "/parent/subscription_details/metadata/booking_id",
            "/subscription_details/metadata/booking_id",
            "/lines/data/*/metadata/booking_id",
        ],
        "subscription" => &[own, "/items/data/*/metadata/booking_id"],
        _ => &[own],
    };
    paths
        .iter()
        .flat_map(|path| each_at(object, path))
        .find_map(|found| BookingId::parse(&text_at(found, "")?).ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use crate::envelope::decode;
    use proptest::prelude::*;

    fn key(object: &str, account: &str) -> String {
        let body = format!(
            r#"{{"id":"evt_1","object":"event","type":"x","account":{account},"data":{{"object":{object}}}}}"#
        );
        let decoded = decode(body.as_bytes());
        record_key(body.as_bytes(), decoded.as_ref())
            .as_str()
            .to_owned()
    }

    #[test]
    fn the_booking_id_wins_then_what_ties_best() {
        for (object, expected) in [
            (
                r#"{"object":"charge","id":"ch_1","payment_intent":"pi_1","metadata":{"booking_id":"b 7"}}"#,
                "b 7",
            ),
            (
                r#"{"object":"charge","id":"ch_1","payment_intent":"pi_1","metadata":{}}"#,
                "payment_intent:pi_1",
            ),
            (
                r#"{"object":"charge","id":"ch_1","payment_intent":{"id":"pi_2","object":"payment_intent"}}"#,
                "payment_intent:pi_2",
            ),
            (
                r#"{"object":"charge","id":"ch_1","customer":"cus_1"}"#,
                "charge:ch_1",
            ),
            (
                r#"{"object":"dispute","id":"dp_1","charge":"ch_9"}"#,
                "charge:ch_9",
            ),
            (
                r#"{"object":"payment_intent","id":"pi_1"}"#,
                "payment_intent:pi_1",
            ),
            (
                r#"{"object":"invoice","id":"in_1","parent":{"subscription_details":{"subscription":"sub_1","metadata":{"booking_id":"b2"}}}}"#,
                "b2",
            ),
            (r#"{"object":"customer","id":"cus_1"}"#, "customer:cus_1"),
            (r#"{"object":"balance"}"#, "event:evt_1"),
            (
                r#"{"object":"charge","id":"ch_1","metadata":{"booking_id":""}}"#,
                "charge:ch_1",
            ),
            (
                r#"{"object":"charge","id":"ch_1","metadata":{"booking_id":"a\u0000b"}}"#,
                "charge:ch_1",
            ),
        ] {
            assert_eq!(key(object, "null"), expected, "{object}");
        }
    }

    #[test]
    fn a_connected_accounts_key_says_whose_it_is() {
        let object = r#"{"object":"charge","id":"ch_1","metadata":{"booking_id":"b"}}"#;
        assert_eq!(key(object, r#""acct_1""#), "acct_1/b");
        assert_eq!(
            key(r#"{"object":"balance"}"#, r#""acct_1""#),
            "acct_1/account:acct_1"
        );
    }

    #[test]
    fn the_key_is_blind_to_white_space_and_to_the_order_of_fields() {
        let one = key(
            r#"{"object":"refund","id":"re_1","charge":"ch_1","payment_intent":"pi_1"}"#,
            "null",
        );
        let two = key(
            "{ \"payment_intent\" :\"pi_1\",\n\"charge\":\"ch_1\", \"id\":\"re_1\",\"object\":\"refund\" }",
            "null",
        );
        assert_eq!(one, two);
    }

    /// What `key_of` and `claimed` find in the whole value.
    fn by_the_whole_value(decoded: &Decoded<'_>) -> (RecordKey, Option<BookingId>) {
        let whole = decoded.object();
        let own = own(decoded);
        let booking = claimed(own.map_or("", |(kind, _)| kind), &whole);
        let account = decoded.envelope.account.as_ref();
        let fallback = || format!("event:{}", decoded.envelope.id);
        let key = key_of(&whole, booking.as_ref(), own, account, fallback);
        (key, booking)
    }

    /// JSON texts that nest the names that are looked at, each possibly twice, with values that
    /// cannot be held.
    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("7".to_owned()),
            Just("1e400".to_owned()),
            Just(r#""\ud800""#.to_owned()),
            "[a-z]{1,6}".prop_map(|text| format!("\"{text}\"")),
        ];
        leaf.prop_recursive(5, 60, 6, |inner| {
            let name = prop::sample::select(vec![
                "metadata",
                "booking_id",
                "payment_intent",
                "payment",
                "payments",
                "data",
                "charge",
                "subscription",
                "parent",
                "subscription_details",
                "invoice",
                "customer",
                "lines",
                "items",
                "id",
                "object",
                "0",
                "\\ud800",
            ]);
            let field = (name, inner.clone());
            let field = field.prop_map(|(name, value)| format!("\"{name}\":{value}"));
            prop_oneof![
                prop::collection::vec(field, 0..6)
                    .prop_map(|fields| format!("{{{}}}", fields.join(","))),
                prop::collection::vec(inner, 0..3).prop_map(|all| format!("[{}]", all.join(","))),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn the_named_places_are_those_of_the_whole_value(
            object in json(),
            kind in prop::sample::select(vec!["invoice", "subscription", "charge", "x"]),
        ) {
            let object = object.strip_prefix('{').map_or_else(
                || object.clone(),
                |rest| format!("{{\"object\":\"{kind}\"{}{rest}", if rest == "}" { "" } else { "," }),
            );
            let body = format!(
                r#"{{"id":"evt_1","object":"event","type":"x","data":{{"object":{object}}}}}"#
            );
            let decoded = decode(body.as_bytes());
            if let Ok(decoded) = &decoded {
                let found = route(body.as_bytes(), Ok(decoded));
                prop_assert_eq!((found.key, found.booking), by_the_whole_value(decoded));
            }
        }
    }

    #[test]
    fn unreadable_bytes_are_keyed_by_their_hash() {
        let body = b"nonsense";
        let decoded = decode(body);
        let key = record_key(body, decoded.as_ref());
        assert!(key.as_str().starts_with("sha256:"));
        assert_eq!(key.as_str().len(), 71);
    }
}
