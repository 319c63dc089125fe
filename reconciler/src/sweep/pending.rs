//! Bookings that wait longer than they should: ask Stripe what became of their payments.
//!
//! An event can fail to exist, so a complete list of events proves nothing about a booking
//! (<https://docs.stripe.com/events/manage-webhook-endpoints>). What is not listed is published as
//! an observation of the object itself.
//!
//! Invariants: nothing is compared before the barrier is passed; an object whose state is the one
//! we believe is published by nobody; a booking that stays as it is is asked about less and less
//! often.
//!
//! Deliberately absent: payments that no event and no registration ever named.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use shared::clock::{Clock, SystemClock};
use shared::ids::{AccountId, EventId, ObjectId};
use shared::kafka::headers::Source;
use shared::kafka::producer::EventLog;
use shared::windows::{Window, oldest_listed};

pub use super::looks::Looks;
use super::view::{View, subject};
use super::{Engine, SweepError};
use crate::evidence;
use crate::publish;
use crate::store::bookings::{self, Waiting};
use crate::store::sweeps::{self, Counts, Kind, NewFinding, Outcome, Repair};
use crate::stripe::{ListedEvent, Lister, Query, Reply, StripeError, objects};

/// Events that move a payment or its session; at most 20 may be asked for at once.
const TYPES: &[&str] = &[
    "payment_intent.created",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.amount_capturable_updated",
    "payment_intent.partially_funded",
    "payment_intent.payment_failed",
    "payment_intent.succeeded",
    "payment_intent.canceled",
    "charge.pending",
    "charge.succeeded",
    "charge.captured",
    "charge.failed",
    "charge.expired",
    "charge.updated",
    "checkout.session.completed",
    "checkout.session.expired",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
];

/// Events that one look may list: beyond them observations do what the events would have done.
const MAX_EVENTS: usize = 5_000;
/// The figures of one pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looked {
    /// Objects retrieved.
    pub retrieved: usize,
    /// Of these, in another state than we believe.
    pub differing: usize,
    /// Events published.
    pub events: usize,
    /// Observations published.
    pub observations: usize,
    /// Set when the processor had not caught up: nothing was compared.
    pub behind: bool,
}

/// One object as retrieved.
struct Retrieved {
    waiting: Waiting,
    account: Option<AccountId>,
    reply: Reply,
    view: View,
}

impl<L: EventLog> Engine<L> {
    /// Looks at the bookings that have waited too long.
    ///
    /// # Errors
    /// [`SweepError`]; what was published is acknowledged or will be found again.
    pub async fn pending(&self, looks: &mut Looks) -> Result<Looked, SweepError> {
        let (age, limit) = (
            self.reader.limits.pending_after.as_secs_f64(),
            self.reader.limits.pending_batch,
        );
        let skip = looks.too_recent(Instant::now());
        let waiting = self
            .reader
            .store
            .run("bookings_waiting", move |connection| {
                bookings::waiting(connection, age, &skip, limit)
            })
            .await?;
        for one in &waiting {
            looks.looked(
                &one.booking_id,
                Instant::now(),
                self.reader.limits.pending_after,
            );
        }
        let retrieved = self.retrieve_all(waiting).await?;
        let mut by_account: BTreeMap<Option<AccountId>, Vec<Retrieved>> = BTreeMap::new();
        for one in retrieved {
            by_account.entry(one.account.clone()).or_default().push(one);
        }
        let mut total = Looked::default();
        for (account, objects) in by_account {
            let looked = self.look(account.as_ref(), objects).await?;
            total.retrieved += looked.retrieved;
            total.differing += looked.differing;
            total.events += looked.events;
            total.observations += looked.observations;
            total.behind |= looked.behind;
        }
        Ok(total)
    }

    /// Retrieves each object, and the payment intent that a session names.
    async fn retrieve_all(&self, waiting: Vec<Waiting>) -> Result<Vec<Retrieved>, SweepError> {
        let mut seen = BTreeSet::new();
        let mut todo = waiting;
        let mut retrieved: Vec<Retrieved> = Vec::new();
        todo.reverse();
        while let Some(one) = todo.pop() {
            if !seen.insert((one.account.clone(), one.object_id.clone())) {
                continue;
            }
            let Some(found) = self.retrieve_one(one).await? else {
                continue;
            };
            if let Some(intent) = &found.view.payment_intent {
                todo.push(Waiting {
                    object_id: intent.id().to_owned(),
                    object_type: "payment_intent".to_owned(),
                    ..found.waiting.clone()
                });
            }
            retrieved.push(found);
        }
        Ok(retrieved)
    }

