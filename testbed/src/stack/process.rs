//! One process of ours: started in its own session, with a log and a pid file.
//!
//! Invariant: a process is signalled only while it is our child, or while its command line
//! still holds the marker that was written beside its pid.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::error::{StackError, file};
use super::leftovers::name_process;

/// A running (or ended) child.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: Pid,
    child: Option<Child>,
    pid_file: PathBuf,
    log: PathBuf,
}

impl Process {
    /// Starts `command` in a session of its own; output is appended to `dir/name.log`, and
    /// `dir/name.pid` names the process and `marker`, a part of its command line.
    ///
    /// # Errors
    /// When a file can't be written or the program can't be run.
    pub fn spawn(
        dir: &Path,
        name: &str,
        marker: &str,
        command: &Command,
    ) -> Result<Self, StackError> {
        fs::create_dir_all(dir).map_err(file("create", dir))?;
        let log = dir.join(format!("{name}.log"));
        let out = open_log(&log)?;
        let err = out.try_clone().map_err(file("write", &log))?;
        // setsid(1) becomes the program it starts, so the pid stays.
        let mut detached = Command::new("setsid");
        detached.arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => detached.env(key, value),
                None => detached.env_remove(key),
            };
        }
        if let Some(cwd) = command.get_current_dir() {
            detached.current_dir(cwd);
        }
        let child = detached
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|cause| StackError::Spawn {
                program: command.get_program().to_string_lossy().into_owned(),
                cause,
            })?;
        let raw = i32::try_from(child.id()).unwrap_or(i32::MAX);
        let pid_file = dir.join(format!("{name}.pid"));
        name_process(dir, name, Some(child.id()), marker.as_ref())?;
        Ok(Self {
            name: name.to_owned(),
            pid: Pid::from_raw(raw),
            child: Some(child),
            pid_file,
            log,
        })
    }

    /// The process's id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// Where its output goes.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Whether it still runs (a paused process does).
    pub fn is_running(&mut self) -> bool {
        match &mut self.child {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => false,
        }
    }

    /// Sends a signal; none when the process has ended already.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn signal(&mut self, signal: Signal) -> Result<(), StackError> {
        if !self.is_running() {
            return Ok(());
        }
        match kill(self.pid, signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(cause) => Err(StackError::Signal {
                what: self.name.clone(),
                pid: self.pid(),
                cause,
            }),
        }
    }

    /// Sends `signal`, waits up to `patience`, then kills. Returns the exit code, if it had one.
    ///
    /// # Errors
    /// When a signal can't be sent.
    pub fn end(&mut self, signal: Signal, patience: Duration) -> Result<Option<i32>, StackError> {
        self.signal(signal)?;
        let deadline = Instant::now() + patience;
        while self.is_running() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
        self.signal(Signal::SIGKILL)?;
        let code = match self.child.take() {
            Some(mut child) => child.wait().ok().and_then(|status| status.code()),
            None => None,
        };
        if let Err(error) = fs::remove_file(&self.pid_file)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(file("remove", &self.pid_file)(error));
        }
        Ok(code)
    }

    /// Leaves the process running after us; its pid file tells later runs about it.
    pub fn leave(&mut self) {
        self.child = None;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.is_some()
            && let Err(error) = self.end(Signal::SIGKILL, Duration::ZERO)
        {
            eprintln!("testbed: {error}");
        }
    }
}

fn open_log(path: &Path) -> Result<File, StackError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(file("open", path))
}

/// The last lines of a log, for an error message.
#[must_use]
pub fn tail(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().rev().take(8).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
