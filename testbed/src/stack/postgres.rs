//! PostgreSQL on a loopback port, trusting local connections, fsync on.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use nix::sys::signal::Signal;

use super::error::StackError;
use super::postgres_home::Drop as User;
use super::process::{Process, tail};
use super::{install, ports};

const READY_WITHIN: Duration = Duration::from_secs(60);

/// How to stop Postgres.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Rolls back what runs, writes a checkpoint (SIGINT).
    Fast,
    /// Drops everything; the next start recovers (SIGQUIT).
    Immediate,
}

/// A copy of a server's data.
#[derive(Debug)]
pub struct Backup(PathBuf);

/// A running server. Stopped at once when dropped, and its data removed.
#[derive(Debug)]
pub struct Postgres {
    dir: PathBuf,
    bin: PathBuf,
    data: PathBuf,
    user: User,
    port: u16,
    process: Option<Process>,
    left: bool,
}

impl Postgres {
    /// Makes a new cluster of databases in `dir` and starts it; the superuser is `postgres`.
    ///
    /// # Errors
    /// When Postgres can't be had, or does not answer within a minute.
    pub fn start(dir: &Path) -> Result<Self, StackError> {
        let bin = install::postgres_bin()?;
        let user = User::choose()?;
        let data = user.data(dir)?;
        let mut postgres = Self {
            dir: dir.to_path_buf(),
            bin,
            data,
            user,
            port: ports::free_port()?,
            process: None,
            left: false,
        };
        install::run(
            postgres
                .user
                .command(&postgres.bin.join("initdb"))
                .args(["-U", "postgres", "-A", "trust", "-E", "UTF8"])
                .args(["--locale=C", "--no-instructions", "-D"])
                .arg(&postgres.data)
                .current_dir("/"),
        )?;
        postgres.start_again()?;
        Ok(postgres)
    }

    /// The superuser's URL of a database.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let port = self.port;
        format!("postgres://postgres@127.0.0.1:{port}/{database}")
    }

    /// The server's process id; 0 while it is stopped.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.process.as_ref().map_or(0, Process::pid)
    }

    /// Starts the server on the port and data it had; returns when it answers.
    ///
    /// # Errors
    /// When it does not answer within a minute.
    pub fn start_again(&mut self) -> Result<(), StackError> {
        self.process = None;
        let mut command = self.user.command(&self.bin.join("postgres"));
        command.arg("-D").arg(&self.data).current_dir("/");
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=300",
            "shared_buffers=128MB",
            "max_wal_size=2GB",
        ] {
            command.args(["-c", setting]);
        }
        command.arg("-p").arg(self.port.to_string());
        let marker = self.data.to_string_lossy().into_owned();
        let process = Process::spawn(&self.dir, "postgres", &marker, &command)?;
        self.process = Some(process);
        self.wait_ready()
    }

    /// Copies the running server's data, consistently, as a nightly backup does.
    ///
    /// # Errors
    /// When `pg_basebackup` is not there or fails.
    pub fn back_up(&self) -> Result<Backup, StackError> {
        let copy = self.data.with_extension("backup");
        std::fs::remove_dir_all(&copy).ok();
        install::run(
            self.user
                .command(&self.bin.join("pg_basebackup"))
                .args(["-h", "127.0.0.1", "-U", "postgres", "-p"])
                .arg(self.port.to_string())
                .args(["-X", "stream", "-c", "fast", "-D"])
                .arg(&copy)
                .current_dir("/"),
        )?;
        Ok(Backup(copy))
    }

    /// Puts a backup in the place of the data, as after the loss of a disk, and starts on it.
    ///
    /// # Errors
    /// When the files can't be moved, or the server does not answer within a minute.
    pub fn restore(&mut self, backup: Backup) -> Result<(), StackError> {
        self.stop(Mode::Immediate)?;
        let moved = |error: std::io::Error| StackError::Postgres {
            what: "restore".to_owned(),
            why: error.to_string(),
        };
        std::fs::remove_dir_all(&self.data).map_err(moved)?;
        std::fs::rename(&backup.0, &self.data).map_err(moved)?;
        self.start_again()
    }

    /// Kills the server (SIGKILL): its children find out by themselves.
    ///
    /// # Errors
    /// When it can't be signalled.
    pub fn kill(&mut self) -> Result<(), StackError> {
        if let Some(mut process) = self.process.take() {
            process.end(Signal::SIGKILL, Duration::from_secs(5))?;
        }
        Ok(())
    }

    /// Stops the server.
    ///
    /// # Errors
    /// When it can't be signalled.
    pub fn stop(&mut self, mode: Mode) -> Result<(), StackError> {
        let signal = match mode {
            Mode::Fast => Signal::SIGINT,
            Mode::Immediate => Signal::SIGQUIT,
        };
        if let Some(mut process) = self.process.take() {
            process.end(signal, Duration::from_secs(30))?;
        }
        Ok(())
    }

    /// Freezes the postmaster: nobody new gets in, sessions that are open go on.
    ///
    /// # Errors
    /// When it can't be signalled.
    pub fn pause(&mut self) -> Result<(), StackError> {
        self.signal(Signal::SIGSTOP)
    }

    /// Ends [`Postgres::pause`].
    ///
    /// # Errors
    /// When it can't be signalled.
    pub fn resume(&mut self) -> Result<(), StackError> {
        self.signal(Signal::SIGCONT)
    }

    /// Leaves the server running after us.
    pub fn leave(mut self) {
        self.left = true;
        if let Some(process) = &mut self.process {
            process.leave();
        }
    }

    fn signal(&mut self, signal: Signal) -> Result<(), StackError> {
        match &mut self.process {
            Some(process) => process.signal(signal),
            None => Ok(()),
        }
    }

    fn wait_ready(&mut self) -> Result<(), StackError> {
        let deadline = Instant::now() + READY_WITHIN;
        let url = self.url("postgres");
        while execute(&url, "SELECT 1").is_err() {
            let running = self.process.as_mut().is_some_and(Process::is_running);
            if !running || Instant::now() >= deadline {
                let log = self.dir.join("postgres.log");
                return Err(StackError::NotReady {
                    what: "Postgres".to_owned(),
                    seconds: READY_WITHIN.as_secs(),
                    tail: tail(&log),
                    log,
                });
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        self.resume().ok();
        if let Err(error) = self.stop(Mode::Immediate) {
            eprintln!("testbed: {error}");
        }
        if let Some(home) = self.data.parent() {
            std::fs::remove_dir_all(home).ok();
        }
    }
}

/// Runs statements on one short connection.
///
/// # Errors
/// When the server can't be reached or refuses; the text names the reason.
pub fn execute(url: &str, sql: &str) -> Result<(), StackError> {
    let refused = |what: &str, why: String| StackError::Postgres {
        what: what.to_owned(),
        why,
    };
    let mut connection =
        PgConnection::establish(url).map_err(|error| refused("connect", error.to_string()))?;
    connection
        .batch_execute(sql)
        .map_err(|error| refused(sql, error.to_string()))
}
