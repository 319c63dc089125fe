#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use hmac::{Hmac, KeyInit};
use sha2::Sha256;

use super::*;
use proptest::prelude::*;

const NOW: i64 = 1_700_000_000;
const MAIN: &str = "whsec_main_0123456789abcdef0123456789";
const OLD: &str = "whsec_old_0123456789abcdef0123456789";
const BODY: &[u8] = b"{\"id\":\"evt_1\"}";

fn secrets() -> Secrets {
    Secrets::parse(&format!("main={MAIN}\nold={OLD}")).unwrap()
}

fn mac(secret: &str, signed: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(signed);
    hex::encode(mac.finalize().into_bytes())
}

fn v1(secret: &str, t: &str, body: &[u8]) -> String {
    mac(secret, &[t.as_bytes(), b".", body].concat())
}

fn good() -> String {
    v1(MAIN, &NOW.to_string(), BODY)
}

fn check(header: &str) -> Result<String, Refusal> {
    verify(&secrets(), &[header.as_bytes()], BODY, NOW)
        .map(|verified| verified.verified_by().to_string())
}

#[test]
fn a_good_signature_is_accepted_wherever_it_stands() {
    let g = good();
    for header in [
        format!("t={NOW},v1={g}"),
        format!("t={NOW},v1={},v1={g}", "0".repeat(64)),
        format!("t={NOW},v1={g},v1={}", "0".repeat(64)),
        format!("t={NOW},v1=potato,v1={g}"),
        format!("t={NOW},v1=,v1={g}"),
        format!("v1={g},t={NOW}"),
        format!("v0=ff,t={NOW},v1={g}"),
        format!("t={NOW},v1={g},v0=ff"),
        format!("t={NOW},v2={},v1={g}", "0".repeat(64)),
        format!(",t={NOW},v1={g}"),
        format!("t={NOW},v1={g},"),
        format!("t={NOW},nonsense,v1={g}"),
        format!("t={NOW},x=a=b,v1={g}"),
    ] {
        assert_eq!(check(&header).as_deref(), Ok("main"), "{header}");
    }
}

#[test]
fn while_a_secret_is_rolled_either_one_is_enough() {
    let old = v1(OLD, &NOW.to_string(), BODY);
    let unknown = v1(
        "whsec_new_0123456789abcdef0123456789",
        &NOW.to_string(),
        BODY,
    );
    assert_eq!(
        check(&format!("t={NOW},v1={unknown},v1={old}")).as_deref(),
        Ok("old")
    );
    assert_eq!(
        check(&format!("t={NOW},v1={old},v1={unknown}")).as_deref(),
        Ok("old")
    );
    assert_eq!(
        check(&format!("t={NOW},v1={old},v1={}", good())).as_deref(),
        Ok("main")
    );
}

#[test]
fn bytes_are_bytes() {
    for body in ["größe".as_bytes(), b"{\r\n}\r\n", &[0xff, 0x00, 0xfe]] {
        let header = format!("t={NOW},v1={}", v1(MAIN, &NOW.to_string(), body));
        assert!(verify(&secrets(), &[header.as_bytes()], body, NOW).is_ok());
    }
}

#[test]
fn the_time_may_differ_by_exactly_the_tolerance_and_no_more() {
    for (t, expected) in [
        (NOW - 280, Ok(())),
        (NOW - 300, Ok(())),
        (NOW + 290, Ok(())),
        (NOW + 300, Ok(())),
        (NOW - 301, Err(Refusal::TooOld(1))),
        (NOW + 301, Err(Refusal::FromTheFuture(1))),
    ] {
        let header = format!("t={t},v1={}", v1(MAIN, &t.to_string(), BODY));
        assert_eq!(check(&header).map(drop), expected, "t={t}");
    }
}

#[test]
fn a_bad_mac_is_a_forgery_whatever_its_time() {
    let header = format!("t={},v1={}", NOW - 9_999, "0".repeat(64));
    assert_eq!(check(&header), Err(Refusal::HmacMismatch));
}

#[test]
fn malformed_headers_are_refused() {
    let g = good();
    for header in [
        String::new(),
        "garbage".into(),
        format!("t={NOW};v1={g}"),
        format!("T={NOW},v1={g}"),
        format!("t={NOW},V1={g}"),
        format!("v1={g}"),
        format!("t=,v1={g}"),
        format!("t={NOW}"),
        format!("t={NOW},v0={g}"),
        format!("t={NOW},t={NOW},v1={g}"),
        format!("t={NOW},v1={g},t={}", NOW + 1),
        format!("t={NOW},v1={}", &g[..63]),
        format!("t={NOW},v1={g}ab"),
        format!("t={NOW},v1={g}=junk"),
        format!("t={NOW},v1={}", g.to_uppercase()),
        format!(" t={NOW},v1={g}"),
        format!("t={NOW}, v1={g}"),
        format!("t,t={NOW},v1={g}"),
        format!("t={NOW},v1={g},v1"),
        format!("t={NOW},v1={g},x=é"),
        format!("t={NOW},v1={g},x=a b"),
        format!("t={NOW},v1={g} "),
        format!("t={NOW},{}v1={g}", "x,".repeat(16)),
        format!("t={NOW},v1={g},{}", "x".repeat(4096)),
    ] {
        assert_eq!(check(&header), Err(Refusal::BadHeader), "{header}");
    }
}

