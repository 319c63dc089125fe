//! The webhook: bytes → verify → key → append → 200.
//!
//! Invariants: 2xx means durable; the value is the evidence; unknown means not done. No
//! database, no API, nothing but the MAC before the signature holds.

use std::sync::Arc;
use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONNECTION, RETRY_AFTER};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use shared::clock::Clock;
use shared::kafka::producer::EventLog;
use shared::signature::verify;
use tokio::sync::Semaphore;
use tracing::Instrument;

use crate::body::{self, BodyLimits};
use crate::metrics::Metrics;
use crate::outcome::{Outcome, RETRY_AFTER_S};
use crate::record::prepare;
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
    /// Requests whose body may be in memory at once.
    pub in_flight: Arc<Semaphore>,
    /// Counters.
    pub metrics: Metrics,
}

/// `POST /webhooks/stripe`.
pub async fn receive<L: EventLog>(
    parts: Data<Parts<L>>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    // A root of its own: the sender is a stranger, its trace context is not trusted.
    let span = tracing::info_span!(parent: None, "POST /webhooks/stripe");
    let started = Instant::now();
    let outcome = handle(&parts, &request, payload).instrument(span).await;
    parts.metrics.answered(&outcome, started.elapsed());
    answer(&outcome)
}

async fn handle<L: EventLog>(parts: &Parts<L>, request: &HttpRequest, payload: Payload) -> Outcome {
    let Ok(_permit) = parts.in_flight.try_acquire() else {
        return Outcome::Overloaded;
    };
    let body = match body::read(request, payload, parts.limits).await {
        Ok(body) => body,
        Err(outcome) => return outcome,
    };
    let received_at = parts.clock.now();
    let headers: Vec<&[u8]> = request
        .headers()
        .get_all("stripe-signature")
        .map(|value| value.as_bytes())
        .collect();
    let verified = match verify(
        &parts.secrets.get(),
        &headers,
        body,
        received_at.timestamp(),
    ) {
        Ok(verified) => verified,
        Err(refusal) => {
            tracing::warn!(outcome = refusal.label(), reason = %refusal, "request refused");
            return Outcome::Refused(refusal);
        }
    };
    let secrets = &parts.secrets;
    secrets.seen(verified.verified_by(), received_at.timestamp());
    let traceparent = shared::telemetry::current_traceparent();
    let trace_id = traceparent
        .as_deref()
        .and_then(shared::telemetry::trace_id_of);
    let prepared = prepare(&parts.topic, verified, received_at, traceparent);
    let (event_id, malformed) = (prepared.event_id, prepared.malformed);
    match parts.log.append(prepared.record).await {
        Ok(ack) => {
            tracing::debug!(
                trace_id,
                "event.id" = event_id,
                malformed,
                "kafka.partition" = ack.partition(),
                "kafka.offset" = ack.offset(),
                "event stored"
            );
            if let Some(malformed) = malformed {
                tracing::warn!(
                    trace_id,
                    malformed,
                    "signed but unreadable; it will be a dead letter"
                );
            }
            Outcome::Accepted(ack)
        }
        Err(error) => {
            let reason = shared::error::chain(&error);
            tracing::warn!(
                trace_id,
                "event.id" = event_id,
                error = reason,
                "event not stored"
            );
            Outcome::NotStored(error)
        }
    }
}

fn answer(outcome: &Outcome) -> HttpResponse {
    let status = StatusCode::from_u16(outcome.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut response = HttpResponse::build(status);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.insert_header((RETRY_AFTER, RETRY_AFTER_S.to_string()));
    }
    match outcome {
        // What is left of such a body is not read, and the framework times no later head of a
        // connection: only who signs keeps one.
        Outcome::TooLarge
        | Outcome::TooSlow
        | Outcome::Broken
        | Outcome::Overloaded
        | Outcome::Refused(_) => {
            response.insert_header((CONNECTION, "close"));
            response.force_close();
        }
        Outcome::Accepted(_) | Outcome::NotStored(_) => {}
    }
    if status == StatusCode::OK {
        return response.finish();
    }
    response.content_type("text/plain").body(outcome.body())
}
