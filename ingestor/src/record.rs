//! From a verified body to the record that is appended.
//!
//! Pure. Invariant: the value is the body's exact bytes, and the headers carry the evidence:
//! signature, which secret verified it, time of receipt. A body that is signed but cannot be
//! read is appended all the same, under the hash of its bytes: the processor makes a dead
//! letter of it.

use chrono::{DateTime, Utc};
use shared::envelope::{self, Decoded, Malformed};
use shared::kafka::headers::{RecordHeaders, RecordKind, Source};
use shared::kafka::producer::NewRecord;
use shared::routing;
use shared::signature::Verified;

/// A record ready to be appended, and what to call it in logs.
#[derive(Debug)]
pub struct Prepared {
    /// The record.
    pub record: NewRecord,
    /// The event's id, if it could be read.
    pub event_id: Option<String>,
    /// Why it could not be read, as a stable label.
    pub malformed: Option<&'static str>,
}

/// Builds the record. `received_at` is when the last byte was here.
///
/// What is not verified cannot become one:
///
/// ```
/// # use ingestor::record::prepare;
/// # use shared::signature::Verified;
/// fn publish(body: Verified<Vec<u8>>) {
///     prepare("stripe.events", body, chrono::DateTime::default(), None);
/// }
/// ```
///
/// ```compile_fail
/// # use ingestor::record::prepare;
/// # use shared::signature::Verified;
/// fn publish(body: Vec<u8>) {
///     prepare("stripe.events", body, chrono::DateTime::default(), None);
/// }
/// ```
#[must_use]
pub fn prepare(
    topic: &str,
    verified: Verified<Vec<u8>>,
    received_at: DateTime<Utc>,
    traceparent: Option<String>,
) -> Prepared {
    let evidence = RecordHeaders {
        stripe_signature: Some(verified.signature().to_owned()),
        verified_by: Some(verified.verified_by().to_owned()),
        received_at: Some(received_at),
        traceparent,
        record: RecordKind::Event,
        source: Source::Webhook,
        ..RecordHeaders::default()
    };
    let body = verified.into_body();
    let decoded = envelope::decode(&body);
    let key = routing::record_key(&body, decoded.as_ref());
    let headers = described(evidence, decoded.as_ref(), key.as_str());
    let event_id = decoded
        .as_ref()
        .ok()
        .map(|decoded| decoded.envelope.id.to_string());
    let malformed = decoded.as_ref().err().map(Malformed::kind);
    let key = key.as_str().to_owned();
    drop(decoded);
    Prepared {
        record: NewRecord::new(topic, &key, body, &headers),
        event_id,
        malformed,
    }
}

fn described(
    evidence: RecordHeaders,
    decoded: Result<&Decoded<'_>, &Malformed>,
    key: &str,
) -> RecordHeaders {
    const API: &str = "https://api.stripe.com/";
    let Ok(decoded) = decoded else {
        return RecordHeaders {
            ce_id: key.to_owned(),
            ce_type: "com.stripe.unreadable".to_owned(),
            ce_source: API.to_owned(),
            ..evidence
        };
    };
    let event = &decoded.envelope;
    let account = event.account.as_ref().map(ToString::to_string);
    RecordHeaders {
        ce_id: event.id.to_string(),
        ce_type: format!("com.stripe.{}", event.event_type),
        ce_source: format!("{API}{}", account.as_deref().unwrap_or("")),
        ce_time: DateTime::from_timestamp(event.created, 0).filter(|_| event.created > 0),
        ce_subject: routing::booking_id_of(decoded).map(|id| id.to_string()),
        account,
        ..evidence
    }
}
