//! Everything the ledger knows about some objects or bookings and all that is tied to them: what
//! a refold is made from.
//!
//! Invariant: the result is closed. Whatever a stored link or a link that today's reading of the
//! ledger makes ties to an object in it is in it too; with [`Reach::Bookings`] also whatever
//! belongs to a booking that one of its objects belongs to or claims. It is bounded in objects
//! and ledger rows, and refuses rather than leaving something out.
//!
//! It locks nothing. Whoever writes afterwards locks first and then calls
//! [`Gathered::catch_up`]; whoever only compares reads in one REPEATABLE READ transaction.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;

use super::belonging::{self, Belonging};
use super::{ledger, ties};
use crate::envelope::Malformed;
use crate::folding::graph::Key;
use crate::folding::money::Policy;
use crate::folding::rebuild::{HumanInputs, Rebuild, Rebuilt};

/// How far ties are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Over links between objects.
    Objects,
    /// Also over the bookings that objects share.
    Bookings,
}

/// The most that is read.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Objects tied together.
    pub objects: usize,
    /// Their ledger rows.
    pub rows: usize,
}

/// Why it could not be gathered; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// Postgres.
    #[error("the database refused to be read")]
    Database(#[from] diesel::result::Error),
    /// More objects are tied together than are folded at a time.
    #[error("more than {limit} objects are tied together")]
    TooManyObjects {
        /// The bound.
        limit: usize,
    },
    /// They have more ledger rows than are folded at a time.
    #[error("the objects tied together have more than {limit} ledger rows")]
    TooManyRows {
        /// The bound.
        limit: usize,
    },
    /// Today's rules refuse a row that was applied: folding without it would lose it.
    #[error("ledger row {id} was applied once and cannot be read any more")]
    Unreadable {
        /// Event or observation.
        id: String,
        /// Why.
        #[source]
        cause: Malformed,
    },
}

/// What was gathered.
#[derive(Debug, Clone, Default)]
pub struct Gathered {
    /// The objects, with all they were told.
    pub rebuild: Rebuild,
    /// What people put in about all objects and bookings here.
    pub human: HumanInputs,
    /// Every booking here: asked for, belonged to, or claimed.
    pub bookings: BTreeSet<String>,
    /// Ledger rows that were read, with their `created`.
    pub rows: BTreeMap<String, DateTime<Utc>>,
    /// Key of the latest record of each object.
    pub record_keys: BTreeMap<Key, String>,
    /// The objects that have a row.
    pub belonging: BTreeMap<Key, Belonging>,
    /// Objects whose ledger rows were read.
    read: BTreeSet<Key>,
    followed: BTreeSet<String>,
}

/// Gathers.
///
/// # Errors
/// [`GatherError`].
pub fn gather(
    conn: &mut PgConnection,
    objects: &BTreeSet<Key>,
    bookings: &BTreeSet<String>,
    reach: Reach,
    bounds: Bounds,
) -> Result<Gathered, GatherError> {
    let mut it = Gathered {
        bookings: bookings.clone(),
        ..Gathered::default()
    };
    let mut wanted = objects.clone();
    let mut follow = bookings.clone();
    loop {
        wanted.extend(it.follow(conn, &follow, bounds)?);
        wanted.extend(it.rebuild.keys().cloned());
        wanted.retain(|key| !it.read.contains(key));
        if wanted.is_empty() {
            return Ok(it);
        }
        let found = it.take_in(conn, &wanted, bounds)?;
        it.bookings.extend(found);
        it.register(conn)?;
        follow = match reach {
            Reach::Objects => BTreeSet::new(),
            Reach::Bookings => it.bookings.difference(&it.followed).cloned().collect(),
        };
        wanted.clear();
    }
}

impl Gathered {
    /// Reads what the ledger got since, of the same objects, and the registrations anew. To be
    /// called once they are locked; whether they are still all that is tied together.
    ///
    /// # Errors
    /// [`GatherError`].
    pub fn catch_up(
        &mut self,
        conn: &mut PgConnection,
        bounds: Bounds,
    ) -> Result<bool, GatherError> {
        let keys: Vec<Key> = self.read.iter().cloned().collect();
        self.read_ledger(conn, &keys, bounds)?;
        self.bookings.extend(self.rebuild.mentioned());
        self.register(conn)?;
        Ok(self.rebuild.keys().all(|key| self.read.contains(key)))
    }