#[test]
fn a_time_that_is_not_plain_digits_is_refused_even_when_signed_so() {
    for t in [
        "0",
        "-1",
        "+1700000000",
        "1.0",
        "123abc",
        "1_0",
        "0x65",
        "01700000000",
        "9223372036854775808",
    ] {
        let header = format!("t={t},v1={}", v1(MAIN, t, BODY));
        assert_eq!(check(&header), Err(Refusal::BadHeader), "t={t}");
    }
}

#[test]
fn no_header_two_headers_and_an_empty_body_are_refused() {
    let header = format!("t={NOW},v1={}", good());
    let bytes = header.as_bytes();
    assert_eq!(verify(&secrets(), &[], BODY, NOW), Err(Refusal::NoHeader));
    assert_eq!(
        verify(&secrets(), &[bytes, bytes], BODY, NOW),
        Err(Refusal::BadHeader)
    );
    for joined in [format!("{header},{header}"), format!("{header}, {header}")] {
        assert_eq!(check(&joined), Err(Refusal::BadHeader));
    }
    let empty = format!("t={NOW},v1={}", v1(MAIN, &NOW.to_string(), b""));
    assert_eq!(
        verify(&secrets(), &[empty.as_bytes()], b"", NOW),
        Err(Refusal::EmptyBody)
    );
}

#[test]
fn one_changed_byte_or_another_secret_is_refused() {
    let header = format!("t={NOW},v1={}", good());
    let mut body = BODY.to_vec();
    for index in 0..body.len() {
        body[index] ^= 1;
        assert_eq!(
            verify(&secrets(), &[header.as_bytes()], &body, NOW),
            Err(Refusal::HmacMismatch)
        );
        body[index] ^= 1;
    }
    let other = v1("whsec_other_0123456789abcdef012345", &NOW.to_string(), BODY);
    assert_eq!(
        check(&format!("t={NOW},v1={other}")),
        Err(Refusal::HmacMismatch)
    );
}

#[test]
fn stored_evidence_is_verified_without_the_time() {
    let header = format!("t=1000000000,v1={}", v1(OLD, "1000000000", BODY));
    assert_eq!(
        verify_stored(&secrets(), &header, BODY).as_deref(),
        Ok("old")
    );
    assert_eq!(
        verify_stored(&secrets(), &header, b"{}"),
        Err(Refusal::HmacMismatch)
    );
}

#[test]
fn a_weak_secret_cannot_be_configured_and_is_never_shown() {
    for weak in [
        "",
        " \n ",
        "whsec_",
        "whsec_short",
        "0123456789abcdef0123456789abcdef",
        "whsec_with space 0123456789abcdef0123",
    ] {
        let errors = Secrets::parse(weak).expect_err(weak);
        assert!(!format!("{errors:?}").contains("0123456789"), "{errors:?}");
    }
    let all = Secrets::parse("a=whsec_short,b=nonsense").expect_err("both are weak");
    assert_eq!(all.len(), 2);
    assert!(!format!("{:?}", secrets()).contains("0123456789"));
}

#[test]
fn secrets_come_by_line_or_comma_with_or_without_a_name() {
    let parsed = Secrets::parse(&format!("{MAIN}\r\nlive={OLD}\n")).unwrap();
    assert_eq!(parsed.names(), ["secret1", "live"]);
    assert_eq!(
        Secrets::parse(&format!("{MAIN},{OLD}")).unwrap().names(),
        ["secret1", "secret2"]
    );
}

#[test]
fn two_secrets_of_one_name_are_refused_and_one_secret_of_two_names_counts_once() {
    let errors = Secrets::parse(&format!("main={MAIN}\nmain={OLD}")).expect_err("one name");
    assert!(errors[0].to_string().contains("`main`"), "{errors:?}");
    let twice = Secrets::parse(&format!(
        "main={MAIN}\nold={OLD}\nalias={MAIN}\nmain={MAIN}"
    ));
    assert_eq!(twice.unwrap().names(), ["main", "old"]);
}

#[test]
fn names_are_bounded_and_printable_and_so_is_their_number() {
    for name in ["", "two words", "t\u{e9}l\u{e9}", "\u{7f}", &"x".repeat(65)] {
        assert!(
            Secrets::parse(&format!("{name}={MAIN}")).is_err(),
            "{name:?}"
        );
    }
    let list = |n: usize| {
        (0..n)
            .map(|i| format!("whsec_{i:032}\n"))
            .collect::<String>()
    };
    assert_eq!(Secrets::parse(&list(64)).unwrap().names().len(), 64);
    assert!(Secrets::parse(&list(65)).is_err());
}

proptest! {
    #[test]
    fn any_header_gets_an_answer_and_only_a_mac_is_accepted(header in proptest::collection::vec(any::<u8>(), 0..300), body in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(verify(&secrets(), &[&header], &body, NOW).is_err());
    }

    #[test]
    fn whatever_is_signed_in_time_is_accepted(body in proptest::collection::vec(any::<u8>(), 1..300), skew in -300_i64..=300) {
        let t = (NOW + skew).to_string();
        let header = format!("t={t},v1={}", v1(OLD, &t, &body));
        prop_assert!(verify(&secrets(), &[header.as_bytes()], &body, NOW).is_ok());
    }
}
