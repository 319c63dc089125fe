//! What travels through the queues.

use std::time::Instant;

use rdkafka::message::OwnedHeaders;
use shared::kafka::headers::RecordHeaders;

/// One record of the log, copied out of the client.
#[derive(Debug, Clone)]
pub struct Record {
    /// Topic it was read from.
    pub topic: String,
    /// Partition it was read from.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key as text; foreign bytes are replaced, a missing key is empty.
    pub key: String,
    /// The value's exact bytes; empty for a tombstone.
    pub value: Vec<u8>,
    /// Its headers, typed.
    pub headers: RecordHeaders,
    /// Its headers as they were: dead letters keep them.
    pub raw_headers: OwnedHeaders,
    /// The record's timestamp, milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    /// When it reached us, by the monotonic clock.
    pub arrived: Instant,
}

/// What one worker applies in one transaction: neighbours of one partition.
#[derive(Debug)]
pub struct Batch {
    /// The partition.
    pub partition: i32,
    /// The epoch under which it was claimed.
    pub epoch: i64,
    /// First offset not yet applied.
    pub next_offset: i64,
    /// The records, in offset order; never empty.
    pub records: Vec<Record>,
    /// Whether the partition is held by the brake, and this one record shows if it still must be.
    pub probe: Probe,
}

/// What a batch of a held partition is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// It is not held.
    No,
    /// This process held it: the record may pass if the brake lets it by now.
    AskBrake,
    /// Another process held it, whose brake is not known here: only what can be applied passes.
    MustSucceed,
}

impl Probe {
    /// Whether the partition is held.
    #[must_use]
    pub fn is_probe(self) -> bool {
        self != Self::No
    }
}
