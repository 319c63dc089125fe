//! What the relay is told.

use std::time::Duration;

use shared::config::{ExposeSecret, Secret};

use super::Witness;

/// What the server waits beyond an append's deadline.
const MARGIN: Duration = Duration::from_secs(5);

/// How to relay.
#[derive(Debug, Clone)]
pub struct RelaySettings {
    pub(super) database_url: String,
    pub(super) topic: String,
    pub(super) frozen_after: Duration,
    pub(super) witness: Witness,
}

impl RelaySettings {
    /// `append_deadline` is the longest that one append may take: the server must not take a
    /// relay that waits for Kafka for a frozen one, so its session may idle that long and more.
    #[must_use]
    pub fn new(
        database_url: &Secret,
        topic: &str,
        append_deadline: Duration,
        witness: Witness,
    ) -> Self {
        Self {
            database_url: database_url.expose_secret().to_owned(),
            topic: topic.to_owned(),
            frozen_after: append_deadline.saturating_add(MARGIN),
            witness,
        }
    }
}
