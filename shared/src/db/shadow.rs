//! A shadow fold: objects and bookings as today's rules make them from the ledger, beside what is
//! stored. In memory, and of one moment: its caller's transaction is REPEATABLE READ.
//!
//! *Invariant:* whatever is tied together is folded together, over links and over shared bookings,
//! or not at all.

use std::collections::{BTreeMap, BTreeSet};

use diesel::pg::PgConnection;
use serde_json::{Value, json};

use super::objects::{self, StoredObject};
use super::{Bounds, GatherError, Gathered, Reach, belonging, gather, shares, ties};
use crate::folding::change::{Change, fields};
use crate::folding::graph::Key;
use crate::folding::money::{Policy, Share};
use crate::folding::rebuild::{Rebuilt, RebuiltObject};
use crate::folding::{Columns, FoldError, ObjectState, Shown, TOO_MANY};

/// The most that is tied together and still folded.
pub const BOUNDS: Bounds = Bounds {
    objects: 5_000,
    rows: 50_000,
};

/// One object beside its row.
#[derive(Debug)]
pub struct ObjectShadow {
    /// Account and id.
    pub key: Key,
    /// Stripe's object name.
    pub kind: String,
    /// As folded.
    pub state: ObjectState,
    /// The booking it belongs to, as stored.
    pub live_booking: Option<String>,
    /// The same, as folded.
    pub booking_id: Option<String>,
    /// What differs.
    pub changes: Vec<Change>,
}

/// One booking beside its row.
#[derive(Debug)]
pub struct BookingShadow {
    /// The booking.
    pub id: String,
    /// As stored.
    pub live: Option<Shown>,
    /// As folded.
    pub shadow: Result<Shown, FoldError>,
    /// What differs.
    pub changes: Vec<Change>,
}

/// Everything that was folded together.
#[derive(Debug, Default)]
pub struct Shadow {
    /// Objects.
    pub objects: Vec<ObjectShadow>,
    /// Bookings.
    pub bookings: Vec<BookingShadow>,
    /// Ledger rows that were read.
    pub rows: usize,
    /// Keys of the objects' latest records.
    pub record_keys: BTreeMap<Key, String>,
}

/// Folds these objects and bookings, and all that is tied to them, beside what is stored.
///
/// # Errors
/// [`GatherError`]: the database's, or why they cannot be folded together.
pub fn shadow(
    db: &mut PgConnection,
    objects: &BTreeSet<Key>,
    bookings: &BTreeSet<String>,
    policy: Policy,
) -> Result<Shadow, GatherError> {
    let gathered = gather(db, objects, bookings, Reach::Bookings, BOUNDS)?;
    Ok(compare(db, gathered, policy)?)
}

fn compare(
    db: &mut PgConnection,
    gathered: Gathered,
    policy: Policy,
) -> Result<Shadow, diesel::result::Error> {
    let named: Vec<String> = gathered.bookings.iter().cloned().collect();
    let mut live = belonging::shown(db, &named)?;
    let rebuilt = gathered.rebuilt(&live.keys().cloned().collect(), policy);
    let keys = gathered.keys();
    let mut stored = objects::stored(db, &keys)?;
    let mut ties = tied(db, &keys, &rebuilt)?;
    let mut held = shares::of_objects(db, &keys)?;
    let wanted = rebuilt.shares.clone();
    let objects = rebuilt.objects.into_iter().map(|(key, object)| {
        let row = stored.remove(&key);
        let mut changes = row
            .as_ref()
            .map_or_else(missing, |row| differs(row, &object));
        changes.extend(ties.remove(&key).unwrap_or_default());
        changes.extend(divided(
            &held.remove(&key).unwrap_or_default(),
            wanted.get(&key).map_or(&[], Vec::as_slice),
        ));
        ObjectShadow {
            key,
            kind: object.kind,
            state: object.state,
            live_booking: row.and_then(|row| row.booking_id),
            booking_id: object.booking_id,
            changes,
        }
    });
    let bookings = rebuilt.bookings.into_iter();
    Ok(Shadow {
        objects: objects.collect(),
        bookings: bookings
            .map(|(id, shadow)| booking(live.remove(&id), id, shadow))
            .collect(),
        rows: gathered.rows.len(),
        record_keys: gathered.record_keys,
    })
}

/// Shares that are not as they should be.
fn divided(held: &[Share], wanted: &[Share]) -> Option<Change> {
    (held != wanted).then(|| Change::new("shares", json!(held), json!(wanted)))
}

