//! `testbed up` and `testbed down`: the whole of Bookend, left running for a person to try.
//!
//! Invariant: `up` returns 0 only when every service says it is ready; when it fails, nothing
//! of it is left running.

mod env_file;
mod plan;

use std::fs;
use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

use crate::stack::leftovers::{clear, is_running, kill_named};
use crate::stack::{StackError, home};

pub use env_file::{read, value};

/// Starts the whole system and leaves it running; addresses in .bookend/env.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct UpArgs {
    /// Kafka nodes to start; with three, topics have three replicas and min.insync.replicas 2.
    #[arg(long, default_value_t = 1, value_parser = crate::exec::brokers)]
    pub brokers: usize,
}

impl UpArgs {
    /// Starts Kafka, Postgres, the fake Stripe and the three services; writes `.bookend/env`.
    ///
    /// # Errors
    /// When something can't be started, or is not ready in time.
    pub async fn run(self) -> anyhow::Result<u8> {
        if is_running(&services_dir()) && home().join("env").exists() {
            println!("already up: see .bookend/env (make down stops it)");
            return Ok(0);
        }
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let code = tokio::select! {
            started = tokio::task::spawn_blocking(move || start(self.brokers)) => {
                if let Err(error) = started? {
                    stop(false)?;
                    return Err(error.into());
                }
                return Ok(0);
            }
            _ = interrupt.recv() => 130,
            _ = terminate.recv() => 143,
        };
        stop(true)?;
        // The thread that starts things must not go on.
        std::process::exit(code)
    }
}

/// Stops what `up` started; fine when nothing runs.
///
/// # Errors
/// When files can't be removed.
pub fn down() -> anyhow::Result<u8> {
    stop(true)?;
    println!("down");
    Ok(0)
}

fn start(brokers: usize) -> Result<(), StackError> {
    stop(true)?;
    for dir in [services_dir(), servers_dir()] {
        fs::create_dir_all(&dir).map_err(crate::stack::error::file("create", &dir))?;
    }
    let env = plan::start(&servers_dir(), &services_dir(), brokers)?;
    let path = home().join("env");
    env_file::write(&path, &env)?;
    println!("up: addresses in {}", path.display());
    Ok(())
}

/// The services first, so that they can finish what they hold.
fn stop(remove: bool) -> Result<(), StackError> {
    kill_named(&services_dir());
    kill_named(&servers_dir());
    if remove {
        clear(&services_dir())?;
        clear(&servers_dir())?;
    }
    match fs::remove_file(home().join("env")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(
            crate::stack::error::file("remove", home().join("env"))(error),
        ),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn services_dir() -> PathBuf {
    home().join("up").join("services")
}

fn servers_dir() -> PathBuf {
    home().join("up").join("servers")
}
