//! One attempt at one set, in the transaction that its kind has.

use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::pg::PgConnection;
use shared::db::ConnectError;
use shared::error::chain;

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
    /// its transaction. So is one whose failure may be the database's.
    pub(super) fn attempt(
        &self,
        slot: &mut Option<PgConnection>,
        place: Place<'_>,
        items: &[Item],
    ) -> Result<Applied, Failure> {
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => self.connect().map_err(Failure::Unreachable)?,
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            self.apply(&mut connection, place, items)
        }));
        match outcome {
            Err(_panic) => Err(Failure::Panicked),
            Ok(Ok(applied)) => {
                *slot = Some(connection);
                Ok(applied)
            }
            Ok(Err(error)) => {
                let failure = Failure::Refused(error);
                if !failure.may_be_the_databases() {
                    *slot = Some(connection);
                }
                Err(failure)
            }
        }
    }

    pub(super) fn connect(&self) -> Result<PgConnection, ConnectError> {
        shared::db::connect(&self.database_url, "bookend-processor", self.limits)
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

    /// Waits until the database takes a write of another kind on a fresh connection, never on the
    /// one that failed. `false`: the partition is not ours any more.
    ///
    /// Nothing is attempted meanwhile: so an outage, however long, counts as one failure at most.
    pub(super) fn wait_for_database(
        &self,
        slot: &mut Option<PgConnection>,
        place: Place<'_>,
        failure: &str,
    ) -> bool {
        let mut asked = 0_u32;
        loop {
            *slot = None;
            let silence = match self.connect() {
                Err(error) => chain(&error),
                Ok(mut fresh) => {
                    match store::progress::probe(&mut fresh, place.topic, place.partition) {
                        Ok(()) => {
                            *slot = Some(fresh);
                            return true;
                        }
                        Err(error) => chain(&error),
                    }
                }
            };
            asked = asked.saturating_add(1);
            tracing::warn!(
                "kafka.partition" = place.partition,
                "kafka.offset" = place.next_offset,
                asked,
                failure,
                error = silence,
                "batch not applied, and the database takes no write; the partition waits"
            );
            let trouble = format!("the database takes no write: {silence}");
            self.queues.trouble(place.partition, place.epoch, trouble);
            self.pause(place, asked);
            if !self.queues.owns(place.partition, place.epoch) {
                return false;
            }
        }
    }
}
