//! The rows in memory made into what was rebuilt, and what is stored that nothing makes any more.

use std::collections::{BTreeMap, BTreeSet};

use diesel::pg::PgConnection;
use shared::folding::Columns;
use shared::folding::graph::Key;
use shared::folding::rebuild::Rebuilt;

use crate::apply::ApplyError;
use crate::apply::world::{ObjectRow, Told, World};
use crate::store;

/// What is stored and should not be.
#[derive(Debug, Default)]
pub(super) struct Stale {
    /// Links.
    pub(super) links: Vec<(Key, Key)>,
    /// Claims, by object and rank.
    pub(super) claims: Vec<(Key, i16)>,
    /// Objects whose typed columns are not those of their own state.
    columns: BTreeSet<Key>,
    /// Links that are there and should be, both ways.
    held: BTreeSet<(Key, Key)>,
    /// Claims that are there and are what they should be.
    claimed: BTreeSet<(Key, i16)>,
}

impl Stale {
    /// How many links and claims come or go.
    pub(super) fn ties(&self, world: &World) -> usize {
        [
            self.links.len(),
            self.claims.len(),
            world.new_links.len(),
            world.new_claims.len(),
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }
}

/// Who folds, for facts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Action<'a> {
    pub(super) id: &'a str,
    /// Keys of the objects' records: where a fact about an object without booking goes.
    pub(super) keys: &'a BTreeMap<Key, String>,
}

/// Compares what is stored around the locked objects with what was rebuilt.
///
/// # Errors
/// diesel's.
pub(super) fn stale(
    conn: &mut PgConnection,
    world: &World,
    rebuilt: &Rebuilt,
) -> Result<Stale, ApplyError> {
    let locked = world.objects.values().filter(|row| row.locked);
    let keys: Vec<Key> = locked.map(|row| row.key.clone()).collect();
    let mut stale = Stale::default();
    for link in store::objects::links(conn, &keys)? {
        let key = |id| Key {
            account: link.account.clone(),
            id,
        };
        let link = (key(link.from_id), key(link.to_id));
        if rebuilt.ties(&link.0, &link.1) {
            stale.held.insert((link.1.clone(), link.0.clone()));
            stale.held.insert(link);
        } else {
            stale.links.push(link);
        }
    }
    for (key, claim) in store::objects::claims(conn, &keys)? {
        let place = (key, claim.rank);
        match rebuilt.claims.get(&place) {
            Some(wanted) if *wanted == claim => {
                stale.claimed.insert(place);
            }
            Some(_) => {}
            None => stale.claims.push(place),
        }
    }
    for (key, stored) in shared::db::objects::stored(conn, &keys)? {
        let row = world.objects.get(&key);
        if row.is_some_and(|row| Columns::of(&row.state) != stored.columns) {
            stale.columns.insert(key);
        }
    }
    Ok(stale)
}

/// Puts what was rebuilt in the place of what was there: how many objects that changes, and the
/// bookings that any object here belongs or belonged to.
pub(super) fn replace(
    world: &mut World,
    rebuilt: Rebuilt,
    stale: &Stale,
    action: Action<'_>,
) -> (usize, BTreeSet<String>) {
    let mut touched = BTreeSet::new();
    for (key, object) in rebuilt.objects {
        let Some(row) = world.objects.get_mut(&key).filter(|row| row.locked) else {
            continue;
        };
        touched.extend(row.booking_id.clone());
        // The name of an object that was told nothing depends on who named it first.
        let is_named = object.state.is_empty() || row.kind == object.kind;
        if is_named && row.state == object.state && !stale.columns.contains(&key) {
            continue;
        }
        if !object.state.is_empty() {
            row.kind = object.kind;
        }
        row.state = object.state;
        row.dirty = true;
        row.told_by = Some(told(row, action));
    }
    for (link, source) in rebuilt.links {
        if !stale.held.contains(&link) {
            world.new_links.push((link.0, link.1, source));
        }
    }
    for (place, claim) in rebuilt.claims {
        if !stale.claimed.contains(&place) {
            world.new_claims.insert(place, claim);
        }
    }
    world.graph = rebuilt.graph;
    let locked = world.objects.values().filter(|row| row.locked);
    let keys: Vec<Key> = locked.map(|row| row.key.clone()).collect();
    for key in &keys {
        touched.extend(world.reassign(key));
    }
    let changed = world.objects.values().filter(|row| row.dirty).count();
    (changed, touched)
}

fn told(row: &ObjectRow, action: Action<'_>) -> Told {
    let key = action.keys.get(&row.key).or(row.booking_id.as_ref());
    Told {
        kind: "action",
        id: action.id.to_owned(),
        key: key.unwrap_or(&row.key.id).clone(),
        trace_id: None,
    }
}
