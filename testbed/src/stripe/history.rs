//! The history file: append-only JSON lines of what the fake did and what it was told.
//!
//! Invariant: a delivery's `invoke` line is flushed before its first byte is sent, and its end
//! (`ok`, `fail`, `info`) after the answer, so a reader never sees an effect without its cause.
//! `info` means unknown: no answer, or one that was thrown away. A line is told once its newline is
//! there: who reads while deliveries go on may find the last one in part, and leaves it.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;

use super::lock;

/// How an operation stands, in the words of Jepsen histories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    Invoke,
    Ok,
    Fail,
    Info,
}

/// One line, without its number.
#[derive(Debug, Serialize)]
pub(crate) struct Line<'a> {
    /// `deliver`, `lost`, `list`, `retrieve`, `roll`, `raw`.
    pub(crate) op: &'a str,
    #[serde(rename = "type")]
    pub(crate) phase: Phase,
    pub(crate) event: Option<&'a str>,
    /// Counted per event over all its copies, from 1; pairs an end with its invoke.
    pub(crate) attempt: Option<u32>,
    pub(crate) sha256: Option<&'a str>,
    pub(crate) sig: Option<&'a str>,
    pub(crate) status: Option<u16>,
    pub(crate) ms: Option<u64>,
    /// Reads only: the path with its query, and the ids that were returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ids: Option<&'a [String]>,
}

impl<'a> Line<'a> {
    pub(crate) fn new(op: &'a str, phase: Phase) -> Self {
        Self {
            op,
            phase,
            event: None,
            attempt: None,
            sha256: None,
            sig: None,
            status: None,
            ms: None,
            path: None,
            ids: None,
        }
    }
}

#[derive(Serialize)]
struct Numbered<'a> {
    n: u64,
    ts: String,
    #[serde(flatten)]
    line: &'a Line<'a>,
}

/// Writes nowhere if no file was asked for.
#[derive(Debug)]
pub(crate) struct History(Option<Mutex<(File, u64)>>);

impl History {
    /// Opens the file for appending.
    ///
    /// # Errors
    /// When it can't be opened.
    pub(crate) fn open(path: Option<&Path>) -> io::Result<Self> {
        let Some(path) = path else {
            return Ok(Self(None));
        };
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Self(Some(Mutex::new((file, 0)))))
    }

    /// Appends one line and flushes it. `now_ms` is the fake's clock.
    pub(crate) fn write(&self, now_ms: i64, line: &Line<'_>) {
        let Some(file) = &self.0 else { return };
        let mut file = lock(file);
        file.1 += 1;
        let numbered = Numbered {
            n: file.1,
            ts: DateTime::from_timestamp_millis(now_ms)
                .unwrap_or_default()
                .to_rfc3339_opts(SecondsFormat::Millis, true),
            line,
        };
        let written = serde_json::to_vec(&numbered)
            .map_err(io::Error::from)
            .and_then(|mut text| {
                text.push(b'\n');
                file.0.write_all(&text)?;
                file.0.flush()
            });
        if let Err(error) = written {
            // A run whose history has a hole proves nothing: say so where it is seen.
            eprintln!("fake stripe: the history could not be written: {error}");
        }
    }
}
