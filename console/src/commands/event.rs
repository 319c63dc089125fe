//! `bookend event list | show | payload | verify`.

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use shared::ids::EventId;
use shared::signature::{Secrets, verify_stored};

use super::{millisecond, second};
use crate::args::{EventCommand, EventList, Global};
use crate::database::read;
use crate::failure::Failure;
use crate::ledger::event::{self, DeadLetter, EventRow, Evidence, Transition};
use crate::ledger::page::More;
use crate::ledger::parked::{self, QueueRow};
use crate::output::{self, Form, columns, fields, or_dash};
use crate::{history, secrets};

pub(crate) fn run(global: &Global, command: EventCommand) -> Result<(), Failure> {
    match command {
        EventCommand::List(filter) => list(global, &filter),
        EventCommand::Show { id } => show(global, &id),
        EventCommand::Payload { id } => output::bytes(&evidence(global, &id)?.payload),
        EventCommand::Verify { id, secrets_file } => {
            let secrets = secrets::load(secrets_file.as_deref())?;
            verify(global, &id, &secrets)
        }
    }
}

#[derive(Serialize)]
struct Listed {
    events: Vec<EventRow>,
    #[serde(flatten)]
    more: More,
}

fn list(global: &Global, filter: &EventList) -> Result<(), Failure> {
    let page = read(global.timeout, "event_list", |db| event::list(db, filter))?;
    let (events, more) = page.report("no event fits all filters")?;
    match global.output {
        Form::Json => output::json(&Listed { events, more }),
        Form::Table => output::text(&columns(
            [
                "CREATED",
                "EVENT",
                "TYPE",
                "BOOKING",
                "SOURCE",
                "DISPOSITION",
                "APPLIED",
            ],
            events.into_iter().map(|row| {
                [
                    second(row.created),
                    row.id,
                    row.r#type,
                    or_dash(row.booking_id),
                    row.source,
                    row.disposition,
                    or_dash(row.applied_at.map(millisecond)),
                ]
            }),
        )),
    }
}

#[derive(Serialize)]
struct Shown {
    event: EventRow,
    transitions: Vec<Transition>,
    dead_letters: Vec<DeadLetter>,
    /// The queue that it waits in; null: it is not parked.
    parked: Option<QueueRow>,
}

fn show(global: &Global, id: &EventId) -> Result<(), Failure> {
    let shown = read(global.timeout, "event_show", |db| {
        let event = event::find(db, id.as_str())?.ok_or_else(|| unknown(id))?;
        let transitions = event::transitions(db, id.as_str())?;
        let dead_letters = event::dead_letters(db, std::slice::from_ref(&event.id), None)?;
        let parked = parked::queue_of(db, id.as_str())?;
        Ok(Shown {
            event,
            transitions,
            dead_letters,
            parked,
        })
    })?;
    match global.output {
        Form::Json => output::json(&shown),
        Form::Table => output::text(&describe(shown)),
    }
}

