//! From a verified body to the record that is appended.
//!
//! Pure. Invariant: the value is the body's exact bytes, and the headers carry the evidence:
//! signature, which secret verified it, time of receipt. A body that is signed but cannot be
//! read is appended all the same, under the hash of its bytes: the processor makes a dead
//! letter of it.

use chrono::{DateTime, Utc};
use rdkafka::message::OwnedHeaders;
use shared::envelope::{self, Envelope, Malformed};
use shared::ids::{AccountId, BookingId};
use shared::kafka::headers::{RecordHeadersOf, RecordKind, Source};
use shared::kafka::producer::{Held, NewRecord};
use shared::routing::{self, Route};
use shared::signature::Verified;

/// A record ready to be appended, and what is known of it.
#[derive(Debug)]
pub struct Prepared {
    /// The record.
    pub record: NewRecord,
    /// What could be read; else why not, as a stable label.
    pub event: Result<Envelope, &'static str>,
    /// Its trace.
    pub traceparent: String,
}

/// What the listener knows of a delivery beside its bytes.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// When the last byte was here.
    pub received_at: DateTime<Utc>,
    /// W3C trace context.
    pub traceparent: String,
    /// The memory that it is charged to.
    pub held: Option<Held>,
}

/// Builds the record.
///
/// What is not verified cannot become one:
///
/// ```
/// # use ingestor::record::{Delivery, prepare};
/// # use shared::signature::Verified;
/// fn publish(body: Verified<Vec<u8>>, delivery: Delivery) {
///     prepare("stripe.events", body, delivery);
/// }
/// ```
///
/// ```compile_fail
/// # use ingestor::record::{Delivery, prepare};
/// # use shared::signature::Verified;
/// fn publish(body: Vec<u8>, delivery: Delivery) {
///     prepare("stripe.events", body, delivery);
/// }
/// ```
#[must_use]
pub fn prepare(topic: &str, verified: Verified<Vec<u8>>, delivery: Delivery) -> Prepared {
    let decoded = envelope::decode(verified.body());
    let route = routing::route(verified.body(), decoded.as_ref());
    let event = match decoded {
        Ok(decoded) => Ok(decoded.envelope),
        Err(malformed) => Err(Malformed::kind(&malformed)),
    };
    let evidence = RecordHeadersOf {
        stripe_signature: Some(verified.signature()),
        verified_by: Some(&**verified.verified_by()),
        received_at: Some(delivery.received_at),
        traceparent: Some(&*delivery.traceparent),
        record: RecordKind::Event,
        source: Source::Webhook,
        ..RecordHeadersOf::default()
    };
    let headers = described(evidence, event.as_ref().ok(), &route);
    let record = NewRecord {
        topic: topic.to_owned(),
        key: route.key.into(),
        value: verified.into_body(),
        headers,
        timestamp_ms: Some(delivery.received_at.timestamp_millis()),
        held: delivery.held,
    };
    Prepared {
        record,
        event,
        traceparent: delivery.traceparent,
    }
}

fn described(
    evidence: RecordHeadersOf<&str>,
    event: Option<&Envelope>,
    route: &Route,
) -> OwnedHeaders {
    const API: &str = "https://api.stripe.com/";
    let Some(event) = event else {
        let unreadable = RecordHeadersOf {
            ce_id: route.key.as_str(),
            ce_type: "com.stripe.unreadable",
            ce_source: API,
            ..evidence
        };
        return unreadable.to_kafka();
    };
    let account = event.account.as_ref().map(AccountId::as_str);
    let source = account.map(|account| [API, account].concat());
    let described = RecordHeadersOf {
        ce_id: event.id.as_str(),
        ce_type: &["com.stripe.", &event.event_type].concat(),
        ce_source: source.as_deref().unwrap_or(API),
        ce_time: DateTime::from_timestamp(event.created, 0).filter(|_| event.created > 0),
        ce_subject: route.booking.as_ref().map(BookingId::as_str),
        account,
        ..evidence
    };
    described.to_kafka()
}
