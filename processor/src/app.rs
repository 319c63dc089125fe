//! The processor put together: checks, threads, an end in order.

mod heart;
mod threads;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use shared::db::{Limits, require_schema};
use shared::error::chain;
use shared::folding::FOLD_VERSION;
use shared::kafka::producer::Producer;
use shared::kafka::topics::{TopicError, Wanted, check};
use shared::runtime::{Ops, start_ops};

use crate::config::Config;
use crate::consumer::{PollingSettings, Queues, run as poll};
use crate::control::LastAnswer;
use crate::store;
use heart::Heart;
use threads::Threads;

/// How long an append of a dead letter or a fact may take.
const APPEND_DEADLINE: Duration = Duration::from_secs(10);

/// Runs until SIGTERM or SIGINT. Blocks.
///
/// # Errors
/// What could not be started, or why the polling thread ended by itself.
pub fn run(config: &Config) -> anyhow::Result<()> {
    let telemetry = shared::telemetry::init("processor", &config.common)?;
    let ops = start_ops(config.common.ops_addr, telemetry.registry())?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        group = config.group,
        "processor starting"
    );
    ops.health.set_unready("database", "not checked yet");
    ops.health.set_unready("kafka", "not checked yet");
    if !until_ready(&ops, "database", || check_database(config))? {
        return Ok(());
    }
    if !until_ready(&ops, "kafka", || check_topics(config))? {
        return Ok(());
    }
    ops.health.set_unready("kafka", "no partition assigned yet");
    let producer = Arc::new(Producer::create(&config.kafka, APPEND_DEADLINE)?);
    let queues = Arc::new(Queues::new(config.queues));
    let stopping = Arc::new(AtomicBool::new(false));
    let last_answer = Arc::new(LastAnswer::now(config.database_give_up_after));
    let threads = Threads {
        config,
        queues: &queues,
        producer: &producer,
        stopping: &stopping,
        health: &ops.health,
    };
    let started = threads.start(&last_answer)?;
    let heart = Heart::new(&ops, &queues, &last_answer, config.stalled_after);
    let settings = PollingSettings {
        client: shared::kafka::consumer(&config.kafka, &config.group),
        topic: config.topics.events_topic.clone(),
        database_url: config.database_url().to_owned(),
        revoke_grace: config.revoke_grace,
        last_answer: Arc::clone(&last_answer),
    };
    let polled = poll(&settings, &queues, &heart);
    ops.health.set_unready("kafka", "stopping");
    stopping.store(true, Ordering::Relaxed);
    queues.stop();
    for thread in started {
        if thread.join().is_err() {
            tracing::error!("a worker thread panicked");
        }
    }
    if let Err(error) = producer.flush(Duration::from_secs(5)) {
        tracing::warn!(
            error = chain(&error),
            "dead letters or facts still unacknowledged at the end"
        );
    }
    tracing::info!("processor stopped");
    if last_answer.is_superseded() {
        return Err(StartError::Refused(SUPERSEDED.to_owned()).into());
    }
    polled.context("polling ended")
}

/// Tries until it works; `false`: asked to stop before that. A refusal ends it at once.
fn until_ready(
    ops: &Ops,
    component: &'static str,
    mut attempt: impl FnMut() -> Result<(), StartError>,
) -> anyhow::Result<bool> {
    while !ops.stop.is_set() {
        match attempt() {
            Ok(()) => {
                ops.health.set_ready(component);
                return Ok(true);
            }
            Err(error @ StartError::Refused(_)) => return Err(error.into()),
            Err(StartError::NotYet(reason)) => ops.health.set_unready(component, reason),
        }
        std::thread::park_timeout(Duration::from_millis(500));
    }
    Ok(false)
}

const SUPERSEDED: &str =
    "the database takes only later folding rules than these: install a later version";

/// Why the processor does not work yet, or never will on this ground.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Worth trying again.
    #[error("{0}")]
    NotYet(String),
    /// A person must change something.
    #[error("refusing to run: {0}")]
    Refused(String),
}

fn check_database(config: &Config) -> Result<(), StartError> {
    let mut connection = shared::db::connect(
        config.database_url(),
        "bookend-processor-start",
        Limits::default(),
    )
    .map_err(|error| StartError::NotYet(chain(&error)))?;
    require_schema(&mut connection).map_err(|error| StartError::Refused(chain(&error)))?;
    let least = store::rules::min_version(&mut connection)
        .map_err(|error| StartError::NotYet(chain(&error)))?;
    if least > FOLD_VERSION {
        return Err(StartError::Refused(SUPERSEDED.to_owned()));
    }
    store::events::require_durability(&mut connection)
        .map_err(|error| StartError::NotYet(chain(&error)))?
        .then_some(())
        .ok_or_else(|| StartError::Refused("synchronous_commit is off".to_owned()))?;
    store::events::ensure_partitions(&mut connection)
        .map_err(|error| StartError::NotYet(chain(&error)))?;
    Ok(())
}

fn check_topics(config: &Config) -> Result<(), StartError> {
    let development = config.common.is_development();
    let wanted = [
        Wanted {
            topic: config.topics.events_topic.clone(),
            partitions: Some(config.topics.events_partitions),
            development,
        },
        Wanted {
            topic: config.topics.dead_topic.clone(),
            partitions: None,
            development,
        },
    ];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| StartError::NotYet(error.to_string()))?;
    runtime
        .block_on(check(&config.kafka, &wanted, Duration::from_secs(5)))
        .map_err(|error| match error {
            TopicError::Unreachable { .. } | TopicError::Missing(_) => {
                StartError::NotYet(chain(&error))
            }
            TopicError::Unfit(_) => StartError::Refused(chain(&error)),
        })
}
