//! Stripe's official Python client, unmodified, installed once below `target/`.
//!
//! A machine without Python's `venv` or without a package index fails the tests that need it with
//! a message; they are never skipped.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Pinned: a new release is taken on purpose.
const PYTHON: &str = "stripe==16.1.0";

/// Two tests may need it at once: one installs it, the other waits.
static INSTALLING: Mutex<()> = Mutex::new(());

/// A folder below `target/`.
#[must_use]
pub fn below_target(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../target")
        .join(name)
}

/// A Python that has the client.
///
/// # Panics
/// When it can't be installed.
#[must_use]
pub fn official_python() -> PathBuf {
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = below_target("stripe-python");
    let python = folder.join("bin/python");
    let installed = folder.join(format!("{PYTHON}.installed"));
    if !installed.exists() {
        run_tool(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&folder),
            "python3 with its venv module is needed (Debian: apt-get install python3-venv)",
        );
        run_tool(
            Command::new(&python).args(["-m", "pip", "install", "--quiet", PYTHON]),
            "the official Python client could not be installed",
        );
        if let Err(error) = std::fs::write(&installed, "") {
            panic!("{}: {error}", installed.display());
        }
    }
    python
}

/// Runs a tool to its end and returns what it printed.
///
/// # Panics
/// With `hint` and its output when it can't be run or fails.
pub fn run_tool(command: &mut Command, hint: &str) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{hint}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{hint}\n{text}\n{errors}");
    text
}
