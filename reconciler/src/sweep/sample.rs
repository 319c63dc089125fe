//! Settled bookings, a few a day at random: what nobody doubts is doubted too.
//!
//! An event that was never made and that nobody waits for (a refund by hand, a late dispute) shows
//! in no list and in no waiting booking. A sample finds it in time, and tells how often it happens.
//!
//! Deliberately absent: how many are due ([`super::quota`]).

use shared::kafka::producer::EventLog;

use super::look::Looked;
use super::{Engine, SweepError};
use crate::store::samples::{self, Of};
use crate::store::sweeps::Kind;

/// Objects of one draw that are retrieved at most.
const MAX_OBJECTS: i64 = 500;

impl<L: EventLog> Engine<L> {
    /// Looks at up to `count` settled bookings, with all of their objects that can be retrieved.
    ///
    /// # Errors
    /// [`SweepError`]; what was published is acknowledged or will be found again.
    pub async fn sample(&self, count: i64) -> Result<Looked, SweepError> {
        let objects = self
            .reader
            .store
            .run("sample_settled", move |connection| {
                let drawn = samples::draw(connection, Of::Settled, count)?;
                samples::objects(connection, &drawn, MAX_OBJECTS)
            })
            .await?;
        let retrieved = self.retrieve_all(objects).await?;
        self.look_at(Kind::Sample, retrieved).await
    }
}
