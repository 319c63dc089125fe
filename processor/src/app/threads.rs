//! The processor's threads but the polling one: workers, registrations, draining, relay, watch.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use shared::clock::{Clock as _, SystemClock};
use shared::db::Limits;
use shared::kafka::producer::Producer;
use shared::runtime::Health;

use super::APPEND_DEADLINE;
use crate::brake::Brake;
use crate::config::Config;
use crate::consumer::Queues;
use crate::control::{LastAnswer, Watch};
use crate::dead_letters::DeadLetters;
use crate::metrics::Metrics;
use crate::parked::Drainer;
use crate::relay::{self, RelaySettings, Witness};
use crate::{registrations, worker::Worker};

/// What they share.
pub(super) struct Threads<'a> {
    pub(super) config: &'a Config,
    pub(super) queues: &'a Arc<Queues>,
    pub(super) producer: &'a Arc<Producer>,
    pub(super) stopping: &'a Arc<AtomicBool>,
    pub(super) health: &'a Arc<Health>,
}

impl Threads<'_> {
    /// Starts all; they end when the queues are stopped and `stopping` is set.
    pub(super) fn start(
        &self,
        last_answer: &Arc<LastAnswer>,
    ) -> std::io::Result<Vec<JoinHandle<()>>> {
        let config = self.config;
        let brake = Arc::new(Brake::new(config.brake));
        let dead_letters = Arc::new(DeadLetters::new(
            Arc::clone(self.producer),
            config.topics.dead_topic.clone(),
            config.group.clone(),
        ));
        let mut started = Vec::new();
        for number in 0..config.workers {
            let worker = self.worker(&brake, &dead_letters);
            started.push(spawn(format!("worker-{number}"), move || worker.run())?);
        }
        let url = config.database_url().to_owned();
        let (rules, stopping) = (config.rules, Arc::clone(self.stopping));
        started.push(spawn("registrations", move || {
            registrations::run(&url, Limits::default(), rules, &stopping);
        })?);
        let (drainer, stopping) = (
            self.drainer(&brake, &dead_letters),
            Arc::clone(self.stopping),
        );
        started.push(spawn("drain", move || drainer.run(&stopping))?);
        let topic = &config.topics.bookings_topic;
        let witness = Witness {
            client: shared::kafka::consumer(&config.kafka, &config.group),
            topic: config.topics.events_topic.clone(),
            partitions: i32::try_from(config.topics.events_partitions).unwrap_or(i32::MAX),
        };
        let url = &config.database_url;
        let settings = RelaySettings::new(url, topic, APPEND_DEADLINE, witness);
        let (producer, stopping) = (Arc::clone(self.producer), Arc::clone(self.stopping));
        started.push(spawn("relay", move || {
            relay::run(&settings, &producer, &Metrics::new(), &stopping);
        })?);
        let (watch, stopping) = (self.watch(&brake, last_answer), Arc::clone(self.stopping));
        started.push(spawn("watch", move || watch.run(&stopping))?);
        Ok(started)
    }

    fn worker(&self, brake: &Arc<Brake>, dead_letters: &Arc<DeadLetters>) -> Worker {
        let config = self.config;
        Worker {
            queues: Arc::clone(self.queues),
            topic: config.topics.events_topic.clone(),
            database_url: config.database_url().to_owned(),
            limits: Limits::default(),
            scope: config.scope.clone(),
            rules: config.rules,
            dead_letters: Arc::clone(dead_letters),
            brake: Arc::clone(brake),
            backoff: config.backoff,
            park_for: config.heads.backoff.base,
            clock: Arc::new(SystemClock),
            metrics: Metrics::new(),
        }
    }

    fn drainer(&self, brake: &Arc<Brake>, dead_letters: &Arc<DeadLetters>) -> Drainer {
        let config = self.config;
        Drainer {
            database_url: config.database_url().to_owned(),
            limits: Limits::default(),
            scope: config.scope.clone(),
            rules: config.rules,
            dead_letters: Arc::clone(dead_letters),
            policy: config.heads,
            brake: Arc::clone(brake),
            queues: Arc::clone(self.queues),
            clock: Arc::new(SystemClock),
            metrics: Metrics::new(),
        }
    }

    fn watch(&self, brake: &Arc<Brake>, last_answer: &Arc<LastAnswer>) -> Watch {
        let config = self.config;
        Watch {
            database_url: config.database_url().to_owned(),
            topic: config.topics.events_topic.clone(),
            instance: instance(),
            started_at: SystemClock.now(),
            queues: Arc::clone(self.queues),
            brake: Arc::clone(brake),
            last_answer: Arc::clone(last_answer),
            stalled_after: config.stalled_after,
            health: Arc::clone(self.health),
        }
    }
}

fn spawn(
    name: impl Into<String>,
    work: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.into()).spawn(work)
}

/// Host and process id: what people can find again.
fn instance() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = Some(host.trim()).filter(|host| !host.is_empty());
    format!("{}:{}", host.unwrap_or("unknown"), std::process::id())
}
