//! Watching the sender: asks for the endpoints, remembers them, and says what is wrong.
//!
//! Deliberately absent: mending it, which is an operator's doing (`bookend endpoint ensure`).

use std::time::Duration;

use shared::ids::AccountId;
use shared::kafka::producer::EventLog;

use super::tail::Heard;
use super::{Engine, SweepError};
use crate::sender::{self, Alarm, Kind};
use crate::store::sweeps::key;
use crate::store::{StoreError, accounts, certificates, sender as rows};
use crate::stripe::endpoints;

/// Accounts without a sweep that have an alarm each: the first tell as much as all.
const MAX_NOT_SWEPT: i64 = 100;

/// What is judged by the list of endpoints.
const BY_ENDPOINTS: [Kind; 6] = [
    Kind::NoEndpoint,
    Kind::EndpointDisabled,
    Kind::EndpointGone,
    Kind::UrlChanged,
    Kind::VersionChanged,
    Kind::TypesChanged,
];

impl<L: EventLog> Engine<L> {
    /// Looks at the endpoints. `ours`: our own address; one under it is accepted as it is first seen.
    ///
    /// # Errors
    /// [`SweepError`]; nothing was judged.
    pub async fn look_at_endpoints(&self, ours: Option<String>) -> Result<(), SweepError> {
        let listed = endpoints::list(&self.reader.client).await?;
        let began = self
            .reader
            .store
            .run("look_at_endpoints", move |connection| {
                rows::seen(connection, &listed, ours.as_deref())?;
                let accepted = rows::accepted(connection)?;
                // Who named no address and accepted none does not want to be told.
                let judged = match (&ours, accepted.is_empty()) {
                    (None, true) => Vec::new(),
                    _ => sender::endpoints(&listed, &accepted),
                };
                rows::stand(connection, &BY_ENDPOINTS, None, &judged)
            })
            .await?;
        began.iter().for_each(log);
        Ok(())
    }

    /// Judges what a sweep of an account's tail heard, and how far its proof lies back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn judge_tail(
        &self,
        account: Option<&AccountId>,
        heard: Option<&Heard>,
        now: i64,
        silence_after: Duration,
    ) -> Result<(), StoreError> {
        let subject = key(account).to_owned();
        let mut kinds = vec![Kind::RetriesEnd, Kind::Horizon];
        let mut alarms = Vec::new();
        // A night without events neither begins a silence nor ends one.
        if let Some(heard) = heard.filter(|heard| heard.listed > 0) {
            kinds.extend([Kind::OtherMode, Kind::Silence]);
            alarms.extend(sender::heard(&subject, heard, now, silence_after));
        }
        let owner = account.cloned();
        let began = self
            .reader
            .store
            .run("judge_tail", move |connection| {
                let proven = certificates::proven(connection, owner.as_ref())?;
                let complete = proven.map(|proven| proven.to);
                alarms.extend(sender::limits(&subject, complete, now));
                rows::stand(connection, &kinds, Some(&subject), &alarms)
            })
            .await?;
        began.iter().for_each(log);
        Ok(())
    }
}

impl<L: EventLog> Engine<L> {
    /// Raises an alarm for each connected account that was seen and is not swept. `swept`: those
    /// that are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn judge_accounts(&self, swept: &[Option<AccountId>]) -> Result<(), StoreError> {
        let swept: Vec<AccountId> = swept.iter().flatten().cloned().collect();
        let began = self
            .reader
            .store
            .run("judge_accounts", move |connection| {
                let missing = accounts::not_swept(connection, &swept, MAX_NOT_SWEPT)?;
                let alarms = sender::not_swept(&missing);
                rows::stand(connection, &[Kind::AccountNotSwept], None, &alarms)
            })
            .await?;
        began.iter().for_each(log);
        Ok(())
    }
}

fn log(alarm: &Alarm) {
    tracing::error!(
        alarm = alarm.kind.as_str(),
        subject = alarm.subject,
        detail = alarm.detail,
        "the sender is not as it should be"
    );
}
