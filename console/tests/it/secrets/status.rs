//! Which secret still signs, and which may go.

use serde_json::Value;

use crate::fixture::{Event, Ledger, OTHER_SECRET, SECRET, run};

/// Webhooks verified by these secrets, so many seconds ago.
fn ledger(verified: &[(&str, &str, i64)]) -> Ledger {
    let mut ledger = Ledger::new();
    for (id, name, ago) in verified {
        ledger.event(&Event {
            id,
            ..Event::default()
        });
        ledger.rewrite(&format!(
            "UPDATE events SET verified_by = '{name}',
                 received_at = now() - make_interval(secs => {ago}) WHERE id = '{id}'"
        ));
    }
    ledger
}

fn status(ledger: &Ledger, more: &[&str], secrets: Option<&str>) -> Value {
    let mut variables = vec![("DATABASE_URL", ledger.url.as_str())];
    variables.extend(secrets.map(|text| ("STRIPE_WEBHOOK_SECRETS", text)));
    let arguments = [&["secrets", "status", "-o", "json"], more].concat();
    let answer = run(&arguments, &variables, b"");
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(!answer.text().contains("whsec_"), "a secret is shown");
    answer.json()
}

fn of<'a>(json: &'a Value, name: &str) -> &'a Value {
    let all = json["secrets"].as_array().unwrap();
    let found = all.iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {json:#}"))
}

#[test]
fn each_secret_shows_what_it_verified_and_only_a_silent_one_may_go() {
    let mut ledger = ledger(&[
        ("evt_1", "new", 60),
        ("evt_2", "new", 7_200),
        ("evt_3", "old", 100_000),
        ("evt_4", "we_1", 90_000),
    ]);
    ledger.event(&Event {
        id: "evt_5",
        source: "replay",
        ..Event::default()
    });
    ledger.rewrite("UPDATE events SET verified_by = 'replayed' WHERE id = 'evt_5'");
    ledger.execute(
        "INSERT INTO webhook_endpoints (id, url, status, enabled_events, livemode, ours)
         VALUES ('we_1', 'https://a/', 'enabled', '{*}', false, true)",
    );
    let json = status(&ledger, &["--since", "2d"], None);
    let new = of(&json, "new");
    assert_eq!(
        (&new["last_hour"], &new["last_day"]),
        (&1.into(), &2.into())
    );
    assert_eq!(new["removable"], "no");
    let old = of(&json, "old");
    assert_eq!(
        (&old["last_hour"], &old["last_day"]),
        (&0.into(), &0.into())
    );
    assert_eq!(old["removable"], "yes", "{old:#}");
    let named = of(&json, "we_1");
    assert_eq!(named["endpoint_status"], "enabled");
    assert_eq!(named["removable"], "no", "{named:#}");
    assert_eq!(json["secrets"].as_array().unwrap().len(), 3, "{json:#}");
    let configured = format!("new={SECRET},idle={OTHER_SECRET}");
    let json = status(&ledger, &[], Some(&configured));
    assert_eq!(of(&json, "idle")["last_seen"], Value::Null);
    assert_eq!(of(&json, "idle")["configured"], true);
    assert_eq!(of(&json, "idle")["removable"], "unknown", "it may be new");
    assert_eq!(json["secrets"].as_array().unwrap().len(), 2, "{json:#}");
    let configured = format!("new={SECRET},old={OTHER_SECRET}");
    let json = status(&ledger, &["--since", "1h"], Some(&configured));
    let old = of(&json, "old");
    assert_eq!(old["removable"], "yes", "it verified before: {old:#}");
    let json = status(&ledger, &[], Some(&format!("old={SECRET}")));
    let old = of(&json, "old");
    assert_eq!(old["removable"], "no", "no other is configured: {old:#}");
}

#[test]
fn where_nothing_is_verified_at_all_no_secret_is_said_to_be_removable() {
    let ledger = ledger(&[("evt_1", "main", 100_000), ("evt_2", "old", 200_000)]);
    let json = status(&ledger, &["--since", "7d"], None);
    assert_eq!(of(&json, "main")["removable"], "unknown");
    assert_eq!(of(&json, "old")["removable"], "unknown");
    let alone = status(&Ledger::new(), &[], Some(SECRET));
    assert_eq!(
        of(&alone, "secret1")["removable"],
        "no",
        "it is the only one"
    );
    let empty = Ledger::new().bookend(&["secrets", "status"]);
    empty.failed(3, "no webhook was verified since");
}

#[test]
fn an_ingestor_that_does_not_answer_is_no_evidence_and_ends_with_1() {
    let ledger = ledger(&[("evt_1", "main", 60)]);
    let deaf = ["secrets", "status", "--metrics", "http://127.0.0.1:1"];
    ledger
        .bookend(&deaf)
        .failed(1, "http://127.0.0.1:1/metrics did not answer");
}
