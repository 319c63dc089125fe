//! One set of neighbours, until it is applied, split, held or lost.

use std::collections::VecDeque;

use diesel::pg::PgConnection;
use shared::error::{Class, chain};

use super::{Fate, Neighbours, Worker};
use crate::apply::{Applied, Place};
use crate::brake::Passage;
use crate::consumer::{Lost, Probe};
use crate::failure::{Failure, Failures, Step, next_step};
use crate::item::{Failing, Item, Reason};
use crate::store;

/// What a set that failed becomes.
enum Next {
    /// It is tried again, as it is now.
    Again(Vec<Item>),
    /// It is done with here.
    Done(Fate),
}

impl Worker {
    /// Halves go to the front of `sets`, so that offsets stay in order. A `probe` of a partition that
    /// another process held gives nothing up and parks nothing.
    pub(super) fn settle(
        &self,
        connection: &mut Option<PgConnection>,
        place: Place<'_>,
        set: Neighbours,
        sets: &mut VecDeque<Neighbours>,
        probe: Probe,
    ) -> Fate {
        let Neighbours {
            mut items,
            suspected,
        } = set;
        if let Err(reason) = self.admit(place, &mut items, sets, probe) {
            return Fate::Held(reason);
        }
        let mut failures = Failures::none(suspected);
        // How often the lone record was set aside: once to be parked, again without its hold.
        let mut set_aside = 0_u32;
        loop {
            if !self.queues.owns(place.partition, place.epoch) {
                return Fate::Stopped;
            }
            if !self.bury(place, &mut items) || !self.bury_skipped(connection, place, &mut items) {
                return Fate::Stopped;
            }
            let failure = match self.attempt(connection, place, &items) {
                Ok(applied) => return Fate::Applied(applied),
                Err(failure) => failure,
            };
            let described = failure.describe();
            if failure.may_be_the_databases()
                && !self.wait_for_database(connection, place, &described)
            {
                return Fate::Stopped;
            }
            failures.count(&failure);
            let step = next_step(&failure, failures, items.len());
            self.report(described, failures, items.len(), place, &step);
            match step {
                Step::StartOver => {}
                Step::Retry => self.pause(place, failures.attempts),
                Step::ReadProgress => return self.read_progress(connection, place),
                Step::Split => return split(place, items, sets, failures),
                Step::Park { class, kind } => {
                    let reason = self.reason(class, kind, &failure);
                    match self.set_aside(place, items, &failure, reason, probe) {
                        Next::Again(changed) => items = changed,
                        Next::Done(fate) => return fate,
                    }
                    failures = Failures::none(suspected);
                    set_aside = set_aside.saturating_add(1);
                    if set_aside > 2 {
                        self.pause(place, set_aside);
                    }
                }
            }
        }
    }

    /// Asks the brake about each record that is to be given up on. At the first that may not pass
    /// the set is cut; if that is its first record, the partition is held.
    fn admit(
        &self,
        place: Place<'_>,
        items: &mut Vec<Item>,
        sets: &mut VecDeque<Neighbours>,
        probe: Probe,
    ) -> Result<(), String> {
        let mut stop = None;
        for (index, item) in items.iter_mut().enumerate() {
            let Item::Dead(dead) = item else { continue };
            if dead.admitted {
                continue;
            }
            let passage = match probe {
                Probe::MustSucceed => Passage::Hold {
                    reason: "its head cannot be read".to_owned(),
                },
                Probe::No | Probe::AskBrake => self.brake.fail(place.partition),
            };
            match passage {
                Passage::Go => dead.admitted = true,
                Passage::Hold { reason } => {
                    stop = Some((index, reason));
                    break;
                }
            }
        }
        match stop {
            None => Ok(()),
            Some((0, reason)) => Err(reason),
            Some((index, _)) => {
                // What is before it is applied first, which may be a success that lets it pass.
                sets.push_front(Neighbours::of(items.split_off(index)));
                Ok(())
            }
        }
    }

    fn reason(&self, class: Class, kind: &'static str, failure: &Failure) -> Reason {
        Reason {
            class,
            kind,
            error: failure.describe(),
            at: self.clock.now(),
        }
    }

