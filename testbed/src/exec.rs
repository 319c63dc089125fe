//! `testbed exec`: a command with a real Kafka and a real Postgres around it.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use crate::stack::leftovers::{clear, name_process};
use crate::stack::{Kafka, Postgres, RunDir};

/// Starts what KAFKA_BROKERS and DATABASE_URL do not name, runs a command with both set, stops.
#[derive(Clone, Debug, clap::Args)]
pub struct ExecArgs {
    /// Kafka nodes to start; with three, topics have three replicas and min.insync.replicas 2.
    #[arg(long, default_value_t = 1, value_parser = brokers)]
    pub brokers: usize,
    /// The command and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<OsString>,
}

/// One, or the three that a cluster needs to lose one.
///
/// # Errors
/// For clap, on any other number.
pub(crate) fn brokers(text: &str) -> Result<usize, String> {
    match text {
        "1" => Ok(1),
        "3" => Ok(3),
        _ => Err("1 or 3".to_owned()),
    }
}

struct Servers {
    kafka: Option<Kafka>,
    postgres: Option<Postgres>,
    // Last: the directory goes after those who live in it.
    _dir: RunDir,
}

impl ExecArgs {
    /// Runs the command; returns its exit code (128 + n when signal n ended it or us).
    ///
    /// # Errors
    /// When a server or the command can't be started.
    pub async fn run(self) -> anyhow::Result<u8> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let dir = RunDir::create("exec")?;
        let path = dir.path().to_path_buf();
        let starting = tokio::task::spawn_blocking(move || start(dir, self.brokers));
        let servers = tokio::select! {
            servers = starting => servers??,
            _ = interrupt.recv() => abandon(&path, 130),
            _ = terminate.recv() => abandon(&path, 143),
        };
        let (program, args) = self.command.split_first().context("no command")?;
        let mut command = Command::new(program);
        command.args(args);
        if let Some(kafka) = &servers.kafka {
            command.env("KAFKA_BROKERS", kafka.brokers());
        }
        if let Some(postgres) = &servers.postgres {
            command.env("DATABASE_URL", postgres.url("postgres"));
        }
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        // For who cleans up after us, should we be killed.
        name_process(&path, "command", child.id(), program)?;
        let code = tokio::select! {
            status = child.wait() => code_of(status?),
            _ = interrupt.recv() => end(&mut child, Signal::SIGINT).await,
            _ = terminate.recv() => end(&mut child, Signal::SIGTERM).await,
        };
        tokio::task::spawn_blocking(move || drop(servers)).await?;
        Ok(code)
    }
}

/// Stops what has been started so far; the thread that starts things must not go on.
fn abandon(dir: &Path, code: i32) -> ! {
    if let Err(error) = clear(dir) {
        eprintln!("testbed: {error}");
    }
    std::process::exit(code)
}

fn start(dir: RunDir, brokers: usize) -> anyhow::Result<Servers> {
    let kafka = match env::var_os("KAFKA_BROKERS") {
        Some(_) => None,
        None => Some(Kafka::start(dir.path(), brokers)?),
    };
    let postgres = match env::var_os("DATABASE_URL") {
        Some(_) => None,
        None => Some(Postgres::start(dir.path())?),
    };
    Ok(Servers {
        kafka,
        postgres,
        _dir: dir,
    })
}

/// Passes the signal on, waits ten seconds, kills.
async fn end(child: &mut tokio::process::Child, signal: Signal) -> u8 {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    if let Some(pid) = pid {
        kill(Pid::from_raw(pid), signal).ok();
    }
    if timeout(Duration::from_secs(10), child.wait())
        .await
        .is_err()
    {
        child.kill().await.ok();
    }
    match signal {
        Signal::SIGINT => 130,
        _ => 143,
    }
}

fn code_of(status: std::process::ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
