//! The reconciler's Postgres: reads everything, writes only its own tables and the state of the
//! refetches it carries out.
//!
//! Invariants: no statement here writes the ledger, objects, bookings or the outbox (and the role
//! may not); every call runs on the one connection that holds this reconciler's lock, so what a
//! reconciler writes after it lost the lock fails.
//!
//! Deliberately absent: decisions.

pub mod accounts;
pub mod backfills;
pub mod bookings;
pub mod budget;
pub mod certificates;
pub mod checks;
pub mod cursors;
pub mod holes;
pub mod ledger;
pub mod plans;
pub mod refetches;
pub mod refusals;
pub mod retention;
pub mod samples;
pub mod sender;
pub mod sweeps;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Bool};
use diesel::{QueryableByName, RunQueryDsl, sql_query};
use secrecy::{ExposeSecret, SecretString};
use shared::db;

/// What keeps two from doing the same: numbers of advisory locks, one meaning each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Held for life by the one reconciler that sweeps by the clock.
    Reconciler,
    /// Held from reading the log's ends until what is missing was published and recorded: nobody
    /// takes for missing what another is just publishing.
    Repair,
    /// Held by the one backfill that runs.
    Backfill,
}

impl Lock {
    fn number(self) -> i64 {
        match self {
            Self::Reconciler => 0x626f_6f6b_7265_6301,
            Self::Repair => 0x626f_6f6b_7265_6302,
            Self::Backfill => 0x626f_6f6b_7265_6303,
        }
    }
}

/// Why Postgres gave no answer. A write that failed so may still have happened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("no connection to Postgres")]
    Connect(#[from] db::ConnectError),
    #[error("the connection to Postgres, and with it our lock, is lost")]
    Lost,
    #[error("{name}: Postgres refused or was cut off")]
    Query {
        name: &'static str,
        #[source]
        cause: diesel::result::Error,
    },
    #[error(transparent)]
    Schema(#[from] db::SchemaError),
    #[error("the thread for the database ended early")]
    Thread(#[source] tokio::task::JoinError),
}

/// One connection, used by one caller at a time.
#[derive(Clone)]
pub struct Store {
    url: SecretString,
    connection: Arc<Mutex<Option<PgConnection>>>,
    /// It holds no lock, so a new connection is as good as the old one.
    reopens: bool,
}

impl Store {
    /// Connects and refuses a schema older than this binary.
    ///
    /// # Errors
    /// [`StoreError::Connect`], [`StoreError::Schema`].
    pub async fn connect(url: SecretString) -> Result<Self, StoreError> {
        let address = url.clone();
        let connection = blocking(move || {
            let mut connection = open(&address)?;
            db::require_schema(&mut connection)?;
            Ok(connection)
        })
        .await?;
        Ok(Self {
            url,
            connection: Arc::new(Mutex::new(Some(connection))),
            reopens: false,
        })
    }

    /// The same, for work that takes no lock: a connection that is lost is opened again.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn connect_without_locks(url: SecretString) -> Result<Self, StoreError> {
        let store = Self::connect(url).await?;
        Ok(Self {
            reopens: true,
            ..store
        })
    }

    /// From now on this connection refuses every write.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read_only(&self) -> Result<(), StoreError> {
        self.run("read_only", |connection| {
            sql_query("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
                .execute(connection)
                .map(|_rows| ())
        })
        .await
    }

    /// Runs `work` in a transaction called `name` on a thread of its own. Once it has begun it
    /// runs to its end, even if the caller no longer waits.
    ///
    /// # Errors
    /// [`StoreError::Query`]; after it the connection is kept only if it still answers. Then every
    /// call fails with [`StoreError::Lost`]: whoever holds a lock must take it anew.
    pub async fn run<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce(&mut PgConnection) -> diesel::QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.connection);
        let again = self.reopens.then(|| self.url.clone());
        blocking(move || {
            // A panic in another call broke no promise of ours: its transaction was not committed.
            let mut held = shared.lock().unwrap_or_else(PoisonError::into_inner);
            if let (None, Some(url)) = (held.as_ref(), &again) {
                *held = Some(open(url)?);
            }
            let connection = held.as_mut().ok_or(StoreError::Lost)?;
            let outcome = db::run_tx(connection, name, work);
            if outcome.is_err() && sql_query("SELECT 1").execute(connection).is_err() {
                *held = None;
            }
            outcome.map_err(|cause| StoreError::Query { name, cause })
        })
        .await
    }

    /// Takes `lock` for the life of this store's connection; `false` when another holds it.
    ///
    /// # Errors
    /// [`StoreError`]; the lock is not taken.
    pub async fn try_lock(&self, lock: Lock) -> Result<bool, StoreError> {
        self.run("try_lock", move |connection| take(connection, lock))
            .await
    }

    /// Takes `lock` on a connection of its own, waiting for at most `patience`. Dropping the guard
    /// closes that connection and frees the lock, however the caller ends. `None`: another held it
    /// all the time.
    ///
    /// # Errors
    /// [`StoreError`]; the lock is not taken.
    pub async fn lock_for(
        &self,
        lock: Lock,
        patience: Duration,
    ) -> Result<Option<LockGuard>, StoreError> {
        let url = self.url.clone();
        let mut connection = blocking(move || Ok(open(&url)?)).await?;
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let (back, taken) = blocking(move || {
                let taken = take(&mut connection, lock);
                Ok((connection, taken))
            })
            .await?;
            connection = back;
            if taken.map_err(|cause| StoreError::Query {
                name: "lock_for",
                cause,
            })? {
                return Ok(Some(LockGuard {
                    _connection: Mutex::new(connection),
                }));
            }
            if tokio::time::Instant::now() >= deadline {
                return Ok(None);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Asks whether the connection, and with it our lock, still stands.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.run("ping", |connection| {
            sql_query("SELECT 1").execute(connection).map(|_rows| ())
        })
        .await
    }
}

/// Holds a lock until it is dropped.
pub struct LockGuard {
    _connection: Mutex<PgConnection>,
}

fn open(url: &SecretString) -> Result<PgConnection, db::ConnectError> {
    db::connect(url.expose_secret(), "reconciler", db::Limits::default())
}

fn take(connection: &mut PgConnection, lock: Lock) -> diesel::QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Taken {
        #[diesel(sql_type = Bool)]
        taken: bool,
    }
    sql_query("SELECT pg_try_advisory_lock($1) AS taken")
        .bind::<BigInt, _>(lock.number())
        .get_result::<Taken>(connection)
        .map(|row| row.taken)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(StoreError::Thread)?
}

/// Seconds since 1970 as Postgres wants them; absurd ones become 1970, as in the ledger.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}
