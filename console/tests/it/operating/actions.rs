//! `action list | show`.

use super::Desk;

#[test]
fn actions_are_listed_the_newest_first_with_those_that_were_refused() {
    let mut desk = Desk::new();
    desk.parked("bk_1", "evt_p", 1, Some("constraint"));
    let done = desk.executed(&["parked", "release", "bk_1"], "applied", 1);
    assert_eq!(done.code, 0, "{done:?}");
    let id = desk.action();
    desk.execute(&["consumer", "pause", "--expect", "2"])
        .failed(6, "the plan has changed");

    let json = desk.run(&["action", "list", "-o", "json"]).json();
    assert_eq!(json["actions"][0]["state"], "denied", "{json}");
    assert_eq!(json["actions"][1]["id"], id.as_str());
    assert_eq!(json["actions"][1]["request"]["bookings"][0], "bk_1");
    let denied = desk.run(&["action", "list", "--state", "denied", "--who", "Ada"]);
    assert!(denied.text().contains("consumer pause"), "{denied:?}");
    assert!(!denied.text().contains("parked release"), "{denied:?}");

    let shown = desk.run(&["action", "show", &id, "-o", "json"]).json();
    assert_eq!(shown["action"]["reason"], "ticket 7");
    assert_eq!(shown["action"]["plan"]["matched"], 1, "{shown}");
    assert_eq!(shown["items"][0]["state"], "applied");
    assert_eq!(shown["history"][0]["state"], "done", "{shown}");
    assert_eq!(shown["history"][0]["result"]["applied"], 1);
    assert_eq!(shown["items"][0]["topic"], desk.stand.topics.events);
    let table = desk.run(&["action", "show", &id]);
    for words in ["Ada", "ticket 7", "bk_1", "1 applied"] {
        assert!(table.text().contains(words), "{words}: {table:?}");
    }
}

#[test]
fn an_unknown_action_ends_with_3_and_what_cannot_be_one_with_2() {
    let desk = Desk::new();
    desk.run(&["action", "list"]).failed(3, "nothing matched");
    desk.run(&["action", "show", &format!("act_{}", "0".repeat(32))])
        .failed(3, "no action act_0");
    for bad in ["act_1", "", "evt_1"] {
        desk.run(&["action", "show", bad])
            .failed(2, "invalid value");
    }
}