    /// `None`: Stripe has no such object, or it can't be read; that booking is looked at later.
    async fn retrieve_one(&self, waiting: Waiting) -> Result<Option<Retrieved>, SweepError> {
        let account = AccountId::parse(&waiting.account).ok();
        let path = ObjectId::parse(&waiting.object_id)
            .ok()
            .and_then(|id| objects::path(&waiting.object_type, &id));
        let Some(path) = path else {
            return Ok(None);
        };
        let reply = match objects::retrieve(&self.reader.client, &path, account.as_ref()).await {
            Ok(reply) => reply,
            Err(error) if error.is_permanent() => {
                tracing::warn!(
                    booking.id = waiting.booking_id, object.id = waiting.object_id,
                    error = %shared::error::chain(&error), "Stripe does not give a waiting booking's object"
                );
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let view = serde_json::from_slice(&reply.body).unwrap_or_default();
        Ok(Some(Retrieved {
            waiting,
            account,
            reply,
            view,
        }))
    }

    async fn look(
        &self,
        account: Option<&AccountId>,
        retrieved: Vec<Retrieved>,
    ) -> Result<Looked, SweepError> {
        let count = retrieved.len();
        let suspects = self.differing(retrieved).await?;
        let mut looked = Looked {
            retrieved: count,
            ..Looked::default()
        };
        if suspects.is_empty() {
            return Ok(looked);
        }
        let window = self.window_of(&suspects).await?;
        let listed = self.list_for(account, window, &suspects).await?;
        let _guard = self.repair_lock().await?;
        if self
            .reader
            .barrier
            .wait(&self.reader.store)
            .await?
            .is_some()
        {
            looked.behind = true;
            return Ok(looked);
        }
        // What was in the log when we asked is applied now: only what still differs is wrong.
        let suspects = self.differing(suspects).await?;
        looked.differing = suspects.len();
        if !suspects.is_empty() {
            let missing = self.still_missing(listed).await?;
            (looked.events, looked.observations) =
                self.put_right(account, window, suspects, missing).await?;
        }
        Ok(looked)
    }

    async fn differing(&self, retrieved: Vec<Retrieved>) -> Result<Vec<Retrieved>, SweepError> {
        let mut differing = Vec::new();
        for one in retrieved {
            let (account, object) = (one.waiting.account.clone(), one.waiting.object_id.clone());
            let believed = self
                .reader
                .store
                .run("object_believed", move |connection| {
                    bookings::believed(connection, &account, &object)
                })
                .await?;
            if one.view.differs(believed.as_ref()) {
                differing.push(one);
            }
        }
        Ok(differing)
    }

    /// From the oldest object's creation to now, as far as Stripe lists it.
    async fn window_of(&self, suspects: &[Retrieved]) -> Result<Window, SweepError> {
        let now = self.reader.client.now().await?;
        let to = now.saturating_add(60);
        let oldest = suspects
            .iter()
            .map(|one| one.view.created)
            .min()
            .unwrap_or(now);
        let from = oldest.clamp(oldest_listed(now), now);
        Window::new(from, to).ok_or(SweepError::Stripe(StripeError::Unreadable {
            what: "a date beyond all bounds",
            cause: None,
        }))
    }

    /// The listed events about one of the suspects, with the object that each is about.
    async fn list_for(
        &self,
        account: Option<&AccountId>,
        window: Window,
        suspects: &[Retrieved],
    ) -> Result<Vec<(String, ListedEvent)>, SweepError> {
        let ids: BTreeSet<&str> = suspects
            .iter()
            .map(|one| one.waiting.object_id.as_str())
            .collect();
        let query = Query {
            account: account.cloned(),
            window,
            types: TYPES,
            delivered: None,
            max_events: MAX_EVENTS,
        };
        let (mut lister, mut found) = (Lister::new(&self.reader.client, query), Vec::new());
        loop {
            let page = match lister.next_page().await {
                Ok(Some(page)) => page,
                // The observation says what the rest of a list that can't be walked would have.
                Ok(None) | Err(StripeError::Walk(_)) => return Ok(found),
                Err(error) => return Err(error.into()),
            };
            let about = |event: ListedEvent| Some((subject(&event.raw, &ids)?, event));
            found.extend(page.into_iter().filter_map(about));
        }
    }

    async fn still_missing(
        &self,
        listed: Vec<(String, ListedEvent)>,
    ) -> Result<Vec<(String, ListedEvent)>, SweepError> {
        let events = listed.iter().map(|(_, event)| event.clone()).collect();
        let unknown = self.reader.without_known(events).await?;
        let unknown: BTreeSet<EventId> = unknown.into_iter().map(|event| event.id).collect();
        Ok(listed
            .into_iter()
            .filter(|(_, event)| unknown.contains(&event.id))
            .collect())
    }

    /// Publishes the missing events; for an object without one, what Stripe answered.
    async fn put_right(
        &self,
        account: Option<&AccountId>,
        window: Window,
        suspects: Vec<Retrieved>,
        missing: Vec<(String, ListedEvent)>,
    ) -> Result<(usize, usize), SweepError> {
        let (sweep, rows) = self.note_differing(account, window, &suspects).await?;
        let row_of: HashMap<&str, i64> = suspects
            .iter()
            .zip(&rows)
            .map(|(one, row)| (one.waiting.object_id.as_str(), *row))
            .collect();
        let events = missing
            .iter()
            .filter_map(|(object, event)| Some((*row_of.get(object.as_str())?, event)))
            .collect();
        let (mut repairs, mut refused) = self.publisher.events(account, events).await;
        let published = repairs.len();
        let explained: BTreeSet<&str> = missing.iter().map(|(object, _)| object.as_str()).collect();
        for (one, row) in suspects.iter().zip(&rows) {
            if explained.contains(one.waiting.object_id.as_str()) {
                continue;
            }
            match self.observe(account, one).await {
                Ok(ack) => repairs.push(self.publisher.repair(*row, ack)),
                Err(why) => refused = refused.or(Some(why)),
            }
        }
        let observations = repairs.len() - published;
        let missing = suspects.len();
        self.record_pending(sweep, missing, repairs, refused)
            .await?;
        Ok((published, observations))
    }

    async fn note_differing(
        &self,
        account: Option<&AccountId>,
        window: Window,
        suspects: &[Retrieved],
    ) -> Result<(i64, Vec<i64>), SweepError> {
        let owner = account.cloned();
        let findings: Vec<NewFinding> = suspects
            .iter()
            .map(|one| NewFinding {
                verdict: evidence::state_differs(
                    one.waiting.status.as_deref(),
                    one.view.status.as_deref(),
                ),
                event_id: None,
                object_id: Some(one.waiting.object_id.clone()),
                booking_id: Some(one.waiting.booking_id.clone()),
            })
            .collect();
        Ok(self
            .reader
            .store
            .run("note_waiting", move |connection| {
                let sweep = sweeps::begin(connection, Kind::Pending, owner.as_ref(), window)?;
                let rows = sweeps::find(connection, sweep, owner.as_ref(), &findings)?;
                Ok((sweep, rows))
            })
            .await?)
    }

    async fn observe(
        &self,
        account: Option<&AccountId>,
        one: &Retrieved,
    ) -> Result<shared::kafka::producer::Ack, String> {
        let observed_at = one.reply.sent_at.ok_or("Stripe's answer has no date")?;
        let made = publish::observation(
            self.publisher.topic(),
            account,
            one.reply.body.clone(),
            observed_at,
            Source::Reconciler,
            SystemClock.now(),
        )
        .map_err(|malformed| shared::error::chain(&malformed))?;
        self.publisher
            .publish(made.record)
            .await
            .map_err(|error| shared::error::chain(&error))
    }

    async fn record_pending(
        &self,
        sweep: i64,
        missing: usize,
        repairs: Vec<Repair>,
        refused: Option<String>,
    ) -> Result<(), SweepError> {
        let counts = Counts {
            listed: missing,
            missing,
            repaired: repairs.len(),
        };
        let outcome = match &refused {
            None => Outcome::Repaired,
            Some(_) => Outcome::Failed,
        };
        self.reader
            .store
            .run("record_pending", move |connection| {
                sweeps::repaired(connection, &repairs)?;
                sweeps::finish(connection, sweep, outcome, counts, refused.as_deref())
            })
            .await?;
        Ok(())
    }
}
