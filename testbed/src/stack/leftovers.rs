//! What a killed run left behind: processes named by pid files, and its directory.
//!
//! Invariant: a process is killed only if its command line still holds the marker beside its
//! pid; a directory whose owner lives is not touched.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::error::{StackError, file};

/// Where everything downloaded or written is: `BOOKEND_HOME`, else `.bookend` in this checkout.
#[must_use]
pub fn home() -> PathBuf {
    let elsewhere = std::env::var_os("BOOKEND_HOME").filter(|path| !path.is_empty());
    elsewhere.map_or_else(|| checkout().join(".bookend"), PathBuf::from)
}

/// The checkout that this binary was built from.
#[must_use]
pub fn checkout() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// A directory for one run, removed with it.
#[derive(Debug)]
pub struct RunDir(PathBuf);

impl RunDir {
    /// Cleans up after dead runs, then makes `.bookend/run/<label>-<pid>`.
    ///
    /// # Errors
    /// When the directory can't be made.
    pub fn create(label: &str) -> Result<Self, StackError> {
        let runs = home().join("run");
        fs::create_dir_all(&runs).map_err(file("create", &runs))?;
        sweep(&runs)?;
        let dir = runs.join(format!("{label}-{}", process::id()));
        fs::create_dir_all(&dir).map_err(file("create", &dir))?;
        let owner = dir.join("owner");
        let born = birth(process::id()).unwrap_or_default();
        fs::write(&owner, format!("{}\n{born}\n", process::id())).map_err(file("write", &owner))?;
        Ok(Self(dir))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        if let Err(error) = clear(&self.0) {
            eprintln!("testbed: {error}");
        }
    }
}

/// Kills what the pid files in `dir` name and removes it, with what it points to elsewhere.
///
/// # Errors
/// When the directory can't be removed.
pub fn clear(dir: &Path) -> Result<(), StackError> {
    kill_named(dir);
    if let Ok(elsewhere) = fs::read_to_string(dir.join("postgres.where")) {
        remove(Path::new(elsewhere.trim()))?;
    }
    remove(dir)
}

fn remove(dir: &Path) -> Result<(), StackError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(file("remove", dir)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn sweep(runs: &Path) -> Result<(), StackError> {
    for entry in fs::read_dir(runs).map_err(file("read", runs))?.flatten() {
        let owner = fs::read_to_string(entry.path().join("owner")).unwrap_or_default();
        let mut lines = owner.lines();
        let pid = lines.next().and_then(|line| line.parse().ok());
        let born = lines.next().map(str::to_owned);
        // A directory without an owner is one that another run is about to sign.
        if let Some(pid) = pid
            && birth(pid) != born
        {
            clear(&entry.path())?;
        }
    }
    Ok(())
}

/// Writes the pid file `dir/<name>.pid` of a running process: `marker` is a part of its command
/// line. One that has ended already needs none.
///
/// # Errors
/// When the file can't be written.
pub fn name_process(
    dir: &Path,
    name: &str,
    pid: Option<u32>,
    marker: &OsStr,
) -> Result<(), StackError> {
    let Some(pid) = pid else { return Ok(()) };
    let path = dir.join(format!("{name}.pid"));
    let text = format!("{pid}\n{}\n", marker.to_string_lossy());
    fs::write(&path, text).map_err(file("write", &path))
}

/// Ends every process named by a pid file in `dir`: asks, waits ten seconds, kills.
pub fn kill_named(dir: &Path) {
    let ours = named(dir);
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        for (pid, marker) in &ours {
            // A paused process hears nothing but SIGKILL and SIGCONT.
            if is_ours(*pid, marker) && kill(Pid::from_raw(*pid), signal).is_ok() {
                kill(Pid::from_raw(*pid), Signal::SIGCONT).ok();
            }
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while ours.iter().any(|(pid, marker)| is_ours(*pid, marker)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Whether `dir` names processes, and all of them run.
#[must_use]
pub fn is_running(dir: &Path) -> bool {
    let named = named(dir);
    !named.is_empty() && named.iter().all(|(pid, marker)| is_ours(*pid, marker))
}

/// The pid files of `dir`: pid and marker.
fn named(dir: &Path) -> Vec<(i32, String)> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|ext| ext == "pid"))
        .filter_map(|entry| fs::read_to_string(entry.path()).ok())
        .filter_map(|text| {
            let mut lines = text.lines();
            Some((lines.next()?.parse().ok()?, lines.next()?.to_owned()))
        })
        .filter(|(pid, marker)| *pid > 1 && !marker.is_empty())
        .collect()
}

fn is_ours(pid: i32, marker: &str) -> bool {
    fs::read(format!("/proc/{pid}/cmdline"))
        .map(|bytes| String::from_utf8_lossy(&bytes).contains(marker))
        .unwrap_or(false)
}

/// When a process started, in the kernel's ticks: tells a pid from its later reuse.
fn birth(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after = stat.rsplit_once(')')?.1;
    after.split_whitespace().nth(19).map(str::to_owned)
}
