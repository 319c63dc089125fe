//! One structured line a request: what a person or a detector needs to tell a sale from an
//! attack, and nothing of what was in it.
//!
//! Invariants: no body, no signature, no address beyond its network; texts are of closed sets,
//! but those of verified events (type, version, id), which carry no control characters. A flood
//! makes a bounded number of lines.

mod features;
mod sample;
mod stripe_ips;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_http::header::HeaderName;
use actix_http::{HttpMessage, Request};
use shared::envelope::Envelope;
use shared::kafka::producer::Ack;
use shared::telemetry::trace_id_of;

use crate::outcome::Outcome;
pub use sample::Rates;
pub use stripe_ips::{STRIPE_WEBHOOK_IPS, parse as parse_ips};

/// What was seen of a request while it was handled.
#[derive(Debug, Default)]
pub struct Seen {
    /// From the head's first byte to its end.
    pub head: Option<Duration>,
    /// From the head's end to the body's.
    pub body: Option<Duration>,
    /// Size of the body, bytes.
    pub bytes: Option<usize>,
    /// The second of receipt, since 1970.
    pub at: i64,
    /// When it says that it was signed, if the MAC was good.
    pub signed_at: Option<i64>,
    /// Name of the secret that made the MAC.
    pub secret: Option<Arc<str>>,
    /// The event, if it was signed and could be read; else why not.
    pub event: Option<Result<Envelope, &'static str>>,
    /// Its trace.
    pub traceparent: Option<String>,
}

/// Where a request says that it comes from.
#[derive(Debug, Clone)]
pub struct Origins {
    /// The header in which a trusted proxy names the client; none: the connection's other end.
    pub header: Option<HeaderName>,
    /// Stripe's own addresses.
    pub stripe: Vec<IpAddr>,
}

/// Writes the lines.
#[derive(Debug)]
pub struct Lines {
    sample: sample::Sample,
    origins: Origins,
}

impl Lines {
    /// At these rates.
    #[must_use]
    pub const fn new(rates: Rates, origins: Origins) -> Self {
        Self {
            sample: sample::Sample::new(rates),
            origins,
        }
    }

    /// Tells of a request that has ended, if it is its turn.
    pub fn tell(&self, request: &Request, seen: &Seen, outcome: &Outcome) {
        match outcome {
            Outcome::Accepted(_) => {
                // Signed and unreadable is as rare as it is worth knowing.
                if matches!(seen.event, Some(Err(_))) {
                    if let Some(left_out) = self.sample.bad(seen.at) {
                        self.write(request, seen, outcome, left_out);
                    }
                } else if self.sample.good() {
                    self.write(request, seen, outcome, 0);
                }
            }
            Outcome::Refused(_)
            | Outcome::TooLarge
            | Outcome::TooSlow
            | Outcome::Broken
            | Outcome::NoRoom
            | Outcome::Overloaded
            | Outcome::NotStored(_) => {
                if let Some(left_out) = self.sample.bad(seen.at) {
                    self.write(request, seen, outcome, left_out);
                }
            }
        }
    }

    fn write(&self, request: &Request, seen: &Seen, outcome: &Outcome, left_out: u64) {
        let headers = request.headers();
        let address = self.address(request);
        let event = seen.event.as_ref().and_then(|event| event.as_ref().ok());
        let malformed = seen.event.as_ref().and_then(|event| event.as_ref().err());
        tracing::info!(
            target: "bookend::request",
            outcome = outcome.label(),
            status = outcome.status(),
            peer_net = address.map(features::network),
            stripe_ip = address.map(|address| self.origins.stripe.contains(&address.to_canonical())),
            headers = features::header_set(headers),
            agent = features::agent(headers),
            content_type = features::content_type(headers),
            size = seen.bytes.map(features::size_bucket),
            head_ms = seen.head.map(features::milliseconds),
            body_ms = seen.body.map(features::milliseconds),
            skew_s = seen.signed_at.map(|signed_at| seen.at.saturating_sub(signed_at)),
            secret = seen.secret.as_deref(),
            "event.id" = event.map(|event| event.id.as_str()),
            "event.type" = event.map(|event| event.event_type.as_str()),
            created = event.map(|event| event.created),
            api_version = event.and_then(|event| event.api_version.as_deref()),
            livemode = event.and_then(|event| event.livemode),
            malformed,
            trace_id = seen.traceparent.as_deref().and_then(trace_id_of),
            partition = outcome.ack().map(Ack::partition),
            offset = outcome.ack().map(Ack::offset),
            reason = outcome.reason(),
            left_out,
            "request"
        );
    }

    fn address(&self, request: &Request) -> Option<IpAddr> {
        let peer = || Some(request.peer_addr()?.ip());
        match &self.origins.header {
            None => peer(),
            // A proxy that appends puts what it saw itself last.
            Some(name) => {
                let named = request.headers().get_all(name).last()?.to_str().ok()?;
                named.rsplit(',').next()?.trim().parse().ok()
            }
        }
    }
}
