//! Before a head is skipped by command it becomes a dead letter, like all that is given up on.
//!
//! Invariant: acknowledged by the topic, then marked in a transaction of its own; only then is the
//! command carried out. Killed between, the command finds the head given up on already.

use diesel::pg::PgConnection;
use shared::commands::Wish;
use shared::db::ConnectError;
use shared::error::{Class, chain};
use shared::kafka::producer::AppendError;

use super::Worker;
use crate::apply::drain::give_up;
use crate::apply::{ApplyError, Place};
use crate::failure::FAILURES_ALONE;
use crate::item::{CommandItem, Item, Reason};
use crate::parked::dead_letter;
use crate::store;

/// Why the skipped event is no dead letter yet.
#[derive(Debug, thiserror::Error)]
enum Unburied {
    /// No connection.
    #[error("cannot reach the database")]
    Unreachable(#[from] ConnectError),
    /// The head was not read.
    #[error("cannot read the queue")]
    Unread(#[from] diesel::result::Error),
    /// The topic.
    #[error("the dead-letter topic did not acknowledge it")]
    Unacknowledged(#[from] AppendError),
    /// The mark was not written.
    #[error("it could not be marked as given up on")]
    Refused(#[from] ApplyError),
}

impl Unburied {
    /// Whether the database answered.
    const fn is_refusal(&self) -> bool {
        match self {
            Self::Unread(_) | Self::Refused(_) => true,
            Self::Unreachable(_) | Self::Unacknowledged(_) => false,
        }
    }
}

impl Worker {
    /// `false`: the partition is not ours any more.
    pub(super) fn bury_skipped(
        &self,
        connection: &mut Option<PgConnection>,
        place: Place<'_>,
        items: &mut [Item],
    ) -> bool {
        let [Item::Command(command)] = items else {
            return true;
        };
        let (mut attempt, mut refusals) = (0_u32, 0_u32);
        while let Err(unburied) = self.bury_head(connection, command) {
            attempt = attempt.saturating_add(1);
            let error = chain(&unburied);
            tracing::warn!(
                attempt,
                error,
                "skipped event is no dead letter yet; the command waits"
            );
            let trouble = format!("a skipped event is no dead letter yet: {error}");
            self.queues.trouble(place.partition, place.epoch, trouble);
            match unburied {
                Unburied::Unacknowledged(_) => {}
                Unburied::Unreachable(_) | Unburied::Unread(_) | Unburied::Refused(_) => {
                    if !self.wait_for_database(connection, place, &error) {
                        return false;
                    }
                    refusals = refusals.saturating_add(u32::from(unburied.is_refusal()));
                }
            }
            if refusals >= FAILURES_ALONE {
                // The database works, and refuses this: the command ends with that as its result.
                command.failed = Some(error);
                return true;
            }
            self.pause(place, attempt);
            if !self.queues.owns(place.partition, place.epoch) {
                return false;
            }
        }
        true
    }

    fn bury_head(
        &self,
        slot: &mut Option<PgConnection>,
        item: &mut CommandItem,
    ) -> Result<(), Unburied> {
        let Wish::Skip {
            booking_id,
            event_id,
        } = &item.command.wish
        else {
            return Ok(());
        };
        if item.buried.is_some() || item.failed.is_some() {
            return Ok(());
        }
        let connection = match slot {
            Some(connection) => connection,
            None => slot.insert(self.connect()?),
        };
        // Read again after a rewind: what was carried out is not done to another head.
        let subject = item.command.subject();
        let done = store::actions::is_done(connection, &item.command.action_id, &subject);
        if done? {
            return Ok(());
        }
        let head = store::parked::first(connection, booking_id, 1)?;
        // Not the head: the command itself says so.
        let Some(head) = head.first().filter(|head| head.event_id == *event_id) else {
            return Ok(());
        };
        if head.gave_up_at.is_none() {
            let now = self.clock.now();
            let class = match head.error_class.as_deref() {
                Some("business") => Class::Business,
                Some(_) | None => Class::Unclassified,
            };
            let reason = Reason {
                class,
                kind: "skipped",
                error: head
                    .error
                    .clone()
                    .unwrap_or_else(|| "skipped by an operator".to_owned()),
                at: now,
            };
            let attempts = u32::try_from(head.attempts).unwrap_or(0);
            let dead = dead_letter(head, booking_id, &reason, attempts);
            self.dead_letters.publish(&dead, now)?;
            give_up(connection, &dead, head.attempts, now)?;
            self.metrics.dead_lettered(&dead);
        }
        item.buried = Some(event_id.clone());
        Ok(())
    }
}
