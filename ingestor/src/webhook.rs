//! The webhook: bytes → verify → key → append → 200.
//!
//! Invariants: 2xx means durable; the value is the evidence; unknown means not done. No
//! database, no API, nothing but the MAC before the signature holds.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix_http::body::BoxBody;
use actix_http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use actix_http::{HttpMessage, Payload, Request, Response, StatusCode};
use shared::clock::Clock;
use shared::kafka::producer::EventLog;
use shared::signature::{Verified, verify};
use shared::telemetry::fresh_traceparent;

use crate::admission::Admission;
use crate::body::{self, BodyLimits};
use crate::budget::{Budget, Charge};
use crate::connection::Progress;
use crate::line::{Lines, Seen};
use crate::metrics::Metrics;
use crate::outcome::{Outcome, RETRY_AFTER_S};
use crate::record::{Delivery, prepare};
use crate::secrets::CurrentSecrets;

/// What a request needs.
pub struct Parts<L> {
    /// Where events are appended.
    pub log: Arc<L>,
    /// Topic of the events.
    pub topic: String,
    /// Secrets that may sign, as they are now.
    pub secrets: Arc<CurrentSecrets>,
    /// Wall clock.
    pub clock: Arc<dyn Clock>,
    /// Bounds of a body.
    pub limits: BodyLimits,
    /// Memory for bodies and records.
    pub budget: Budget,
    /// Places for events that wait for Kafka.
    pub admission: Arc<Admission>,
    /// What is told of each request.
    pub lines: Lines,
    /// Counters.
    pub metrics: Metrics,
}

/// `POST /webhooks/stripe`.
pub async fn receive<L: EventLog>(
    parts: &Parts<L>,
    request: &Request,
    payload: Payload,
) -> Response<BoxBody> {
    let started = Instant::now();
    let progress = request.conn_data::<Rc<Progress>>();
    if progress.is_some_and(|progress| progress.is_closing()) {
        // It came behind the connection's last: it is not read, and the sender sends it again.
        return answer(&Outcome::Broken);
    }
    // Until the answer is made, the connection is not cut for dawdling.
    let serving = progress.map(Progress::serve);
    let mut seen = Seen {
        head: serving.as_ref().and_then(|serving| serving.head),
        ..Seen::default()
    };
    let outcome = match handle(parts, request, payload, (&mut seen, started)).await {
        Ok(outcome) | Err(outcome) => outcome,
    };
    parts.metrics.answered(&outcome, started.elapsed());
    parts.lines.tell(request, &seen, &outcome);
    if let Some(progress) = progress.filter(|_| outcome.closes()) {
        progress.close();
    }
    answer(&outcome)
}

/// How it ended at Kafka, or before.
async fn handle<L: EventLog>(
    parts: &Parts<L>,
    request: &Request,
    payload: Payload,
    (seen, started): (&mut Seen, Instant),
) -> Result<Outcome, Outcome> {
    let read = body::read(request, payload, parts.limits, &parts.budget).await;
    let now = parts.clock.now();
    seen.at = now.timestamp();
    seen.body = Some(started.elapsed());
    let (body, charge) = read?;
    seen.bytes = Some(body.len());
    let verified = check(parts, request, body, seen.at)?;
    seen.signed_at = Some(verified.signed_at());
    seen.secret = Some(Arc::clone(verified.verified_by()));
    let delivery = Delivery {
        received_at: now,
        traceparent: fresh_traceparent(),
        held: Some(Charge::into_held(charge)),
    };
    let prepared = prepare(&parts.topic, verified, delivery);
    seen.event = Some(prepared.event);
    seen.traceparent = Some(prepared.traceparent);
    let appended = parts
        .admission
        .with_place(parts.log.append(prepared.record));
    match appended.await {
        None => Err(Outcome::Overloaded),
        Some(Ok(ack)) => Ok(Outcome::Accepted(ack)),
        Some(Err(error)) => Err(Outcome::NotStored(error)),
    }
}

fn check<L>(
    parts: &Parts<L>,
    request: &Request,
    body: Vec<u8>,
    now: i64,
) -> Result<Verified<Vec<u8>>, Outcome> {
    let mut headers = request.headers().get_all("stripe-signature");
    let mut next = || headers.next().map(|value| value.as_bytes());
    let (first, second) = (next(), next());
    let headers: &[&[u8]] = match (&first, &second) {
        (Some(one), Some(another)) => &[one, another],
        (Some(one), None) => &[one],
        (None, _) => &[],
    };
    let in_force = parts.secrets.get();
    let verified = verify(in_force.secrets(), headers, body, now).map_err(Outcome::Refused)?;
    in_force.seen(verified.verified_by(), now);
    Ok(verified)
}

fn answer(outcome: &Outcome) -> Response<BoxBody> {
    let status = StatusCode::from_u16(outcome.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut response = Response::build(status);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.insert_header((RETRY_AFTER, RETRY_AFTER_S.to_string()));
    }
    if outcome.closes() {
        response.insert_header((CONNECTION, "close"));
        response.force_close();
    }
    if status == StatusCode::OK {
        return response.finish().map_into_boxed_body();
    }
    response.insert_header((CONTENT_TYPE, "text/plain"));
    response.body(outcome.body()).map_into_boxed_body()
}