fn missing() -> Vec<Change> {
    vec![Change::new("row", Value::Null, "missing")]
}

fn differs(row: &StoredObject, object: &RebuiltObject) -> Vec<Change> {
    let mut changes = Vec::new();
    // The name of an object that was told nothing depends on who named it first.
    if !object.state.is_empty() && row.kind != object.kind {
        changes.push(Change::new("type", row.kind.as_str(), object.kind.as_str()));
    }
    if row.booking_id != object.booking_id {
        let (before, after) = (row.booking_id.clone(), object.booking_id.clone());
        changes.push(Change::new("booking_id", before, after));
    }
    changes.extend(fields(
        &json!(row.columns),
        &json!(Columns::of(&object.state)),
    ));
    let stored: Value = serde_json::from_str(&row.state).unwrap_or(Value::Null);
    let held = if row.version == 0 {
        Some(ObjectState::default())
    } else {
        serde_json::from_value(stored.clone()).ok()
    };
    if held.as_ref() != Some(&object.state) {
        changes.push(Change::new("snapshots", stored, json!(object.state)));
    }
    changes
}

/// Links and mentions that are stored and should not be, or the other way round, by object.
fn tied(
    db: &mut PgConnection,
    keys: &[Key],
    rebuilt: &Rebuilt,
) -> Result<BTreeMap<Key, Vec<Change>>, diesel::result::Error> {
    let mut changes: BTreeMap<Key, Vec<Change>> = BTreeMap::new();
    let mut held = BTreeSet::new();
    for link in ties::links(db, keys)? {
        let key = |id| Key {
            account: link.account.clone(),
            id,
        };
        let (from, to) = (key(link.from_id), key(link.to_id));
        if !rebuilt.ties(&from, &to) {
            let stale = Change::new("link", to.id.as_str(), Value::Null);
            changes.entry(from.clone()).or_default().push(stale);
        }
        held.insert((to.clone(), from.clone()));
        held.insert((from, to));
    }
    for (from, to) in rebuilt.links.keys() {
        if !held.contains(&(from.clone(), to.clone())) {
            let lost = Change::new("link", Value::Null, to.id.as_str());
            changes.entry(from.clone()).or_default().push(lost);
        }
    }
    let mut wanted = rebuilt.mentions.clone();
    for (key, booking) in ties::mentions(db, keys)? {
        if !wanted.remove(&(key.clone(), booking.clone())) {
            let wrong = Change::new("mention", booking, Value::Null);
            changes.entry(key).or_default().push(wrong);
        }
    }
    for (key, booking) in wanted {
        let lost = Change::new("mention", Value::Null, booking);
        changes.entry(key).or_default().push(lost);
    }
    Ok(changes)
}

fn booking(live: Option<Shown>, id: String, shadow: Result<Shown, FoldError>) -> BookingShadow {
    // A booking that is parked stays so, whatever its amounts: only its queue lifts that.
    let hold = live.as_ref().and_then(|it| it.hold.clone());
    let is_parked = hold.as_deref() == Some("parked");
    let is_left = hold.as_deref() == Some(TOO_MANY);
    let shadow = shadow.map(|mut shown| {
        // With too many payments it goes on showing what it showed.
        if is_left && shown.hold.as_deref() == Some(TOO_MANY) {
            return live.clone().unwrap_or(shown);
        }
        if is_parked {
            shown.hold = Some("parked".to_owned());
        }
        shown
    });
    let changes = match &shadow {
        Ok(shown) => fields(&json!(live), &json!(shown)),
        Err(error) => vec![Change::new("fold", Value::Null, error.to_string())],
    };
    BookingShadow {
        id,
        live,
        shadow,
        changes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(status: &str, hold: Option<&str>) -> Shown {
        Shown {
            status: status.to_owned(),
            hold: hold.map(str::to_owned),
            ..Shown::default()
        }
    }

    #[test]
    fn a_parked_booking_is_not_called_wrong_for_being_held() {
        let live = shown("pending", Some("parked"));
        let same = booking(
            Some(live.clone()),
            "b".to_owned(),
            Ok(shown("pending", None)),
        );
        assert!(same.changes.is_empty(), "{same:?}");
        let other = booking(Some(live), "b".to_owned(), Ok(shown("confirmed", None)));
        assert_eq!(other.changes.len(), 1);
    }

    #[test]
    fn a_booking_that_cannot_be_folded_says_why() {
        let huge = booking(None, "b".to_owned(), Err(FoldError::Overflow));
        assert!(huge.changes[0].told().contains("64 bits"), "{huge:?}");
    }
}
