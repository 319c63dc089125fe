//! The rows in memory made into what was rebuilt, and what is stored that nothing makes any more.

use std::collections::{BTreeMap, BTreeSet};

use diesel::pg::PgConnection;
use shared::folding::graph::Key;
use shared::folding::rebuild::Rebuilt;
use shared::folding::{Columns, FOLD_VERSION};

use crate::apply::ApplyError;
use crate::apply::divide::divide_around;
use crate::apply::fold::FoldFailed;
use crate::apply::world::{ObjectRow, Told, World};
use crate::store;

/// What is stored and should not be.
#[derive(Debug, Default)]
pub(super) struct Stale {
    /// Links.
    pub(super) links: Vec<(Key, Key)>,
    /// Mentions.
    pub(super) mentions: Vec<(Key, String)>,
    /// Objects whose typed columns are not those of their own state.
    columns: BTreeSet<Key>,
    /// Links that are there and should be, both ways.
    held: BTreeSet<(Key, Key)>,
}

impl Stale {
    /// How many links and mentions come or go.
    pub(super) fn ties(&self, world: &World) -> usize {
        [
            self.links.len(),
            self.mentions.len(),
            world.new_links.len(),
            world.new_mentions.len(),
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
    let keys: Vec<Key> = world.objects.keys().cloned().collect();
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
    let stored = world.mentions.iter();
    stale.mentions = stored
        .filter(|mention| !rebuilt.mentions.contains(*mention))
        .cloned()
        .collect();
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
///
/// # Errors
/// [`FoldFailed`].
pub(super) fn replace(
    world: &mut World,
    rebuilt: Rebuilt,
    stale: &Stale,
    action: Action<'_>,
) -> Result<(usize, BTreeSet<String>), FoldFailed> {
    let mut touched = BTreeSet::new();
    for (key, object) in rebuilt.objects {
        let Some(row) = world.objects.get_mut(&key) else {
            continue;
        };
        touched.extend(row.booking_id.clone());
        let is_outdated = row.version > 0 && row.fold_version < FOLD_VERSION;
        // The name of an object that was told nothing depends on who named it first.
        let is_named = object.state.is_empty() || row.kind == object.kind;
        let is_right = is_named && row.state == object.state && !stale.columns.contains(&key);
        if is_right && !is_outdated {
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
    for mention in rebuilt.mentions {
        if world.mentions.insert(mention.clone()) {
            world.new_mentions.insert(mention);
        }
    }
    for mention in &stale.mentions {
        world.mentions.remove(mention);
    }
    world.graph = rebuilt.graph;
    let keys: BTreeSet<Key> = world.objects.keys().cloned().collect();
    // Only what was right is compared with: a share that nothing makes any more goes.
    touched.extend(divide_around(world, &keys)?);
    let changed = world.objects.values().filter(|row| row.dirty).count();
    Ok((changed, touched))
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
