//! Logs that break off at a chosen point: what a crash or a broker's refusal leaves behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use shared::kafka::producer::{Ack, AppendError, EventLog, NewRecord, Producer};
use tokio::sync::Notify;

/// Appends for real, tells that all `expected` are there, and never answers: the caller dies at the
/// point between the last acknowledgement and whatever it does next.
pub(crate) struct Silent {
    pub(crate) producer: Producer,
    pub(crate) expected: usize,
    pub(crate) appended: AtomicUsize,
    pub(crate) all_there: Arc<Notify>,
}

impl EventLog for Silent {
    async fn append(&self, record: NewRecord) -> Result<Ack, AppendError> {
        self.producer.append(record).await?;
        if self.appended.fetch_add(1, Ordering::SeqCst) + 1 == self.expected {
            self.all_there.notify_one();
        }
        std::future::pending().await
    }
}

/// Appends for real, but for the `nth` record, whose fate is unknown.
pub(crate) struct Refusing {
    pub(crate) producer: Producer,
    pub(crate) nth: usize,
    pub(crate) asked: AtomicUsize,
}

impl EventLog for Refusing {
    async fn append(&self, record: NewRecord) -> Result<Ack, AppendError> {
        if self.asked.fetch_add(1, Ordering::SeqCst) == self.nth {
            return Err(AppendError::Deadline(Duration::ZERO));
        }
        self.producer.append(record).await
    }
}
