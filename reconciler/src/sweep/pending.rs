//! Bookings that wait or are held longer than they should, and lapsed authorizations: ask Stripe what
//! became of their objects, so that a seat that nobody will pay becomes free.
//!
//! An event can fail to exist, so a complete list of events proves nothing about a booking
//! (<https://docs.stripe.com/events/manage-webhook-endpoints>).
//!
//! Invariants: a pass costs what is due, however many bookings wait; newer waits come before older
//! ones; a booking that stays as it is is asked about less and less often, across restarts, and is
//! given up on only after an answer of Stripe's that changed nothing.
//!
//! Deliberately absent: when a check is due ([`crate::due`]), the comparing and what follows from it
//! ([`super::look`]), and payments that no event and no registration ever named.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use shared::kafka::producer::EventLog;

pub use super::look::Looked;
use super::{Engine, SweepError};
use crate::due::{After, Policy, Slot};
use crate::store::StoreError;
use crate::store::bookings::{self, Subject, Waiting};
use crate::store::checks::{self, Abandoned, Check, Due, Found, Walk};
use crate::store::sweeps::Kind;

/// Bookings that one transaction of a walk finds.
const FOUND: i64 = 2_000;
/// Transactions in which one pass finds bookings of before the first pass.
const BACKWARDS: usize = 20;
/// Checks that one transaction reads; most bookings have been paid when their check is due.
const DUE: i64 = 2_000;
/// Transactions in which one pass reads due checks.
const ROUNDS: usize = 20;
/// Unfolded registrations that one pass finds: more wait only while no processor runs.
const UNFOLDED: i64 = 1_000;
/// A change is visible at most so long after the instant it carries: no transaction takes longer.
const VISIBLE_AFTER: TimeDelta = TimeDelta::minutes(5);
/// For so long, in seconds, a new finding is compared with its booking once more.
const RECHECKED_S: f64 = 600.0;

/// A booking that one pass checks.
#[derive(Debug, Clone)]
struct Chosen {
    id: String,
    held: bool,
    since: DateTime<Utc>,
    /// At which level it was due.
    level: i16,
    /// It is given up on, should Stripe's answer change nothing.
    last: bool,
}

/// How the checks of one transaction go on.
#[derive(Debug, Default)]
struct Sorted {
    chosen: Vec<Chosen>,
    /// These wait no more.
    settled: Vec<String>,
    /// The next check of all others.
    next: Vec<Check>,
}

impl<L: EventLog> Engine<L> {
    /// Checks the bookings that are due.
    ///
    /// # Errors
    /// [`SweepError`]; what was published is acknowledged or will be found again.
    pub async fn pending(&self) -> Result<Looked, SweepError> {
        self.find_waiting().await?;
        let (chosen, subjects) = self.choose().await?;
        let named: BTreeSet<String> = subjects.iter().map(|it| it.booking_id.clone()).collect();
        let retrieval = self.retrieve_all(subjects).await?;
        let answered = retrieval.answered.clone();
        let looked = self.look_at(Kind::Pending, retrieval).await?;
        if !looked.behind && looked.differing == 0 {
            let last = chosen.into_iter().filter(|it| it.last);
            // Of one without an object that could be asked for nobody can answer.
            let over = last.filter(|it| answered.contains(&it.id) || !named.contains(&it.id));
            self.give_up(over.collect()).await?;
        }
        Ok(looked)
    }

    fn policy(&self) -> Policy {
        Policy {
            base: self.reader.limits.pending_after,
            give_up: self.reader.limits.abandon_after,
        }
    }

    /// Schedules the first check of every booking that began to wait since the last pass, and of some
    /// of those that waited before the first.
    async fn find_waiting(&self) -> Result<(), SweepError> {
        let policy = self.policy();
        while self.walk(Walk::Forwards, policy).await? {}
        while self.walk(Walk::Lapsed, policy).await? {}
        for _ in 0..BACKWARDS {
            if !self.walk(Walk::Backwards, policy).await? {
                break;
            }
        }
        self.reader
            .store
            .run("registrations_waiting", move |connection| {
                let now = checks::now(connection)?;
                let found = checks::unfolded(connection, before(now, policy.base), UNFOLDED)?;
                checks::schedule(connection, &scheduled(policy, found, now), false)?;
                checks::close_changed(connection, RECHECKED_S)
            })
            .await?;
        Ok(())
    }

    /// One transaction of a walk; `false`: it is at its end.
    async fn walk(&self, walk: Walk, policy: Policy) -> Result<bool, StoreError> {
        self.reader
            .store
            .run("walk_waiting", move |connection| {
                let now = checks::now(connection)?;
                let stands = checks::position(connection, walk)?;
                let Some(span) = span(walk, stands, now, policy.base) else {
                    return Ok(false);
                };
                let found = checks::found(connection, walk, (span.from, span.to), FOUND)?;
                let last = found.last().map(|it| it.position);
                let full = usize::try_from(FOUND).is_ok_and(|limit| found.len() >= limit);
                let stop = last.filter(|_last| full).unwrap_or(span.end);
                checks::schedule(connection, &scheduled(policy, found, now), false)?;
                checks::move_to(connection, walk, stop)?;
                Ok(full)
            })
            .await
    }

