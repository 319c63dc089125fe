//! The three services as processes: the real binaries, on free ports, with a log each.
//!
//! Invariant: settings of our own environment never leak into a service: what is not given
//! here has its default. Not here: what the settings mean.

use std::env;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::stack::install::run;
use crate::stack::leftovers::checkout;
use crate::stack::process::{Process, tail};
use crate::stack::{StackError, ports};

/// What to start, and with which settings.
#[derive(Clone, Debug)]
pub struct ServiceBuilder {
    name: String,
    args: Vec<OsString>,
    env: Vec<(String, String)>,
}

/// A running service. Killed when dropped.
#[derive(Debug)]
pub struct Service {
    builder: ServiceBuilder,
    dir: PathBuf,
    port: u16,
    ops_port: u16,
    process: Process,
}

impl ServiceBuilder {
    /// `ingestor`, `processor` or `reconciler`, in a development deployment and test mode.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let builder = Self {
            name: name.to_owned(),
            args: Vec::new(),
            env: Vec::new(),
        };
        builder
            .env("DEPLOYMENT", "development")
            .env("STRIPE_LIVEMODE", "false")
            .env("LOG_FORMAT", "json")
    }

    /// One environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// One argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Starts it; its log is `dir/<name>-<ops port>.log`.
    ///
    /// # Errors
    /// When there is no port, or the binary can't be run (it has to be built).
    pub fn spawn(self, dir: &Path) -> Result<Service, StackError> {
        let (port, ops_port) = (ports::free_port()?, ports::free_port()?);
        let process = self.launch(dir, port, ops_port)?;
        Ok(Service {
            builder: self,
            dir: dir.to_path_buf(),
            port,
            ops_port,
            process,
        })
    }

    /// Runs it to its end with one argument (`migrate`, `check-config`).
    ///
    /// # Errors
    /// When the binary can't be run, or ends badly; with its output.
    pub fn run_once(self, command: &str) -> Result<String, StackError> {
        let (_, mut process) = self.arg(command).command(0, 0);
        run(&mut process)
    }

    fn launch(&self, dir: &Path, port: u16, ops_port: u16) -> Result<Process, StackError> {
        let (binary, command) = self.command(port, ops_port);
        let name = format!("{}-{ops_port}", self.name);
        Process::spawn(dir, &name, &binary.to_string_lossy(), &command)
    }

    fn command(&self, port: u16, ops_port: u16) -> (PathBuf, Command) {
        let binary = binary(&self.name);
        let mut command = Command::new(&binary);
        command.args(&self.args);
        for (name, _) in env::vars_os() {
            if !["PATH", "HOME", "TMPDIR", "LANG"]
                .iter()
                .any(|kept| name == *kept)
            {
                command.env_remove(name);
            }
        }
        command
            .env("LISTEN_ADDR", format!("127.0.0.1:{port}"))
            .env("OPS_ADDR", format!("127.0.0.1:{ops_port}"))
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir("/");
        (binary, command)
    }
}

impl Service {
    /// Starts `name` with `env`; more by [`ServiceBuilder`].
    ///
    /// # Errors
    /// As [`ServiceBuilder::spawn`].
    pub fn spawn(dir: &Path, name: &str, env: &[(&str, &str)]) -> Result<Self, StackError> {
        let builder = ServiceBuilder::new(name);
        let builder = env
            .iter()
            .fold(builder, |builder, (k, v)| builder.env(k, *v));
        builder.spawn(dir)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// `http://…` of the public listener (the ingestor's).
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// `http://…` of `/livez`, `/readyz`, `/metrics`.
    #[must_use]
    pub fn ops_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ops_port)
    }

    /// Where its output goes.
    #[must_use]
    pub fn log(&self) -> &Path {
        self.process.log()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Kills it (SIGKILL) and waits for its end.
    ///
    /// # Errors
    /// When it can't be signalled.
    pub fn kill9(&mut self) -> Result<(), StackError> {
        self.process
            .end(Signal::SIGKILL, Duration::from_secs(5))
            .map(drop)
    }

    /// Asks it to end (SIGTERM), waits 30 s, kills; the exit code, none if a signal ended it.
    ///
    /// # Errors
    /// When it can't be signalled.
    pub fn terminate(&mut self) -> Result<Option<i32>, StackError> {
        self.process.end(Signal::SIGTERM, Duration::from_secs(30))
    }

    /// Freezes it.
    ///
    /// # Errors
    /// When it can't be signalled.
    pub fn pause(&mut self) -> Result<(), StackError> {
        self.process.signal(Signal::SIGSTOP)
    }

    /// Ends [`Service::pause`].
    ///
    /// # Errors
    /// When it can't be signalled.
    pub fn resume(&mut self) -> Result<(), StackError> {
        self.process.signal(Signal::SIGCONT)
    }

    /// Starts it again, on the ports it had; kills it first if it runs.
    ///
    /// # Errors
    /// When it can't be signalled or run.
    pub fn start_again(&mut self) -> Result<(), StackError> {
        self.kill9()?;
        self.process = self.builder.launch(&self.dir, self.port, self.ops_port)?;
        Ok(())
    }

    /// Waits until `/readyz` answers 200.
    ///
    /// # Errors
    /// When it does not in time, or the process has ended; with the end of its log.
    pub fn wait_ready(&mut self, patience: Duration) -> Result<(), StackError> {
        let deadline = Instant::now() + patience;
        loop {
            let answer = self.get("/readyz");
            if answer.as_ref().is_some_and(|(status, _)| *status == 200) {
                return Ok(());
            }
            let ended = !self.is_running();
            if ended || Instant::now() >= deadline {
                let ended = if ended { ", which has ended," } else { "" };
                let last = answer.map(|(status, body)| format!(" (/readyz: {status} {body})"));
                return Err(StackError::NotReady {
                    what: format!("{}{ended}{}", self.builder.name, last.unwrap_or_default()),
                    seconds: patience.as_secs(),
                    log: self.log().to_path_buf(),
                    tail: tail(self.log()),
                });
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// What the operations listener answers: status and body; none when nobody does.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        get(self.ops_port, path)
    }

    /// Leaves it running after us.
    pub fn leave(mut self) {
        self.process.leave();
    }
}

/// Where cargo puts a binary of this workspace.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| checkout().join("target"), PathBuf::from);
    target.join("release").join(name)
}

/// One GET on loopback, without a runtime.
fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let patience = Duration::from_secs(2);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, patience).ok()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split_whitespace().nth(1)?.parse().ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some((status, body.trim().to_owned()))
}
