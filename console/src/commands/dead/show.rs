//! `bookend dead show`: all that is known of one, or its exact bytes.

use serde::Serialize;

use crate::args::{Global, Letter};
use crate::commands::millisecond;
use crate::database::read;
use crate::failure::Failure;
use crate::ledger::dead::{self, DeadRow};
use crate::ledger::headers::{self, Kept};
use crate::output::{self, Form, columns, fields, or_dash};

#[derive(Serialize)]
struct Shown {
    dead_letter: DeadRow,
    headers: Vec<Kept>,
}

pub(super) fn run(global: &Global, letter: &Letter, payload: bool) -> Result<(), Failure> {
    let (dead_letter, bytes) = read(global.timeout, "dead_show", |db| {
        let row = dead::find(db, letter)?;
        let bytes = dead::bytes(db, row.id)?;
        Ok((row, bytes))
    })?;
    if payload {
        return output::bytes(&bytes.payload);
    }
    let shown = Shown {
        dead_letter,
        headers: headers::parse(&bytes.headers),
    };
    match global.output {
        Form::Json => output::json(&shown),
        Form::Table => output::text(&describe(shown)),
    }
}

fn describe(shown: Shown) -> String {
    let row = shown.dead_letter;
    let mut text = fields([
        ("dead letter", Some(row.id.to_string())),
        ("event", row.event_id),
        ("type", Some(row.event_type)),
        ("status", Some(row.status)),
        ("status changed", row.status_changed_at.map(millisecond)),
        ("by action", row.status_action_id),
        ("group", Some(row.fingerprint)),
        ("holds booking", row.booking_id),
        ("stage", Some(row.stage)),
        ("class", Some(row.error_class)),
        ("kind", Some(row.error_kind)),
        ("error", Some(row.error)),
        ("attempts", Some(row.attempts.to_string())),
        ("first failed", Some(millisecond(row.first_failed_at))),
        ("last failed", Some(millisecond(row.last_failed_at))),
        ("processor", Some(row.processor_version)),
        ("key", Some(row.key)),
        (
            "record",
            Some(format!("{}/{}/{}", row.topic, row.partition, row.offset)),
        ),
        ("record's time", row.record_timestamp.map(millisecond)),
        ("payload", Some(format!("{} bytes", row.payload_length))),
        ("sha256", Some(row.payload_sha256)),
        ("trace", row.trace_id),
    ]);
    if !shown.headers.is_empty() {
        text.push('\n');
        text.push_str(&columns(
            ["HEADER", "VALUE"],
            shown
                .headers
                .into_iter()
                .map(|header| [header.name, or_dash(header.value)]),
        ));
    }
    text
}
