//! Objects retrieved from Stripe, compared with what we believe of them.
//!
//! Invariants: nothing is compared for good before the barrier is passed; an object whose state is
//! the one we believe is published by nobody; what Stripe does not give stops no other.
//!
//! Deliberately absent: which objects, and what follows ([`super::put_right`]).

use std::collections::{BTreeMap, BTreeSet};

use shared::envelope::{MAX_CREATED, decode_observation};
use shared::folding::graph::Key;
use shared::folding::{Snapshot, read_observation};
use shared::ids::{AccountId, EventId, ObjectId};
use shared::kafka::producer::EventLog;
use shared::windows::{Window, oldest_listed};

use super::differs::{Difference, difference, with_claim};
use super::types::groups;
use super::view::{View, subject};
use super::{Engine, SweepError};
use crate::store::bookings::Subject;
use crate::store::sweeps::Kind;
use crate::stripe::{ListedEvent, Lister, Query, Reply, StripeError, objects};

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
pub(super) struct Retrieved {
    pub(super) subject: Subject,
    pub(super) account: Option<AccountId>,
    pub(super) reply: Reply,
    pub(super) view: View,
    seen: Snapshot,
}

/// The objects of one pass, retrieved.
#[derive(Default)]
pub(super) struct Retrieval {
    pub(super) objects: Vec<Retrieved>,
    /// Bookings of which Stripe was asked about an object and answered, also that there is none.
    pub(super) answered: BTreeSet<String>,
    /// Why an account was left out, the first.
    pub(super) failed: Option<SweepError>,
}

/// One object that is not as we believe.
pub(super) struct Suspect {
    pub(super) object: Retrieved,
    pub(super) difference: Difference,
}

impl Retrieved {
    /// `None`: the answer is no object.
    fn read(subject: Subject, account: Option<AccountId>, reply: Reply) -> Option<Self> {
        let observed = decode_observation(&reply.body).ok()?;
        // Without a date it decides nothing and is not published, but may be told.
        let at = reply.sent_at.unwrap_or(MAX_CREATED);
        let (_, seen) = read_observation(&observed, "obs_", at).object?;
        let view = serde_json::from_slice(&reply.body).unwrap_or_default();
        Some(Self {
            subject,
            account,
            view,
            seen,
            reply,
        })
    }

    pub(super) fn key(&self) -> Key {
        Key {
            account: self.subject.account.clone(),
            id: self.subject.object_id.clone(),
        }
    }
}

impl<L: EventLog> Engine<L> {
    /// Retrieves each object and the objects that pay it: the payment of a session, the invoice of
    /// a subscription, the payments of an invoice.
    ///
    /// An account that can't be read stops no other: what failed first is told with the rest.
    pub(super) async fn retrieve_all(
        &self,
        subjects: Vec<Subject>,
    ) -> Result<Retrieval, SweepError> {
        let accounts = subjects.iter().map(|one| one.account.clone()).collect();
        let refusals = self.refusals(accounts).await?;
        let standing = refusals.values().filter(|refusal| refusal.stands);
        let mut left_out: BTreeSet<String> = standing.map(|it| it.account.clone()).collect();
        let (mut seen, mut answered) = (BTreeSet::new(), BTreeSet::new());
        let mut retrieval = Retrieval::default();
        let mut todo = subjects;
        todo.reverse();
        while let Some(one) = todo.pop() {
            let (account, booking) = (one.account.clone(), one.booking_id.clone());
            if left_out.contains(&account) || !seen.insert((account.clone(), one.object_id.clone()))
            {
                continue;
            }
            let found = match self.retrieve_one(one).await {
                Ok(found) => found,
                Err(error) if error.is_lost() => return Err(error),
                Err(error) => {
                    retrieval.failed = self.left_out(&account, error, retrieval.failed).await?;
                    left_out.insert(account);
                    continue;
                }
            };
            answered.insert(account);
            retrieval.answered.insert(booking);
            let Some(found) = found else { continue };
            for (kind, id) in found.view.payers(&found.subject.object_type) {
                todo.push(Subject {
                    object_id: id.to_owned(),
                    object_type: kind.to_owned(),
                    ..found.subject.clone()
                });
            }
            retrieval.objects.push(found);
        }
        for account in answered.intersection(&refusals.into_keys().collect()) {
            self.lift_refusal(account.clone()).await?;
        }
        Ok(retrieval)
    }

    /// Leaves an account out of this pass. Returns the failure that the pass ends with.
    async fn left_out(
        &self,
        account: &str,
        error: SweepError,
        first: Option<SweepError>,
    ) -> Result<Option<SweepError>, SweepError> {
        match (AccountId::parse(account), error.refusal()) {
            (Ok(account), Some(refusal)) => {
                self.note_refusal(&account, refusal).await?;
                Ok(first)
            }
            (Ok(_) | Err(_), _) => {
                tracing::warn!(
                    stripe.account = account,
                    error = %shared::error::chain(&error),
                    "an account's objects can't be retrieved"
                );
                Ok(first.or(Some(error)))
            }
        }
    }

