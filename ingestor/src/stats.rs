//! Tells the counts: one record at the start, one a minute, and the last one after the drain.
//!
//! Invariants: a flood adds no record; a record that is not acknowledged is told again with what
//! was counted since; no webhook waits for it or fails by it. What is in a record is decided by
//! [`Teller`]. Deliberately absent: any data of an event.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::message::{Header, OwnedHeaders};
use shared::clock::Clock;
use shared::error::chain;
use shared::kafka::producer::{EventLog, NewRecord};
use shared::stats::Teller;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::tally::Tally;

/// Longest wait for the acknowledgement of the last record: the stop has a bound of its own.
const LAST_DEADLINE: Duration = Duration::from_secs(3);

/// What telling needs.
pub struct Telling<L> {
    /// The process's one producer.
    pub log: Arc<L>,
    /// Topic of the counts.
    pub topic: String,
    /// Wall clock.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub tally: Arc<Tally>,
}

/// Tells the counts of this instance.
pub struct Reporter<L> {
    parts: Telling<L>,
    instance: String,
    teller: Teller,
    failing: bool,
}

/// A name that no other process has, before or after: host, process, and a random number, because
/// process ids come again.
#[must_use]
pub fn instance() -> String {
    let host = nix::unistd::gethostname().unwrap_or_default();
    let (host, pid) = (host.to_string_lossy(), std::process::id());
    format!("{host}-{pid}-{:08x}", rand::random::<u32>())
}

impl<L: EventLog> Reporter<L> {
    /// Begins to count now.
    #[must_use]
    pub fn new(parts: Telling<L>, instance: String) -> Self {
        let now = parts.clock.now().timestamp();
        Self {
            teller: Teller::new(instance.clone(), now),
            parts,
            instance,
            failing: false,
        }
    }

    /// Tells at once that the instance has begun, and then every `pause`, until dropped. Safe to
    /// drop: a record whose acknowledgement did not come is told again.
    pub async fn tell_every(&mut self, pause: Duration) {
        let mut ticks = interval(pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.tell(false).await;
        }
    }

    /// Tells the rest, and that it is the last. Nothing may be counted afterwards.
    pub async fn tell_last(&mut self) {
        if timeout(LAST_DEADLINE, self.tell(true)).await.is_err() {
            tracing::warn!("the last counts may not have been stored");
        }
    }

    async fn tell(&mut self, last: bool) {
        let counted = self.parts.tally.read();
        let now = self.parts.clock.now().timestamp();
        let stats = self.teller.next(&counted, now, last);
        let value = match stats.write() {
            Ok(value) => value,
            Err(error) => return self.failed(&chain(&error)),
        };
        let record = NewRecord {
            topic: self.parts.topic.clone(),
            key: self.instance.clone(),
            value,
            headers: OwnedHeaders::new().insert(Header {
                key: "content-type",
                value: Some("application/json"),
            }),
            timestamp_ms: None,
            held: None,
        };
        match self.parts.log.append(record).await {
            Ok(_ack) => {
                self.teller.acknowledged(&stats, counted);
                if self.failing {
                    tracing::info!("counts are stored again");
                }
                self.failing = false;
            }
            Err(error) => self.failed(&chain(&error)),
        }
    }

    /// Warns once for each time that it begins to fail.
    fn failed(&mut self, error: &str) {
        if !self.failing {
            tracing::warn!(
                topic = self.parts.topic,
                error,
                "counts not stored; they are carried into the next record"
            );
        }
        self.failing = true;
    }
}
