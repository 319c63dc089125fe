//! `event verify`: the stored bytes are judged again by the stored signature.

use crate::fixture::{Event, Ledger, OTHER_SECRET, SECRET, run, signature};

const BODY: &[u8] = b"{\"id\":\"evt_1\"}";

fn verify(ledger: &Ledger, secrets: &str) -> crate::fixture::Answer {
    let variables = [
        ("DATABASE_URL", ledger.url.as_str()),
        ("STRIPE_WEBHOOK_SECRETS", secrets),
    ];
    run(&["event", "verify", "evt_1", "-o", "json"], &variables, b"")
}

#[test]
fn a_stored_event_is_verified_years_later_by_its_secret() {
    let mut ledger = Ledger::new();
    ledger.event(&Event::default());
    let answer = verify(&ledger, &format!("other={OTHER_SECRET},first={SECRET}"));
    assert_eq!(answer.code, 0, "{answer:?}");
    let json = answer.json();
    assert_eq!(
        (json["signature"].as_str(), json["sha256"].as_str()),
        (Some("valid"), Some("match"))
    );
    assert_eq!(json["verified_by"], "first");
    assert_eq!(json["recorded_as_verified_by"], "first");
}

#[test]
fn secrets_come_from_a_file_or_from_standard_input() {
    let mut ledger = Ledger::new();
    ledger.event(&Event::default());
    let variables = [("DATABASE_URL", ledger.url.as_str())];
    let piped = run(
        &["event", "verify", "--secrets-file", "-", "evt_1"],
        &variables,
        SECRET.as_bytes(),
    );
    assert_eq!(piped.code, 0, "{piped:?}");

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{SECRET}\n")).unwrap();
    let path = file.path().to_str().unwrap();
    let named = run(
        &["event", "verify", "--secrets-file", path, "evt_1"],
        &variables,
        b"",
    );
    assert_eq!(named.code, 0, "{named:?}");
    for answer in [piped, named] {
        assert!(!answer.text().contains(SECRET) && !answer.err.contains(SECRET));
    }
}

#[test]
fn another_secret_does_not_verify() {
    let mut ledger = Ledger::new();
    ledger.event(&Event::default());
    verify(&ledger, OTHER_SECRET).failed(1, "no secret given verifies");
}

#[test]
fn a_tampered_payload_does_not_verify_even_with_a_hash_that_fits() {
    let mut ledger = Ledger::new();
    ledger.event(&Event::default());
    // The trigger guards evidence; whoever owns the database can still get round it.
    ledger.execute(
        "ALTER TABLE events DISABLE TRIGGER events_payload_is_evidence;
         UPDATE events SET payload = convert_to('{\"id\":\"evt_2\"}', 'UTF8')",
    );
    verify(&ledger, SECRET).failed(1, "do not match the stored SHA-256");
    ledger.execute("UPDATE events SET payload_sha256 = sha256(payload)");
    verify(&ledger, SECRET).failed(1, "no secret given verifies");
}

#[test]
fn an_event_without_a_signature_is_a_precondition() {
    let mut ledger = Ledger::new();
    ledger.event(&Event {
        signed_with: None,
        source: "reconciler",
        ..Event::default()
    });
    verify(&ledger, SECRET).failed(6, "carries no signature (source: reconciler)");
}

#[test]
fn bad_secrets_are_refused_and_never_told() {
    let mut ledger = Ledger::new();
    ledger.event(&Event::default());
    for secrets in [
        "whsec_short",
        "not-a-secret-but-quite-long-enough-really",
        "whsec_",
        " ",
    ] {
        let answer = verify(&ledger, secrets);
        answer.failed(78, "configuration");
        if secrets.len() > 6 {
            assert!(!answer.err.contains(secrets), "{answer:?}");
        }
    }
    let none = run(
        &["event", "verify", "evt_1"],
        &[("DATABASE_URL", &ledger.url)],
        b"",
    );
    none.failed(78, "signing secrets: STRIPE_WEBHOOK_SECRETS");
}

#[test]
fn the_fixture_signs_as_stripe_does() {
    // The worked example of the signature scheme, checked against openssl:
    // printf '1790000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_0123…
    assert_eq!(signature(SECRET, BODY).len(), "t=1790000000,v1=".len() + 64);
    assert_ne!(signature(SECRET, BODY), signature(OTHER_SECRET, BODY));
}