    /// Everything made anew. `bookings` are those that show something now, which they may have
    /// no reason for.
    #[must_use]
    pub fn rebuilt(&self, bookings: &BTreeSet<String>, policy: Policy) -> Rebuilt {
        self.rebuild.finish(&self.human, bookings, policy)
    }

    /// Whether this object's ledger rows were read.
    #[must_use]
    pub fn holds(&self, key: &Key) -> bool {
        self.read.contains(key)
    }

    /// Every object here.
    #[must_use]
    pub fn keys(&self) -> Vec<Key> {
        self.rebuild.keys().cloned().collect()
    }

    /// The objects of these bookings.
    fn follow(
        &mut self,
        conn: &mut PgConnection,
        bookings: &BTreeSet<String>,
        bounds: Bounds,
    ) -> Result<Vec<Key>, GatherError> {
        if bookings.is_empty() {
            return Ok(Vec::new());
        }
        self.followed.extend(bookings.iter().cloned());
        let bookings: Vec<String> = bookings.iter().cloned().collect();
        let found = belonging::of_bookings(conn, &bookings, limit(bounds.objects))?;
        self.register(conn)?;
        Ok(found)
    }

    /// Reads these objects, and those that stored links tie to them; the bookings concerned.
    fn take_in(
        &mut self,
        conn: &mut PgConnection,
        wanted: &BTreeSet<Key>,
        bounds: Bounds,
    ) -> Result<BTreeSet<String>, GatherError> {
        let wanted: Vec<Key> = wanted.iter().cloned().collect();
        let mut reach: BTreeSet<Key> = ties::reachable(conn, &wanted, limit(bounds.objects))?
            .into_iter()
            .collect();
        reach.retain(|key| !self.read.contains(key));
        if self.read.len().saturating_add(reach.len()) > bounds.objects {
            return Err(GatherError::TooManyObjects {
                limit: bounds.objects,
            });
        }
        let keys: Vec<Key> = reach.iter().cloned().collect();
        let held = belonging::of_objects(conn, &keys)?;
        let mut bookings: BTreeSet<String> =
            belonging::mentioned(conn, &keys)?.into_iter().collect();
        for (key, held) in held {
            self.rebuild.know(key.clone(), &held.kind);
            bookings.extend(held.booking_id.clone());
            self.belonging.insert(key, held);
        }
        self.read_ledger(conn, &keys, bounds)?;
        self.read.extend(reach);
        bookings.extend(self.rebuild.mentioned());
        Ok(bookings)
    }

    fn read_ledger(
        &mut self,
        conn: &mut PgConnection,
        keys: &[Key],
        bounds: Bounds,
    ) -> Result<(), GatherError> {
        let known = self.rows.clone();
        ledger::each_of_objects(conn, keys, &known, |row| {
            if self.rows.len() >= bounds.rows {
                return Err(GatherError::TooManyRows { limit: bounds.rows });
            }
            let said = row.read().map_err(|cause| GatherError::Unreadable {
                id: row.id.clone(),
                cause,
            })?;
            self.rebuild.tell(&said);
            let key = Key {
                account: row.account.clone(),
                id: row.object_id.clone(),
            };
            self.record_keys.insert(key, row.record_key());
            self.rows.insert(row.id, row.created);
            Ok(())
        })
    }

    /// Reads what people put in about the objects and bookings that turned up.
    fn register(&mut self, conn: &mut PgConnection) -> Result<(), GatherError> {
        let bookings: Vec<String> = self.bookings.iter().cloned().collect();
        let keys: Vec<Key> = self.rebuild.keys().cloned().collect();
        self.human = belonging::human_inputs(conn, &keys, &bookings)?;
        Ok(())
    }
}

fn limit(bound: usize) -> i64 {
    i64::try_from(bound).unwrap_or(i64::MAX)
}
