#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

use super::*;
use proptest::prelude::*;

fn kind(body: &[u8]) -> &'static str {
    decode(body).expect_err("malformed").kind()
}

fn event(extra: &str) -> String {
    format!(
        r#"{{"id":"evt_1","object":"event","type":"charge.updated","data":{{"object":{{"id":"ch_1","object":"charge"}}}}{extra}}}"#
    )
}

#[test]
fn a_snapshot_event_is_read_and_what_is_optional_may_be_missing_or_odd() {
    let plain = event("");
    let envelope = decode(plain.as_bytes()).unwrap().envelope;
    assert_eq!(
        (envelope.created, envelope.account, envelope.livemode),
        (0, None, None)
    );
    let odd = event(
        r#","created":"soon","account":7,"livemode":"yes","api_version":[],"request":"req_1","huge":1e400"#,
    );
    let envelope = decode(odd.as_bytes()).unwrap().envelope;
    assert_eq!(
        (envelope.created, envelope.account, envelope.livemode),
        (0, None, None)
    );
    let full = event(
        r#","created":1700000000,"account":"acct_1","livemode":true,"api_version":"2026-10-28.endive""#,
    );
    let envelope = decode(full.as_bytes()).unwrap().envelope;
    assert_eq!(envelope.created, 1_700_000_000);
    assert_eq!(envelope.account.unwrap().as_str(), "acct_1");
    assert_eq!(envelope.livemode, Some(true));
    assert_eq!(envelope.object.unwrap().id.as_str(), "ch_1");
}

#[test]
fn a_text_is_the_same_with_escapes_and_without() {
    let plain = r#"{"id":"evt_1","object":"event","type":"charge.updated","account":"acct_1","api_version":"2026-10-28.endive","data":{}}"#;
    let escaped = r#"{"id":"evt\u005f1","object":"\u0065vent","type":"charge\u002eupdated","account":"acct\u005f1","api_version":"2026-10\u002d28.endive","data":{}}"#;
    let plain = decode(plain.as_bytes()).unwrap().envelope;
    assert_eq!(decode(escaped.as_bytes()).unwrap().envelope, plain);
    assert_eq!(plain.account, AccountId::parse("acct_1").ok());
    for (odd, said) in [
        (r#""type":"\ud800""#, "bad_type"),
        (r#""type":"a\\""#, "ok"),
        (r#""type":"a\"b""#, "ok"),
        (r#""type":"\n""#, "bad_type"),
        (r#""type":"""#, "bad_type"),
    ] {
        let body = format!(r#"{{"id":"evt_1","object":"event",{odd},"data":{{}}}}"#);
        let found = decode(body.as_bytes()).map_or_else(|error| error.kind(), |_| "ok");
        assert_eq!(found, said, "{odd}");
    }
}

#[test]
fn a_thin_event_names_its_object_account_and_snapshot() {
    let body = br#"{"object":"v2.core.event","id":"evt_2","type":"v1.payment_intent.succeeded","created":"2026-11-24T01:02:03.123456789Z","context":"acct_9","related_object":{"id":"pi_1","type":"payment_intent","url":"/v1/x"},"snapshot_event":"evt_1"}"#;
    let envelope = decode(body).unwrap().envelope;
    assert_eq!(envelope.shape, Shape::Thin);
    assert_eq!(envelope.created, 1_795_482_123);
    assert_eq!(envelope.account.unwrap().as_str(), "acct_9");
    assert_eq!(envelope.object.unwrap().kind, "payment_intent");
    assert_eq!(envelope.snapshot_event.unwrap().as_str(), "evt_1");
}

#[test]
fn an_object_without_an_id_is_no_reason_to_refuse() {
    let body = br#"{"id":"evt_1","object":"event","type":"invoice.upcoming","data":{"object":{"object":"invoice"}}}"#;
    assert_eq!(decode(body).unwrap().envelope.object, None);
}

#[test]
fn each_kind_of_bad_bytes_has_its_name() {
    assert_eq!(kind(b""), "not_json");
    assert_eq!(kind(b"nonsense"), "not_json");
    assert_eq!(kind(b"[]"), "not_json");
    assert_eq!(
        kind(br#"["evt_1","event","x",1,null,null,true,null,{},null,null]"#),
        "not_json"
    );
    assert_eq!(kind(format!("{} x", event("")).as_bytes()), "not_json");
    assert_eq!(
        kind(format!("\u{feff}{}", event("")).as_bytes()),
        "byte_order_mark"
    );
    assert_eq!(kind(b"{\"id\":\"\xff\"}"), "not_utf8");
    assert_eq!(kind(br#"{"object":"charge","id":"ch_1"}"#), "unknown_shape");
    assert_eq!(
        kind(br#"{"object":"event","type":"x","data":{}}"#),
        "missing_id"
    );
    assert_eq!(
        kind(br#"{"object":"event","id":7,"type":"x","data":{}}"#),
        "bad_id"
    );
    assert_eq!(
        kind(br#"{"object":"event","id":"evt\u0000","type":"x","data":{}}"#),
        "bad_id"
    );
    assert_eq!(
        kind(br#"{"object":"event","id":"evt_1","data":{}}"#),
        "missing_type"
    );
    assert_eq!(
        kind(br#"{"object":"event","id":"evt_1","type":"a\nb","data":{}}"#),
        "bad_type"
    );
    assert_eq!(
        kind(br#"{"object":"event","id":"evt_1","type":"a"}"#),
        "bad_data"
    );
    assert_eq!(
        kind(br#"{"object":"event","id":"evt_1","type":"a","data":7}"#),
        "bad_data"
    );
}

#[test]
fn a_field_we_rely_on_given_twice_is_refused() {
    for twice in [
        r#","id":"evt_1""#,
        r#","type":"x""#,
        r#","object":"event""#,
        r#","created":1,"created":2"#,
    ] {
        assert_eq!(kind(event(twice).as_bytes()), "duplicate_key", "{twice}");
    }
}

#[test]
fn deep_nesting_is_refused_before_anything_recurses() {
    assert_eq!(kind(&[b'['].repeat(1 << 20)), "too_deep");
    let deep = event(&format!(r#","x":{}1{}"#, "[".repeat(63), "]".repeat(63)));
    assert!(decode(deep.as_bytes()).is_ok());
    let deeper = event(&format!(r#","x":{}1{}"#, "[".repeat(64), "]".repeat(64)));
    assert_eq!(kind(deeper.as_bytes()), "too_deep");
    let quoted = event(&format!(r#","x":"{}\"[""#, "[".repeat(1000)));
    assert!(decode(quoted.as_bytes()).is_ok());
}

#[test]
fn nul_and_lone_surrogates_in_ignored_fields_do_no_harm() {
    assert!(decode(event(r#","x":"\u0000""#).as_bytes()).is_ok());
    assert!(decode(event(r#","x":"\ud800""#).as_bytes()).is_ok());
}

proptest! {
    #[test]
    fn any_bytes_get_an_answer(body in proptest::collection::vec(any::<u8>(), 0..500)) {
        drop(decode(&body));
        drop(decode_observation(&body));
    }
}
