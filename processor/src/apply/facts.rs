//! Facts for other services: what changed about a booking or an object, once, with an id that
//! any other run over the same ledger would give it too.
//!
//! Pure. Shape: docs/booking-events.schema.json.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::projection::{project, state};
use super::world::{Cause, Fact, ObjectRow, Shown};

const BOOKING: &str = "booking.changed";

/// What a fact is about.
struct Subject<'a> {
    kind: &'static str,
    account: &'a str,
    id: &'a str,
    version: i64,
}

/// The fact that a booking now shows `shown`, or none: while it is held nothing irreversible
/// may follow from it, and what was said already is not said again.
///
/// `members` is one line a member object (`id status second`), sorted: it tells a booking that
/// came back to a state (a dispute won, a second failed attempt) from one that never left it.
/// `published` is what the last fact said; the new one goes in its place.
#[must_use]
pub fn of_booking(
    (booking_id, version): (&str, i64),
    shown: &Shown,
    members: &[String],
    published: Option<&str>,
    cause: Cause<'_>,
) -> Option<(Fact, String)> {
    if shown.hold.is_some() {
        return None;
    }
    let mut state = json!(shown);
    if let Value::Object(map) = &mut state {
        map.remove("hold");
    }
    let subject = Subject {
        kind: BOOKING,
        account: "",
        id: booking_id,
        version,
    };
    let (mut payload, fact_id, said) = tell(&subject, state, members, published, cause)?;
    insert(&mut payload, "booking_id", booking_id.into());
    let fact = Fact {
        id: fact_id,
        key: booking_id.to_owned(),
        kind: BOOKING,
        payload: payload.to_string(),
    };
    Some((fact, said))
}

/// The fact that an object's projection changed, or none: for a kind that has none, while it is
/// unsettled, and where nothing changed that the last fact did not say.
#[must_use]
pub fn of_object(row: &ObjectRow) -> Option<(Fact, String)> {
    let told = row.told_by.as_ref()?;
    let winner = row.state.winner().filter(|winner| winner.settled)?;
    let projection = project(row)?;
    let subject = Subject {
        kind: projection.fact,
        account: &row.key.account,
        id: &row.key.id,
        version: row.version.saturating_add(1),
    };
    let moment = [winner.snapshot.at.to_string()];
    let published = row.published_state.as_deref();
    let (mut payload, id, said) = tell(
        &subject,
        state(&projection),
        &moment,
        published,
        told.cause(),
    )?;
    insert(&mut payload, "object_id", row.key.id.as_str().into());
    insert(
        &mut payload,
        "account",
        json!(Some(row.key.account.as_str()).filter(|a| !a.is_empty())),
    );
    insert(&mut payload, "booking_id", json!(row.booking_id));
    let fact = Fact {
        id,
        key: row.booking_id.clone().unwrap_or_else(|| told.key.clone()),
        kind: projection.fact,
        payload: payload.to_string(),
    };
    Some((fact, said))
}

fn tell(
    subject: &Subject<'_>,
    state: Value,
    moment: &[String],
    published: Option<&str>,
    cause: Cause<'_>,
) -> Option<(Value, String, String)> {
    let said = state.to_string();
    if published == Some(said.as_str()) {
        return None;
    }
    let mut hash = Sha256::new();
    for part in [subject.account, subject.kind, subject.id, &said]
        .into_iter()
        .chain(moment.iter().map(String::as_str))
    {
        // Lengths keep neighbouring parts apart.
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    let id = format!("fact_{}", hex::encode(hash.finalize()));
    let previous: Option<Value> = published.and_then(|text| serde_json::from_str(text).ok());
    let payload = json!({
        "v": 3, "id": id, "kind": subject.kind, "version": subject.version,
        "changed": changed(previous.as_ref(), &state), "state": state, "previous": previous,
        "cause": {"kind": cause.kind, "id": cause.id}, "trace_id": cause.trace_id,
    });
    Some((payload, id, said))
}

/// Names of what differs from the last fact; all names for the first.
fn changed(previous: Option<&Value>, state: &Value) -> Vec<String> {
    let names = state.as_object().into_iter().flatten();
    names
        .filter(|(name, value)| previous.and_then(|old| old.get(name)) != Some(value))
        .map(|(name, _)| name.clone())
        .collect()
}

fn insert(payload: &mut Value, name: &str, value: Value) {
    if let Value::Object(map) = payload {
        map.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    const CAUSE: Cause<'_> = Cause {
        kind: "event",
        id: "evt_1",
        trace_id: Some("0af7651916cd43dd8448eb211c80319c"),
    };

    fn shown(status: &str) -> Shown {
        Shown {
            status: status.to_owned(),
            ..Shown::default()
        }
    }

    fn fact(
        version: i64,
        shown: &Shown,
        members: &[String],
        said: Option<&str>,
    ) -> Option<(Fact, String)> {
        of_booking(("b", version), shown, members, said, CAUSE)
    }

    #[test]
    fn a_held_booking_says_nothing() {
        let held = Shown {
            hold: Some("uncertain".into()),
            ..shown("confirmed")
        };
        assert!(fact(1, &held, &[], None).is_none());
    }

    #[test]
    fn what_was_said_is_not_said_again() {
        let first = fact(1, &shown("confirmed"), &[], None);
        let said = first.map(|(_, said)| said);
        assert!(fact(2, &shown("confirmed"), &[], said.as_deref()).is_none());
        assert!(fact(2, &shown("refunded"), &[], said.as_deref()).is_some());
    }

    #[test]
    fn the_id_depends_on_the_state_and_not_on_the_version() {
        let id = |version, members: &[String]| {
            fact(version, &shown("confirmed"), members, None).map(|(fact, _)| fact.id)
        };
        assert_eq!(id(1, &[]), id(9, &[]));
        assert_ne!(id(1, &[]), id(1, &["dp_1 won 7".to_owned()]));
    }

    #[test]
    fn a_fact_says_what_changed_and_why() {
        let (_, said) = fact(1, &shown("processing"), &[], None).unwrap();
        let mut paid = shown("confirmed");
        paid.amounts.amount_paid = 500;
        let (fact, _) = fact(2, &paid, &[], Some(&said)).unwrap();
        let payload: Value = serde_json::from_str(&fact.payload).unwrap();
        assert_eq!(payload["changed"], json!(["amount_paid", "status"]));
        assert_eq!(payload["previous"]["status"], "processing");
        assert_eq!(payload["cause"], json!({"kind": "event", "id": "evt_1"}));
        assert_eq!(payload["trace_id"], CAUSE.trace_id.unwrap());
    }
}