    /// The one record that cannot be applied: parked next, if the brake lets it pass. A command
    /// ends with its failure as result. One that cannot even be parked is tried for ever.
    fn set_aside(
        &self,
        place: Place<'_>,
        mut items: Vec<Item>,
        failure: &Failure,
        reason: Reason,
        probe: Probe,
    ) -> Next {
        let item = match items.pop() {
            Some(Item::Readable(item)) => item,
            Some(Item::Failing(mut failing)) => {
                failing.hold = false;
                return Next::Again(vec![Item::Failing(failing)]);
            }
            Some(Item::Command(mut command)) => {
                command.failed = Some(reason.error);
                return Next::Again(vec![Item::Command(command)]);
            }
            Some(Item::Dead(dead)) => return Next::Again(vec![Item::Dead(dead)]),
            None => return Next::Again(items),
        };
        if probe == Probe::MustSucceed {
            return Next::Done(Fate::Held("its head cannot be applied".to_owned()));
        }
        if let Passage::Hold { reason } = self.brake.park(place.partition) {
            return Next::Done(Fate::Held(reason));
        }
        tracing::error!(
            "event.id" = item.id,
            "kafka.partition" = place.partition,
            "kafka.offset" = item.record.offset,
            class = reason.class.as_str(),
            kind = reason.kind,
            error = reason.error,
            "event parked: it cannot be applied, and its booking waits with it"
        );
        Next::Again(vec![Item::Failing(Box::new(Failing {
            item: *item,
            booking: failure.booking().map(ToOwned::to_owned),
            reason,
            hold: true,
        }))])
    }

    fn read_progress(&self, slot: &mut Option<PgConnection>, place: Place<'_>) -> Fate {
        let Some(connection) = slot.as_mut() else {
            return Fate::Gone(Lost::Moved(place.next_offset));
        };
        match store::progress::read(connection, place.topic, place.partition) {
            Ok(Some((next, epoch))) if epoch == place.epoch && next >= place.next_offset => {
                Fate::Gone(Lost::Moved(next))
            }
            Ok(Some((_, epoch))) if epoch > place.epoch => Fate::Gone(Lost::Evicted),
            // Epochs and offsets only rise: this database is older than our claim.
            Ok(Some(_) | None) => Fate::Gone(Lost::Restored),
            // Unknown: ask for the same offset again; the next compare-and-set will tell.
            Err(_) => Fate::Gone(Lost::Moved(place.next_offset)),
        }
    }

    /// Publishes the set's dead letters and waits for their acknowledgement, for as long as
    /// the partition is ours.
    fn bury(&self, place: Place<'_>, items: &mut [Item]) -> bool {
        for item in items {
            let Item::Dead(dead) = item else { continue };
            if dead.buried {
                continue;
            }
            let mut attempt = 0_u32;
            while let Err(error) = self.dead_letters.publish(dead, self.clock.now()) {
                attempt = attempt.saturating_add(1);
                tracing::warn!(
                    "kafka.partition" = place.partition,
                    "kafka.offset" = dead.record.offset,
                    attempt,
                    error = chain(&error),
                    "dead letter not acknowledged yet; the partition waits"
                );
                let trouble = format!("a dead letter is not acknowledged: {}", chain(&error));
                self.queues.trouble(place.partition, place.epoch, trouble);
                self.pause(place, attempt);
                if !self.queues.owns(place.partition, place.epoch) {
                    return false;
                }
            }
            dead.buried = true;
            self.metrics.dead_lettered(dead);
        }
        true
    }

    fn report(
        &self,
        failure: String,
        failures: Failures,
        size: usize,
        place: Place<'_>,
        step: &Step,
    ) {
        self.metrics.retried(step);
        tracing::warn!(
            "kafka.partition" = place.partition,
            "kafka.offset" = place.next_offset,
            attempt = failures.attempts,
            size,
            ?step,
            error = failure,
            "batch not applied"
        );
        self.queues.trouble(place.partition, place.epoch, failure);
    }
}

/// Halves, each suspected if its whole failed by an error that does not tell whose fault it is.
fn split(
    place: Place<'_>,
    mut items: Vec<Item>,
    sets: &mut VecDeque<Neighbours>,
    failures: Failures,
) -> Fate {
    let suspected = failures.suspected || failures.unclear > 0;
    let tail = items.split_off(items.len() / 2);
    for items in [tail, items] {
        sets.push_front(Neighbours { items, suspected });
    }
    Fate::Applied(Applied {
        next_offset: place.next_offset,
        outcomes: Vec::new(),
    })
}
