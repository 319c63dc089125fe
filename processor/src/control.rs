//! What operators want of this process, what it says of itself, and when it gives its partitions up.
//!
//! Each second it looks at `consumer_control` and writes its row of `processor_instances`, and
//! whether the database is older than what was committed to it: a restored backup is caught up
//! with also where nothing new arrives. A process whose own way to the database stays broken is
//! cut off: the polling thread leaves the group while Kafka is well, so that another takes its
//! partitions, and joins again when the database answers.
//!
//! A statement whose answer was swallowed on the way, by something that keeps the connection open,
//! is waited for without an end: libpq has no bound for that, and TCP sees nothing amiss. Each look
//! is therefore a sign of life, and a process that gives none is for the orchestrator to replace.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use shared::db::Limits;
use shared::error::chain;
use shared::folding::FOLD_VERSION;
use shared::runtime::Health;

use crate::brake::Brake;
use crate::consumer::{Queues, Stalled};
use crate::store::control::{Instance, Wanted, hold, say, wanted};
use crate::store::{progress, rules};

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// More than a look may take that is answered, or refused, in the end (see [`limits`]).
const LOOK_WITHIN: Duration = Duration::from_secs(30);

/// When the database last answered this process. Whoever asks compares with the clock by itself, so
/// that a watch that hangs on a silent connection is no answer.
#[derive(Debug)]
pub struct LastAnswer {
    at: Mutex<Instant>,
    give_up_after: Duration,
    superseded: AtomicBool,
}

impl LastAnswer {
    /// It answered just now. Silence counts as being cut off after `give_up_after`.
    #[must_use]
    pub fn now(give_up_after: Duration) -> Self {
        Self {
            at: Mutex::new(Instant::now()),
            give_up_after,
            superseded: AtomicBool::new(false),
        }
    }

    /// Whether the database says that only later folding rules than ours may write.
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        self.superseded.load(Ordering::Relaxed)
    }

    fn note(&self) {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Whether it has been silent for too long.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        let at = *self.at.lock().unwrap_or_else(PoisonError::into_inner);
        at.elapsed() >= self.give_up_after
    }
}

/// What the watching thread needs.
pub struct Watch {
    /// Where wishes are.
    pub database_url: String,
    /// The topic that is read.
    pub topic: String,
    /// Host and process id.
    pub instance: String,
    /// When the process started.
    pub started_at: DateTime<Utc>,
    /// Paused and let go here.
    pub queues: Arc<Queues>,
    /// Released by a resume.
    pub brake: Arc<Brake>,
    /// Read by the polling thread.
    pub last_answer: Arc<LastAnswer>,
    /// When a partition without progress is reported.
    pub stalled_after: Duration,
    /// Told of each look.
    pub health: Arc<Health>,
}

impl Watch {
    /// Runs until `stopping`. Blocks its thread.
    pub fn run(&self, stopping: &AtomicBool) {
        let mut connection: Option<PgConnection> = None;
        let mut seen: Option<i64> = None;
        while !stopping.load(Ordering::Relaxed) {
            self.health.beat("watching the database", LOOK_WITHIN);
            match self.look(&mut connection, &mut seen) {
                Ok(()) => self.last_answer.note(),
                Err(error) => {
                    tracing::debug!(error, "cannot ask what operators want");
                    connection = None;
                }
            }
            let until = Instant::now() + LOOK_EVERY;
            while Instant::now() < until && !stopping.load(Ordering::Relaxed) {
                std::thread::park_timeout(Duration::from_millis(50));
            }
        }
        if let Some(connection) = connection.as_mut() {
            let stopped = self.instance("stopped", None, Vec::new());
            drop(say(connection, &stopped));
        }
    }

    fn look(&self, slot: &mut Option<PgConnection>, seen: &mut Option<i64>) -> Result<(), String> {
        let connection = match slot {
            Some(connection) => connection,
            None => slot.insert(
                shared::db::connect(&self.database_url, "bookend-processor-control", limits())
                    .map_err(|error| chain(&error))?,
            ),
        };
        let wish = wanted(connection, &self.topic).map_err(|error| chain(&error))?;
        // From here on the database answers: what fails below is bookkeeping, and nobody leaves for it.
        if let Err(error) = self.keep_books(connection, wish, seen) {
            tracing::warn!(error = chain(&error), "bookkeeping failed; trying again");
            *slot = None;
        }
        Ok(())
    }

    fn keep_books(
        &self,
        connection: &mut PgConnection,
        wish: Wanted,
        seen: &mut Option<i64>,
    ) -> diesel::QueryResult<()> {
        self.follow(connection, wish, seen);
        let least = rules::min_version(connection)?;
        if least > FOLD_VERSION && !self.last_answer.superseded.swap(true, Ordering::Relaxed) {
            tracing::error!(
                ours = FOLD_VERSION,
                least,
                "the database takes only later folding rules than these: this processor stops"
            );
        }
        // Our own view first: rows only rise, so one behind it is from another time.
        let ours = self.queues.claims();
        let rows = progress::all(connection, &self.topic)?;
        let behind = self.queues.compare(&ours, &rows);
        if !behind.is_empty() {
            tracing::error!(
                ?behind,
                "progress is behind what was committed: the database was restored from a backup; \
                 reading the log again from there"
            );
        }
        let held = self.queues.held();
        let partitions = self.queues.positions().iter().map(|(p, _)| *p).collect();
        let said = if wish.paused {
            self.instance("paused", Some("by an operator".to_owned()), partitions)
        } else if held.is_empty() {
            let stalled = self.queues.stalled(self.stalled_after);
            self.instance("running", no_progress(&stalled), partitions)
        } else {
            let reason = format!("the brake holds {} partition(s)", held.len());
            self.instance("held", Some(reason), partitions)
        };
        say(connection, &said).map(drop)
    }

    /// The first look only learns how often was resumed before this process.
    fn follow(&self, connection: &mut PgConnection, wish: Wanted, seen: &mut Option<i64>) {
        if wish.paused != self.queues.is_paused() {
            tracing::warn!(
                paused = wish.paused,
                "an operator paused or resumed consumption"
            );
            self.queues.set_paused(wish.paused);
        }
        let resumed = seen.is_some_and(|seen| wish.resumes > seen);
        *seen = Some(wish.resumes);
        if !resumed {
            return;
        }
        self.brake.release();
        for (partition, epoch) in self.queues.held() {
            let place = (self.topic.as_str(), partition);
            if let Err(error) = hold(connection, place, epoch, None) {
                tracing::warn!(
                    error = chain(&error),
                    "the brake's mark could not be taken away"
                );
            }
            tracing::warn!("kafka.partition" = partition, "let go by an operator");
            self.queues.let_go(partition);
        }
    }

    fn instance(
        &self,
        state: &'static str,
        reason: Option<String>,
        partitions: Vec<i32>,
    ) -> Instance<'_> {
        Instance {
            name: &self.instance,
            started_at: self.started_at,
            state,
            reason,
            partitions,
        }
    }
}

/// What `bookend consumer status` shows of partitions without progress.
fn no_progress(stalled: &[Stalled]) -> Option<String> {
    let partitions: Vec<String> = stalled
        .iter()
        .map(|one| one.partition.to_string())
        .collect();
    (!partitions.is_empty()).then(|| format!("no progress in partition {}", partitions.join(", ")))
}

/// Short: what it learns late is of no use.
fn limits() -> Limits {
    Limits {
        statement: Duration::from_secs(3),
        lock: Duration::from_secs(2),
        connect: Duration::from_secs(2),
        ..Limits::default()
    }
}
