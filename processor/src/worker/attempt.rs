//! One attempt at one set, in the transaction that its kind has.

use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::pg::PgConnection;

use super::Worker;
use crate::apply::command::carry_out;
use crate::apply::park::park;
use crate::apply::upgrade::upgrading;
use crate::apply::{Applied, ApplyError, Place, apply_batch};
use crate::failure::Failure;
use crate::item::Item;
use crate::store;

impl Worker {
    /// A panic while folding leaves the connection in an unknown state: it is dropped, which ends
    /// its transaction.
    pub(super) fn attempt(
        &self,
        slot: &mut Option<PgConnection>,
        place: Place<'_>,
        items: &[Item],
    ) -> Result<Applied, Failure> {
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            self.apply(&mut connection, place, items)
        }));
        match outcome {
            Err(_panic) => {
                // Whether the database works is asked on a fresh one.
                *slot = self.connect().ok();
                Err(Failure::Panicked)
            }
            Ok(Ok(applied)) => {
                *slot = Some(connection);
                Ok(applied)
            }
            Ok(Err(error)) => {
                // Kept only if it still answers (see `database_works`).
                *slot = Some(connection);
                Err(Failure::Refused(error))
            }
        }
    }

    pub(super) fn connect(&self) -> Result<PgConnection, Failure> {
        shared::db::connect(&self.database_url, "bookend-processor", self.limits)
            .map_err(Failure::Unreachable)
    }

    fn apply(
        &self,
        connection: &mut PgConnection,
        place: Place<'_>,
        items: &[Item],
    ) -> Result<Applied, ApplyError> {
        let now = self.clock.now();
        match items {
            [item @ Item::Failing(failing)] => {
                park(connection, place, (item, failing), self.park_for, now)
            }
            [item @ Item::Command(command)] => {
                carry_out(connection, place, (item, command), self.rules)
            }
            items => {
                let items: Vec<&Item> = items.iter().collect();
                upgrading(connection, self.rules, |conn| {
                    apply_batch(conn, place, &items, self.rules, now)
                })
            }
        }
    }

    /// Whether the database takes a write of another kind: tells a record that cannot be
    /// applied from a database that applies nothing.
    pub(super) fn database_works(&self, slot: &mut Option<PgConnection>, place: Place<'_>) -> bool {
        let Some(mut connection) = slot.take() else {
            return false;
        };
        match store::progress::probe(&mut connection, place.topic, place.partition) {
            Ok(()) => {
                *slot = Some(connection);
                true
            }
            Err(_) => false,
        }
    }
}