    /// The bookings of this pass, with the objects that Stripe is asked about. Their next checks are
    /// scheduled before Stripe is asked: one that always fails takes no place of others.
    async fn choose(&self) -> Result<(Vec<Chosen>, Vec<Subject>), StoreError> {
        let (store, policy) = (&self.reader.store, self.policy());
        let limit = self.reader.limits.pending_batch;
        let want = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut chosen: Vec<Chosen> = Vec::new();
        for _ in 0..ROUNDS {
            let room = want.saturating_sub(chosen.len());
            let round = move |connection: &mut _| {
                let now = checks::now(connection)?;
                let due = checks::due(connection, DUE)?;
                let more = usize::try_from(DUE).is_ok_and(|limit| due.len() >= limit);
                let sorted = sort(policy, due, now, room);
                checks::forget(connection, &sorted.settled)?;
                checks::schedule(connection, &sorted.next, true)?;
                Ok((sorted.chosen, more))
            };
            let (some, more) = store.run("checks_due", round).await?;
            chosen.extend(some);
            if !more || chosen.len() >= want {
                break;
            }
        }
        store
            .run("check_subjects", move |connection| {
                let waiting: Vec<Waiting> = chosen.iter().map(Chosen::waiting).collect();
                let subjects = bookings::subjects(connection, &waiting, limit)?;
                let reached = reached(&waiting, &subjects, limit);
                let later = chosen.split_off(reached);
                let now = checks::now(connection)?;
                let again: Vec<Check> = later.iter().map(|it| it.due_at(now)).collect();
                checks::schedule(connection, &again, true)?;
                Ok((chosen, subjects))
            })
            .await
    }

    async fn give_up(&self, bookings: Vec<Chosen>) -> Result<(), StoreError> {
        if bookings.is_empty() {
            return Ok(());
        }
        let of = |it: Chosen| Abandoned {
            id: it.id,
            since: it.since,
        };
        let abandoned: Vec<Abandoned> = bookings.into_iter().map(of).collect();
        let opened = self
            .reader
            .store
            .run("abandon_bookings", move |connection| {
                checks::abandon(connection, &abandoned)
            })
            .await?;
        tracing::warn!(
            bookings = opened,
            "bookings that never changed are left alone; see the findings"
        );
        Ok(())
    }
}

impl Chosen {
    fn waiting(&self) -> Waiting {
        Waiting {
            id: self.id.clone(),
            held: self.held,
        }
    }

    /// Still due, where it was.
    fn due_at(&self, now: DateTime<Utc>) -> Check {
        Check {
            id: self.id.clone(),
            since: self.since,
            slot: Slot {
                level: self.level,
                at: now,
            },
        }
    }
}

/// Sorts due checks: what waits no more, what has changed and is not due any more, and at most `room`
/// that are checked now. The others stay due.
fn sort(policy: Policy, due: Vec<Due>, now: DateTime<Utc>, room: usize) -> Sorted {
    let mut sorted = Sorted::default();
    for one in due {
        let Some(since) = one.since else {
            sorted.settled.push(one.id);
            continue;
        };
        let first = policy.first(since, one.lapsed, now);
        if since != one.scheduled && first.at > now {
            sorted.next.push(Check {
                id: one.id,
                since,
                slot: first,
            });
            continue;
        }
        if sorted.chosen.len() >= room {
            continue;
        }
        let (slot, last) = match policy.after(since, now) {
            After::Again(slot) => (slot, false),
            After::GiveUp(slot) => (slot, true),
        };
        sorted.next.push(Check {
            id: one.id.clone(),
            since,
            slot,
        });
        sorted.chosen.push(Chosen {
            id: one.id,
            held: one.held,
            since,
            level: one.level,
            last,
        });
    }
    sorted
}

fn scheduled(policy: Policy, found: Vec<Found>, now: DateTime<Utc>) -> Vec<Check> {
    let check = |it: Found| Check {
        slot: policy.first(it.since, it.lapsed, now),
        id: it.id,
        since: it.since,
    };
    found.into_iter().map(check).collect()
}

/// The part of its index that a walk reads next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    /// Where the walk stands when the span is read to its end.
    end: DateTime<Utc>,
}

fn before(now: DateTime<Utc>, span: Duration) -> DateTime<Utc> {
    let span = TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX);
    now.checked_sub_signed(span)
        .unwrap_or(DateTime::UNIX_EPOCH)
        .max(DateTime::UNIX_EPOCH)
}

