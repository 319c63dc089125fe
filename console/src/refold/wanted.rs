//! Which commands make right what differs.
//!
//! Pure. A booking is refolded under its own id. An object that has no booking, or is to move to
//! another, is refolded itself: from the booking alone nobody would find it.

use std::collections::BTreeMap;

use shared::commands::{Command, Wish};
use shared::folding::graph::Key;

use super::shadow::Shadow;

/// A wish and the key its record goes under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) key: String,
    pub(crate) wish: Wish,
}

/// Wishes by the subject of their item: each once.
pub(crate) type Plan = BTreeMap<String, Wanted>;

/// What is to be refolded; with `all` also what is right.
pub(crate) fn wanted(shadow: &Shadow, all: bool) -> Plan {
    let mut plan = Plan::new();
    let bookings = shadow.bookings.iter();
    for booking in bookings.filter(|it| all || !it.changes.is_empty()) {
        add(&mut plan, booking_wish(&booking.id));
    }
    let objects = shadow.objects.iter();
    for object in objects.filter(|it| all || !it.changes.is_empty()) {
        let belongs = (object.live_booking.as_deref(), object.booking_id.as_deref());
        let record_key = shadow.record_keys.get(&object.key);
        let record_key = record_key.map(String::as_str);
        add(&mut plan, of_object(&object.key, belongs, record_key));
    }
    plan
}

/// Puts a wish into a plan.
pub(crate) fn add(plan: &mut Plan, wanted: Wanted) {
    let subject = Command::new("", wanted.wish.clone()).subject();
    plan.insert(subject, wanted);
}

/// For a booking.
pub(crate) fn booking_wish(id: &str) -> Wanted {
    Wanted {
        key: id.to_owned(),
        wish: Wish::Refold {
            booking_id: id.to_owned(),
        },
    }
}

/// For an object that belongs to the first booking and should belong to the second.
pub(crate) fn of_object(
    key: &Key,
    (live, shadow): (Option<&str>, Option<&str>),
    record_key: Option<&str>,
) -> Wanted {
    match (live, shadow) {
        (Some(live), Some(shadow)) if live == shadow => booking_wish(live),
        (Some(_) | None, _) => Wanted {
            // One that no applied record is about is known by name only.
            key: record_key.unwrap_or(&key.id).to_owned(),
            wish: Wish::RefoldObject {
                account: key.account.clone(),
                object_id: key.id.clone(),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(live: Option<&str>, shadow: Option<&str>) -> Wanted {
        let key = Key {
            account: String::new(),
            id: "pi_1".to_owned(),
        };
        of_object(&key, (live, shadow), Some("payment_intent:pi_1"))
    }

    #[test]
    fn an_object_that_stays_in_its_booking_is_refolded_with_it() {
        assert_eq!(wish(Some("b"), Some("b")), booking_wish("b"));
    }

    #[test]
    fn an_object_that_moves_or_has_no_booking_is_refolded_itself() {
        for (live, shadow) in [
            (None, None),
            (None, Some("b")),
            (Some("a"), Some("b")),
            (Some("a"), None),
        ] {
            let wanted = wish(live, shadow);
            assert_eq!(wanted.key, "payment_intent:pi_1");
            assert!(matches!(wanted.wish, Wish::RefoldObject { .. }));
        }
    }

    #[test]
    fn what_is_wished_twice_is_wished_once() {
        let mut plan = Plan::new();
        add(&mut plan, booking_wish("b"));
        add(&mut plan, wish(Some("b"), Some("b")));
        add(&mut plan, wish(None, Some("b")));
        assert_eq!(plan.keys().collect::<Vec<_>>(), ["b", "pi_1"]);
    }
}
