//! What the reconciler last saw of the sender.

use super::Setup;

#[test]
fn alarms_that_stand_and_endpoints_that_are_there_are_shown_with_what_differs() {
    let mut setup = Setup::new();
    setup.ledger.execute(
        "INSERT INTO webhook_endpoints (id, url, status, api_version, enabled_events, livemode, ours,
             accepted_url, accepted_version, accepted_events, gone_at)
         VALUES ('we_1', 'https://a/', 'disabled', '2026-09-30', '{b,a}', false, true, 'https://a/',
                 '2024-01-01', '{a,b}', NULL),
            ('we_2', 'https://old/', 'enabled', NULL, '{*}', false, false, NULL, NULL, NULL, now());
         INSERT INTO sender_alarms (alarm, subject, detail, since, cleared_at)
         VALUES ('endpoint_disabled', 'we_1', 'Stripe says disabled', '2026-11-01T00:00:00Z', NULL),
            ('silence', '', 'nothing arrived', '2026-10-01T00:00:00Z', now())",
    );
    let json = setup.run_with(&["show", "-o", "json"], &[]).json();
    assert_eq!(json["alarms"].as_array().unwrap().len(), 1, "{json:#}");
    assert_eq!(json["alarms"][0]["alarm"], "endpoint_disabled");
    assert_eq!(json["alarms"][0]["since"], "2026-11-01T00:00:00Z");
    assert_eq!(json["endpoints"].as_array().unwrap().len(), 1);
    assert_eq!(json["endpoints"][0]["accepted_version"], "2024-01-01");
    let table = setup.run_with(&["show"], &[]);
    let line = table.text().lines().find(|line| line.starts_with(" we_1"));
    let line = line.unwrap_or_else(|| panic!("{table:?}"));
    assert!(
        line.contains(" version "),
        "only the version differs: {line}"
    );
    assert!(!line.contains("types"), "{line}");
    let all = setup.run_with(&["show", "--all", "-o", "json"], &[]).json();
    assert_eq!(all["alarms"].as_array().unwrap().len(), 2);
    assert_eq!(all["endpoints"].as_array().unwrap().len(), 2);
}

#[test]
fn where_nothing_was_seen_yet_it_ends_with_3() {
    let setup = Setup::new();
    setup
        .run_with(&["show"], &[])
        .failed(3, "no endpoint was seen yet");
}
