//! One record, read: an event or an observation to be folded, or a dead letter.
//!
//! Pure. Invariant: any bytes come out as one or the other; nothing is skipped, and a panic in
//! here is poison, not an outage.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sha2::{Digest, Sha256};
use shared::commands::{Command, NotACommand};
use shared::envelope::{self, Malformed, Shape};
use shared::error::Class;
use shared::folding;
use shared::kafka::headers::RecordKind;

use crate::consumer::Record;
use crate::item::{CommandItem, Dead, Item, Readable, RowKind, Stage};

/// What is ours to fold.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Events of the other mode are stored as ignored.
    pub livemode: bool,
    /// Connected accounts that are folded; none: all are.
    pub accounts: Option<Vec<String>>,
}

impl Scope {
    fn covers(&self, livemode: Option<bool>, account: &str) -> bool {
        let mode = livemode.is_none_or(|mode| mode == self.livemode);
        let known = account.is_empty()
            || self
                .accounts
                .as_ref()
                .is_none_or(|list| list.iter().any(|one| one == account));
        mode && known
    }
}

/// Reads one record.
#[must_use]
pub fn decode(record: Record, scope: &Scope) -> Item {
    let sha256: [u8; 32] = Sha256::digest(&record.value).into();
    let read = catch_unwind(AssertUnwindSafe(|| match record.headers.record {
        RecordKind::Event => event(&record, scope, sha256),
        RecordKind::Observation => observation(&record, scope, sha256),
        RecordKind::Command => command(&record),
    }));
    match read {
        Ok(Ok(Read::Item(item))) => Item::Readable(Box::new(Readable { record, ..*item })),
        Ok(Ok(Read::Command(command))) => Item::Command(Box::new(CommandItem {
            record,
            command,
            failed: None,
            buried: None,
        })),
        Ok(Err(unreadable)) => dead(record, sha256, unreadable.kind(), &unreadable),
        Err(_panic) => dead(record, sha256, "panic", &Unreadable::Panicked),
    }
}

enum Read {
    Item(Box<Readable>),
    Command(Command),
}

fn command(record: &Record) -> Result<Read, Unreadable> {
    Command::parse(&record.value)
        .map(Read::Command)
        .map_err(Unreadable::Command)
}

#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error("the body is no event")]
    Event(#[source] Malformed),
    #[error("the value is no Stripe object")]
    Observation(#[source] Malformed),
    #[error("an observation needs the headers ce_id and x-observed-at")]
    ObservationHeaders,
    #[error("the record says command")]
    Command(#[source] NotACommand),
    #[error("reading it panicked")]
    Panicked,
}

impl Unreadable {
    fn kind(&self) -> &'static str {
        match self {
            Self::Event(cause) | Self::Observation(cause) => cause.kind(),
            Self::ObservationHeaders => "observation_headers",
            Self::Command(_) => "command",
            Self::Panicked => "panic",
        }
    }
}

fn event(record: &Record, scope: &Scope, sha256: [u8; 32]) -> Result<Read, Unreadable> {
    let decoded = envelope::decode(&record.value).map_err(Unreadable::Event)?;
    let envelope = &decoded.envelope;
    // A listed event of a connected account may not say whose it is: the list did.
    let account = envelope
        .account
        .as_ref()
        .map(ToString::to_string)
        .or_else(|| record.headers.account.clone())
        .unwrap_or_default();
    let reading = folding::read_event(&decoded);
    // What it is about may be another object than the one it shows.
    let about = reading.object.as_ref().map(|(object, _)| object.clone());
    Ok(Read::Item(Box::new(Readable {
        record: placeholder(),
        kind: RowKind::Event,
        id: envelope.id.as_str().to_owned(),
        created: envelope.created,
        livemode: envelope.livemode,
        event_type: envelope.event_type.clone(),
        api_version: envelope.api_version.clone(),
        object: about.or_else(|| envelope.object.clone()),
        thin: matches!(envelope.shape, Shape::Thin),
        snapshot_event: envelope.snapshot_event.as_ref().map(ToString::to_string),
        sha256,
        ignored: envelope.is_unattributable || !scope.covers(envelope.livemode, &account),
        account,
        reading,
    })))
}

fn observation(record: &Record, scope: &Scope, sha256: [u8; 32]) -> Result<Read, Unreadable> {
    let observed = envelope::decode_observation(&record.value).map_err(Unreadable::Observation)?;
    let (Some(at), false) = (record.headers.observed_at, record.headers.ce_id.is_empty()) else {
        return Err(Unreadable::ObservationHeaders);
    };
    let account = record.headers.account.clone().unwrap_or_default();
    let id = record.headers.ce_id.clone();
    Ok(Read::Item(Box::new(Readable {
        record: placeholder(),
        kind: RowKind::Observation,
        created: at,
        livemode: observed.livemode,
        event_type: format!("observation.{}", observed.object.kind),
        api_version: None,
        thin: false,
        snapshot_event: None,
        sha256,
        ignored: !scope.covers(observed.livemode, &account),
        account,
        reading: folding::read_observation(&observed, &id, at),
        object: Some(observed.object),
        id,
    })))
}

/// Stands in until the record itself, which the reading borrows from, can be moved in.
pub(crate) fn placeholder() -> Record {
    Record {
        topic: String::new(),
        partition: 0,
        offset: 0,
        key: String::new(),
        value: Vec::new(),
        headers: shared::kafka::headers::RecordHeaders::default(),
        raw_headers: rdkafka::message::OwnedHeaders::new(),
        timestamp_ms: None,
        arrived: std::time::Instant::now(),
    }
}

fn dead(record: Record, sha256: [u8; 32], kind: &'static str, error: &Unreadable) -> Item {
    let envelope::Salvaged {
        id,
        created,
        event_type,
    } = match record.headers.record {
        RecordKind::Event => envelope::salvage(&record.value),
        RecordKind::Observation | RecordKind::Command => envelope::Salvaged::default(),
    };
    Item::Dead(Box::new(Dead {
        id,
        created,
        sha256,
        stage: Stage::Decode,
        class: Class::Poison,
        kind,
        error: shared::error::chain(error),
        event_type,
        booking: None,
        attempts: 1,
        first_failed_at: None,
        admitted: false,
        buried: false,
        record,
    }))
}
