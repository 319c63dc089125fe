//! Created once, then kept right.

use std::os::unix::fs::PermissionsExt as _;

use super::{Setup, URL, assert_hidden, kept};

#[test]
fn without_execute_the_steps_are_shown_and_nothing_is_changed() {
    let setup = Setup::new();
    let answer = setup.plan(&["-o", "json"]);
    let json = answer.json();
    assert_eq!(json["dry_run"], true);
    assert_eq!(json["steps"], serde_json::json!(["create"]), "{answer:?}");
    assert!(answer.err.contains("needs --secret-file"), "{answer:?}");
    assert!(setup.listed().is_empty());
    assert_eq!(setup.ledger.actions(), "");
}

#[test]
fn it_is_created_once_and_a_second_run_changes_nothing() {
    let setup = Setup::new();
    let first = setup.ensure(&["--api-version", "2026-09-30", "-o", "json"]);
    assert_eq!(first.code, 0, "{first:?}");
    let listed = setup.listed();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["url"], URL);
    assert_eq!(listed[0]["enabled_events"], serde_json::json!(["*"]));
    assert_eq!(listed[0]["api_version"], "2026-09-30");
    assert_eq!(first.json()["endpoint"], listed[0]["id"]);

    let second = setup.ensure(&["-o", "json"]);
    assert_eq!(second.code, 0, "{second:?}");
    assert_eq!(second.json()["steps"], serde_json::json!([]));
    assert_eq!(setup.listed(), listed);
    assert_eq!(
        setup.ledger.actions(),
        "endpoint ensure done, endpoint ensure done"
    );
    let accepted = setup.ledger.text(
        "SELECT concat_ws(' ', id, ours, status, accepted_url, accepted_version, accepted_events)
         FROM webhook_endpoints",
    );
    let id = listed[0]["id"].as_str().unwrap();
    assert_eq!(accepted, format!("{id} t enabled {URL} 2026-09-30 {{*}}"));
}

#[test]
fn the_signing_secret_is_in_its_file_and_nowhere_else() {
    let setup = Setup::new();
    let answer = setup.ensure(&[]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let secret = kept(&setup.secret_file());
    assert!(secret.starts_with("whsec_"), "no secret in the file");
    let mode = std::fs::metadata(setup.secret_file())
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    assert_hidden(&setup, &answer, &secret);
    assert_hidden(&setup, &answer, setup.stripe.api_key());
}

#[test]
fn a_disabled_one_is_enabled() {
    let setup = Setup::new();
    assert_eq!(setup.ensure(&[]).code, 0);
    let id = setup.listed()[0]["id"].as_str().unwrap().to_owned();
    setup.post(&format!("/{id}"), "disabled=true");
    let plan = setup.plan(&["-o", "json"]);
    assert_eq!(plan.json()["steps"], serde_json::json!(["enable"]));
    assert_eq!(setup.listed()[0]["status"], "disabled");
    let answer = setup.ensure(&[]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(setup.listed()[0]["status"], "enabled");
    assert_eq!(
        setup.ledger.text("SELECT status FROM webhook_endpoints"),
        "enabled"
    );
}

#[test]
fn changed_types_are_set_right_and_accepted() {
    let setup = Setup::new();
    assert_eq!(setup.ensure(&[]).code, 0);
    let id = setup.listed()[0]["id"].as_str().unwrap().to_owned();
    setup.post(
        &format!("/{id}"),
        "enabled_events[0]=charge.refunded&disabled=true",
    );
    let answer = setup.ensure(&["-o", "json"]);
    assert_eq!(
        answer.json()["steps"],
        serde_json::json!(["enable", "set the types"]),
        "{answer:?}"
    );
    assert_eq!(
        setup.listed()[0]["enabled_events"],
        serde_json::json!(["*"])
    );
    let some = setup.ensure(&["--events", "charge.succeeded,charge.refunded"]);
    assert_eq!(some.code, 0, "{some:?}");
    assert_eq!(
        setup
            .ledger
            .text("SELECT accepted_events FROM webhook_endpoints"),
        "{charge.refunded,charge.succeeded}"
    );
}

#[test]
fn one_that_is_named_gets_the_address() {
    let setup = Setup::new();
    let made = setup.post("", "url=https://old.example.com/hooks&enabled_events[0]=*");
    let id = made["id"].as_str().unwrap();
    let answer = setup.ensure(&["--endpoint", id, "-o", "json"]);
    assert_eq!(
        answer.json()["steps"],
        serde_json::json!(["set the address"])
    );
    let listed = setup.listed();
    assert_eq!((listed.len(), &listed[0]["url"]), (1, &URL.into()));
    assert!(!setup.secret_file().exists());
}