    /// `None`: Stripe has no such object, or it can't be read; that booking is looked at later.
    async fn retrieve_one(&self, subject: Subject) -> Result<Option<Retrieved>, SweepError> {
        let account = AccountId::parse(&subject.account).ok();
        let address = ObjectId::parse(&subject.object_id)
            .ok()
            .and_then(|id| objects::address(&subject.object_type, &id));
        let Some(address) = address else {
            return Ok(None);
        };
        match objects::retrieve(&self.reader.client, &address, account.as_ref()).await {
            Ok(reply) => Ok(Retrieved::read(subject, account, reply)),
            Err(error) if error.is_permanent() => {
                tracing::warn!(
                    booking.id = subject.booking_id, object.id = subject.object_id,
                    error = %shared::error::chain(&error), "Stripe does not give a booking's object"
                );
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Compares, and puts right what differs, account by account; one that fails stops no other.
    pub(super) async fn look_at(
        &self,
        kind: Kind,
        retrieval: Retrieval,
    ) -> Result<Looked, SweepError> {
        let mut by_account: BTreeMap<Option<AccountId>, Vec<Retrieved>> = BTreeMap::new();
        for one in retrieval.objects {
            by_account.entry(one.account.clone()).or_default().push(one);
        }
        let (mut total, mut failed) = (Looked::default(), retrieval.failed);
        for (account, objects) in by_account {
            let looked = match self.look(kind, account.as_ref(), objects).await {
                Ok(looked) => looked,
                Err(error) if error.is_lost() => return Err(error),
                Err(error) => {
                    let account = account.map(|it| it.to_string()).unwrap_or_default();
                    failed = self.left_out(&account, error, failed).await?;
                    continue;
                }
            };
            total.retrieved += looked.retrieved;
            total.differing += looked.differing;
            total.events += looked.events;
            total.observations += looked.observations;
            total.behind |= looked.behind;
        }
        failed.map_or(Ok(total), Err)
    }

    async fn look(
        &self,
        kind: Kind,
        account: Option<&AccountId>,
        retrieved: Vec<Retrieved>,
    ) -> Result<Looked, SweepError> {
        let mut looked = Looked {
            retrieved: retrieved.len(),
            ..Looked::default()
        };
        let suspects = self.differing(retrieved).await?;
        if suspects.is_empty() {
            return Ok(looked);
        }
        let window = self.window_of(&suspects).await?;
        let listed = self.list_for(account, window, &suspects).await?;
        let _guard = self.repair_lock().await?;
        let behind = self.reader.barrier.wait(&self.reader.store).await?;
        if behind.is_some() {
            looked.behind = true;
            return Ok(looked);
        }
        // What was in the log when we asked is applied now: only what still differs is wrong.
        let objects = suspects.into_iter().map(|suspect| suspect.object).collect();
        let suspects = self.differing(objects).await?;
        looked.differing = suspects.len();
        if !suspects.is_empty() {
            let missing = self.still_missing(listed).await?;
            (looked.events, looked.observations) = self
                .put_right(kind, account, window, suspects, missing)
                .await?;
        }
        Ok(looked)
    }

    async fn differing(&self, retrieved: Vec<Retrieved>) -> Result<Vec<Suspect>, SweepError> {
        let keys: Vec<Key> = retrieved.iter().map(Retrieved::key).collect();
        let stored = self
            .reader
            .store
            .run("objects_believed", move |connection| {
                shared::db::objects::stored(connection, &keys)
            })
            .await?;
        let mut claims = self.new_claims(&retrieved, &stored).await?;
        Ok(retrieved
            .into_iter()
            .filter_map(|object| {
                let key = object.key();
                let changed = difference(stored.get(&key), &object.seen);
                let difference = with_claim(changed, claims.remove(&key))?;
                Some(Suspect { object, difference })
            })
            .collect())
    }

    /// From the oldest object's creation to now, as far as Stripe lists it.
    async fn window_of(&self, suspects: &[Suspect]) -> Result<Window, SweepError> {
        let now = self.reader.client.now().await?;
        let to = now.saturating_add(60);
        let oldest = suspects
            .iter()
            .map(|one| one.object.view.created)
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
        suspects: &[Suspect],
    ) -> Result<Vec<(String, ListedEvent)>, SweepError> {
        let subjects = || suspects.iter().map(|one| &one.object.subject);
        let ids: BTreeSet<&str> = subjects().map(|one| one.object_id.as_str()).collect();
        let mut found = Vec::new();
        for types in groups(subjects().map(|one| one.object_type.as_str())) {
            let query = Query {
                account: account.cloned(),
                window,
                types,
                delivered: None,
                max_events: MAX_EVENTS,
            };
            let mut lister = Lister::new(&self.reader.client, query);
            loop {
                let page = match lister.next_page().await {
                    Ok(Some(page)) => page,
                    // The observation says what the rest of a list that can't be walked would have.
                    Ok(None) | Err(StripeError::Walk(_)) => break,
                    Err(error) => return Err(error.into()),
                };
                let about = |event: ListedEvent| Some((subject(&event.raw, &ids)?, event));
                found.extend(page.into_iter().filter_map(about));
            }
        }
        Ok(found)
    }

    /// Those that the ledger lacks, each once.
    async fn still_missing(
        &self,
        listed: Vec<(String, ListedEvent)>,
    ) -> Result<Vec<(String, ListedEvent)>, SweepError> {
        let events = listed.iter().map(|(_, event)| event.clone()).collect();
        let unknown = self.reader.without_known(events).await?;
        let mut unknown: BTreeSet<EventId> = unknown.into_iter().map(|event| event.id).collect();
        Ok(listed
            .into_iter()
            .filter(|(_, event)| unknown.remove(&event.id))
            .collect())
    }
}