fn describe(shown: Shown) -> String {
    let Shown {
        event,
        transitions,
        dead_letters,
        parked,
    } = shown;
    let effect = history::effect(&event, &transitions, &dead_letters);
    let payload = payload_text(&event);
    let mut text = fields([
        ("event", Some(event.id)),
        ("type", Some(event.r#type)),
        ("disposition", Some(event.disposition)),
        ("effect", Some(effect)),
        ("booking", event.booking_id),
        ("object", event.object_id),
        ("account", event.account),
        ("livemode", event.livemode.map(|live| live.to_string())),
        ("api version", event.api_version),
        ("snapshot event", event.snapshot_event),
        ("created", Some(second(event.created))),
        ("received", Some(millisecond(event.received_at))),
        ("applied", event.applied_at.map(millisecond)),
        ("source", Some(event.source)),
        (
            "record",
            Some(format!(
                "{}/{}/{}",
                event.topic, event.partition, event.offset
            )),
        ),
        ("payload", Some(payload)),
        ("sha256", Some(event.payload_sha256)),
        ("verified by", event.verified_by),
        ("trace", event.trace_id),
    ]);
    if let Some(queue) = parked {
        text.push('\n');
        text.push_str(&fields([
            ("parked in", Some(queue.booking_id)),
            ("head", Some(queue.event_id)),
            ("head's error", queue.error),
            ("head's attempts", Some(queue.attempts.to_string())),
            ("next attempt", Some(millisecond(queue.next_attempt_at))),
            ("given up", queue.gave_up_at.map(millisecond)),
            ("waiting", Some(queue.waiting.to_string())),
        ]));
    }
    if !transitions.is_empty() {
        text.push('\n');
        text.push_str(&columns(
            ["BOOKING", "VERSION", "EFFECT", "AT"],
            transitions.into_iter().map(|t| {
                let effect = history::change(&t);
                [
                    t.booking_id,
                    t.version.to_string(),
                    effect,
                    millisecond(t.at),
                ]
            }),
        ));
    }
    text
}

fn payload_text(event: &EventRow) -> String {
    match (
        event.payload_removed_at,
        event.payload_removed_by.as_deref(),
    ) {
        (Some(at), by) => format!("removed {} by {}", second(at), by.unwrap_or("nobody named")),
        (None, _) => format!("{} bytes", event.payload_length),
    }
}

fn evidence(global: &Global, id: &EventId) -> Result<Evidence, Failure> {
    let evidence = read(global.timeout, "event_payload", |db| {
        event::evidence(db, id.as_str())?.ok_or_else(|| unknown(id))
    })?;
    match removed(&evidence) {
        Some(when) => Err(Failure::Precondition {
            what: format!(
                "{id}: the payload {when}; its SHA-256, signature and times are kept, and what \
                 folding reads of it"
            ),
        }),
        None => Ok(evidence),
    }
}

/// Since when, and by what, the payload is gone; `None`: it is there.
fn removed(evidence: &Evidence) -> Option<String> {
    let at = second(evidence.payload_removed_at?);
    let by = evidence.payload_removed_by.as_deref();
    Some(match by {
        Some("retention") | None => format!("outlived PAYLOAD_RETENTION and was removed at {at}"),
        Some(action) => format!("was erased at {at} (action {action})"),
    })
}

fn unknown(id: &EventId) -> Failure {
    Failure::NothingMatched {
        what: format!("the ledger has no event {id}"),
    }
}

#[derive(Serialize)]
struct Verdict<'a> {
    event: &'a str,
    sha256: &'static str,
    signature: &'static str,
    verified_by: String,
    recorded_as_verified_by: Option<String>,
}

fn verify(global: &Global, id: &EventId, secrets: &Secrets) -> Result<(), Failure> {
    let Evidence {
        payload,
        payload_sha256,
        signature,
        verified_by,
        source,
        ..
    } = evidence(global, id)?;
    // The hash needs no secret, so it is judged first: it tells bit rot from a wrong secret.
    if Sha256::digest(&payload).as_slice() != payload_sha256.as_slice() {
        return Err(Failure::NotAuthentic {
            what: format!("{id}: the stored bytes do not match the stored SHA-256"),
        });
    }
    let header = signature.ok_or_else(|| Failure::Precondition {
        what: format!(
            "{id} carries no signature (source: {source}); its bytes match the stored SHA-256, and \
             who wrote it is vouched for by the topic's access rules"
        ),
    })?;
    let by =
        verify_stored(secrets, &header, &payload).map_err(|refusal| Failure::NotAuthentic {
            what: format!("{id}: no secret given verifies the stored signature ({refusal})"),
        })?;
    let verdict = Verdict {
        event: id.as_str(),
        sha256: "match",
        signature: "valid",
        verified_by: by,
        recorded_as_verified_by: verified_by,
    };
    match global.output {
        Form::Json => output::json(&verdict),
        Form::Table => output::text(&fields([
            ("event", Some(verdict.event.to_owned())),
            ("sha256", Some(verdict.sha256.to_owned())),
            ("signature", Some(verdict.signature.to_owned())),
            ("verified by", Some(verdict.verified_by)),
            ("recorded as verified by", verdict.recorded_as_verified_by),
        ])),
    }
}
