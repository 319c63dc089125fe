//! Stripe's official Python and Node clients, unmodified, installed once below `target/`.
//!
//! A machine without Python's `venv`, without npm or without a package index fails the tests that
//! need them with a message; they are never skipped.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Pinned: a new release is taken on purpose.
const PYTHON: &str = "stripe==16.1.0";
/// As above.
const NODE: &str = "stripe@22.6.2";

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

/// The folder below which Node finds the client.
///
/// # Panics
/// When it can't be installed.
#[must_use]
pub fn official_node() -> PathBuf {
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = below_target("stripe-node");
    let installed = folder.join(format!("{NODE}.installed"));
    if !installed.exists() {
        if let Err(error) = std::fs::create_dir_all(&folder) {
            panic!("{}: {error}", folder.display());
        }
        let options = ["--silent", "--no-audit", "--no-fund", "--no-save"];
        run_tool(
            Command::new("npm")
                .arg("install")
                .args(options)
                .arg("--prefix")
                .arg(&folder)
                .arg(NODE),
            "the official Node client could not be installed (Debian: apt-get install npm)",
        );
        if let Err(error) = std::fs::write(&installed, "") {
            panic!("{}: {error}", installed.display());
        }
    }
    folder
        .canonicalize()
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
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
