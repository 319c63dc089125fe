//! What follows from an object that is not as we believe: its missing events are published, or,
//! where none is listed, what Stripe answered.
//!
//! Invariants: the finding is written before anything is published, and where the repair lies
//! after it was acknowledged; one record is published for each missing event, one for each object
//! without any.

use std::collections::{BTreeSet, HashMap};

use shared::clock::{Clock, SystemClock};
use shared::ids::AccountId;
use shared::kafka::headers::Source;
use shared::kafka::producer::{Ack, EventLog};
use shared::windows::Window;

use super::look::{Retrieved, Suspect};
use super::{Engine, SweepError};
use crate::publish;
use crate::store::sweeps::{self, Counts, Kind, NewFinding, Outcome, Repair};
use crate::stripe::ListedEvent;

impl<L: EventLog> Engine<L> {
    /// Publishes the missing events; for an object without one, what Stripe answered. Returns how
    /// many of each.
    pub(super) async fn put_right(
        &self,
        kind: Kind,
        account: Option<&AccountId>,
        window: Window,
        suspects: Vec<Suspect>,
        missing: Vec<(String, ListedEvent)>,
    ) -> Result<(usize, usize), SweepError> {
        let (sweep, rows) = self
            .note_differing(kind, account, window, &suspects)
            .await?;
        let row_of: HashMap<&str, i64> = suspects
            .iter()
            .zip(&rows)
            .map(|(one, row)| (one.object.subject.object_id.as_str(), *row))
            .collect();
        let events = missing
            .iter()
            .filter_map(|(object, event)| Some((*row_of.get(object.as_str())?, event)))
            .collect();
        let (mut repairs, mut refused) = self.publisher.events(account, events).await;
        let published = repairs.len();
        let explained: BTreeSet<&str> = missing.iter().map(|(object, _)| object.as_str()).collect();
        for (one, row) in suspects.iter().zip(&rows) {
            if explained.contains(one.object.subject.object_id.as_str()) {
                continue;
            }
            match self.observe(account, &one.object).await {
                Ok(ack) => repairs.push(self.publisher.repair(*row, ack)),
                Err(why) => refused = refused.or(Some(why)),
            }
        }
        let observations = repairs.len().saturating_sub(published);
        self.record_look(sweep, suspects.len(), repairs, refused)
            .await?;
        Ok((published, observations))
    }

    async fn note_differing(
        &self,
        kind: Kind,
        account: Option<&AccountId>,
        window: Window,
        suspects: &[Suspect],
    ) -> Result<(i64, Vec<i64>), SweepError> {
        let owner = account.cloned();
        let findings: Vec<NewFinding> = suspects
            .iter()
            .map(|one| NewFinding {
                verdict: one.difference.verdict(),
                event_id: None,
                object_id: Some(one.object.subject.object_id.clone()),
                booking_id: Some(one.object.subject.booking_id.clone()),
            })
            .collect();
        Ok(self
            .reader
            .store
            .run("note_differing", move |connection| {
                let sweep = sweeps::begin(connection, kind, owner.as_ref(), window)?;
                let rows = sweeps::find(connection, sweep, owner.as_ref(), &findings)?;
                Ok((sweep, rows))
            })
            .await?)
    }

    async fn observe(&self, account: Option<&AccountId>, one: &Retrieved) -> Result<Ack, String> {
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

    async fn record_look(
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
            .run("record_look", move |connection| {
                sweeps::repaired(connection, &repairs)?;
                sweeps::finish(connection, sweep, outcome, counts, refused.as_deref())
            })
            .await?;
        Ok(())
    }
}
