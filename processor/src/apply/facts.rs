//! Facts for other services: what changed about a booking, once, with an id that any other run
//! over the same ledger would give it too.
//!
//! Pure.

use sha2::{Digest, Sha256};

use super::world::{Fact, Shown};

const KIND: &str = "booking.changed";

/// The fact that a booking now shows `shown`, or none: while it is held nothing irreversible
/// may follow from it, and what was said already is not said again.
///
/// `members` is one line a member object (`id status`), sorted: it tells a booking that is
/// confirmed *again* (a dispute won) from one that was confirmed before. `published` is what
/// the last fact said; the new one goes in its place.
#[must_use]
pub fn fact(
    booking_id: &str,
    version: i64,
    shown: &Shown,
    members: &[String],
    published: Option<&str>,
) -> Option<(Fact, String)> {
    if shown.hold.is_some() {
        return None;
    }
    let state = serde_json::json!({
        "status": shown.status,
        "amount": shown.amount,
        "currency": shown.currency,
        "amount_paid": shown.amount_paid,
        "amount_refunded": shown.amount_refunded,
    });
    let said = state.to_string();
    if published == Some(said.as_str()) {
        return None;
    }
    let mut hash = Sha256::new();
    for part in [booking_id, KIND, booking_id, &said]
        .into_iter()
        .chain(members.iter().map(String::as_str))
    {
        // Lengths keep neighbouring parts apart.
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    let id = format!("fact_{}", hex::encode(hash.finalize()));
    let payload = serde_json::json!({
        "v": 1, "id": id, "kind": KIND, "booking_id": booking_id, "version": version, "state": state,
    });
    let fact = Fact {
        id,
        booking_id: booking_id.to_owned(),
        kind: KIND,
        payload: payload.to_string(),
    };
    Some((fact, said))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(status: &str) -> Shown {
        Shown {
            status: status.to_owned(),
            ..Shown::default()
        }
    }

    #[test]
    fn a_held_booking_says_nothing() {
        let held = Shown {
            hold: Some("uncertain".into()),
            ..shown("confirmed")
        };
        assert!(fact("b", 1, &held, &[], None).is_none());
    }

    #[test]
    fn what_was_said_is_not_said_again() {
        let first = fact("b", 1, &shown("confirmed"), &[], None);
        let said = first.map(|(_, said)| said);
        assert!(fact("b", 2, &shown("confirmed"), &[], said.as_deref()).is_none());
        assert!(fact("b", 2, &shown("refunded"), &[], said.as_deref()).is_some());
    }

    #[test]
    fn the_id_depends_on_the_state_and_not_on_the_version() {
        let id = |version, members: &[String]| {
            fact("b", version, &shown("confirmed"), members, None).map(|(fact, _)| fact.id)
        };
        assert_eq!(id(1, &[]), id(9, &[]));
        assert_ne!(id(1, &[]), id(1, &["dp_1 won".to_owned()]));
    }
}