/// `None`: the walk is over. What is younger than `base` is not looked at yet: most of it will be
/// settled by then. The last minutes before the cursor are read once more, unless they were old enough
/// to be visible. A clock that went back takes the cursor with it.
fn span(
    walk: Walk,
    stands: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
    base: Duration,
) -> Option<Span> {
    let horizon = before(now, base);
    let late = |from: DateTime<Utc>, aged: TimeDelta| {
        let overlap = VISIBLE_AFTER.checked_sub(&aged).unwrap_or_default();
        from - overlap.max(TimeDelta::zero())
    };
    match walk {
        Walk::Forwards => Some(Span {
            from: late(stands.unwrap_or(horizon).min(horizon), now - horizon),
            to: horizon,
            end: horizon,
        }),
        Walk::Lapsed => Some(Span {
            from: late(stands.unwrap_or(horizon).min(now), TimeDelta::zero()),
            to: now,
            end: now,
        }),
        Walk::Backwards => {
            let to = stands.unwrap_or(horizon);
            (to > DateTime::UNIX_EPOCH).then_some(Span {
                from: DateTime::UNIX_EPOCH,
                to,
                end: DateTime::UNIX_EPOCH,
            })
        }
    }
}

/// How many bookings this pass checks: where the objects reached the limit, those behind the last of
/// them have their turn in the next pass.
fn reached(waiting: &[Waiting], subjects: &[Subject], limit: i64) -> usize {
    let full = usize::try_from(limit).is_ok_and(|limit| subjects.len() >= limit);
    let last = subjects.last().filter(|_last| full);
    let at = last.and_then(|last| waiting.iter().position(|one| one.id == last.booking_id));
    at.map_or(waiting.len(), |at| at.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        base: Duration::from_secs(600),
        give_up: Duration::from_secs(86_400),
    };

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn due(id: &str, scheduled: i64, since: Option<i64>) -> Due {
        Due {
            id: id.to_owned(),
            level: 0,
            scheduled: at(scheduled),
            since: since.map(at),
            lapsed: false,
            held: false,
        }
    }

    #[test]
    fn bookings_behind_the_last_object_within_the_limit_are_left_to_the_next_pass() {
        let waiting = ["A", "B", "C"].map(|id| Waiting {
            id: id.to_owned(),
            held: false,
        });
        let subject = |booking: &str| Subject {
            booking_id: booking.to_owned(),
            account: String::new(),
            object_id: "pi_1".to_owned(),
            object_type: "payment_intent".to_owned(),
        };
        let subjects = [subject("A"), subject("B")];
        assert_eq!(reached(&waiting, &subjects, 2), 2);
        assert_eq!(reached(&waiting, &subjects, 3), 3);
        assert_eq!(reached(&waiting, &[], 2), 3, "they have no object");
    }

    #[test]
    fn due_checks_are_dropped_put_off_or_carried_out_within_the_room() {
        let rows = vec![
            due("settled", 0, None),
            due("changed", 0, Some(999)),
            due("first", 0, Some(0)),
            due("second", 0, Some(0)),
        ];
        let sorted = sort(POLICY, rows, at(1_000), 1);
        assert_eq!(sorted.settled, ["settled"]);
        let next: Vec<_> = sorted.next.iter().map(|it| (&*it.id, it.slot.at)).collect();
        assert_eq!(next, [("changed", at(1_599)), ("first", at(1_200))]);
        let chosen: Vec<_> = sorted.chosen.iter().map(|it| (&*it.id, it.last)).collect();
        assert_eq!(chosen, [("first", false)]);
        let old = sort(POLICY, vec![due("old", 0, Some(0))], at(86_400), 1);
        assert!(old.chosen[0].last);
    }

    #[test]
    fn walk_reads_the_last_minutes_again_unless_all_of_them_were_visible() {
        let forwards = |base| {
            span(Walk::Forwards, Some(at(5_000)), at(10_000), base).map(|it| (it.from, it.to))
        };
        let expected = Some((at(5_000), at(9_400)));
        assert_eq!(forwards(Duration::from_secs(600)), expected);
        let expected = Some((at(4_760), at(9_940)));
        assert_eq!(forwards(Duration::from_secs(60)), expected);
        let lapsed = span(Walk::Lapsed, Some(at(9_000)), at(10_000), POLICY.base);
        assert_eq!(
            lapsed.map(|it| (it.from, it.to)),
            Some((at(8_700), at(10_000)))
        );
    }

    #[test]
    fn walk_backwards_begins_where_the_walk_forwards_began_and_ends() {
        let first = span(Walk::Backwards, None, at(10_000), POLICY.base);
        assert_eq!(first.map(|it| it.to), Some(at(9_400)));
        let begun = span(Walk::Backwards, Some(at(300)), at(20_000), POLICY.base);
        assert_eq!(begun.map(|it| it.to), Some(at(300)));
        let over = first.map(|it| it.end);
        assert_eq!(span(Walk::Backwards, over, at(20_000), POLICY.base), None);
    }

    #[test]
    fn clock_that_went_back_hides_no_change() {
        let stands = Some(at(50_000));
        let back = span(Walk::Forwards, stands, at(10_000), POLICY.base);
        assert_eq!(
            back.map(|it| (it.from, it.end)),
            Some((at(9_400), at(9_400)))
        );
    }
}
