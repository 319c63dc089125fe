//! A record's headers, typed: CloudEvents 1.0 in Kafka's binary mode, W3C trace context, and
//! where the bytes came from.
//!
//! Invariant: writing and reading agree, and any bytes whatever read as something sane.
//! Sources: CloudEvents Kafka protocol binding 1.0; W3C Trace Context.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use rdkafka::message::{Header, Headers, OwnedHeaders};

/// What a record's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RecordKind {
    /// An event's exact bytes.
    #[default]
    Event,
    /// A Stripe object as retrieved.
    Observation,
    /// An operator's wish.
    Command,
}

impl RecordKind {
    /// As in `x-record`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Observation => "observation",
            Self::Command => "command",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Event, Self::Observation, Self::Command]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// Who published a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Source {
    /// The ingestor, from a signed request.
    #[default]
    Webhook,
    /// The reconciler, a missing event.
    Reconciler,
    /// The reconciler, an object that the processor asked for.
    Refetch,
    /// A replay.
    Replay,
    /// An operator.
    Operator,
}

impl Source {
    /// As in `x-source` and `events.source`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Reconciler => "reconciler",
            Self::Refetch => "refetch",
            Self::Replay => "replay",
            Self::Operator => "operator",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [
            Self::Webhook,
            Self::Reconciler,
            Self::Refetch,
            Self::Replay,
            Self::Operator,
        ]
        .into_iter()
        .find(|source| source.as_str() == text)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// All headers of a record of `stripe.events`; `S`: their texts, owned or borrowed. Absent ones are
/// not written, empty ones neither.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordHeadersOf<S> {
    /// Event id, or the observation's.
    pub ce_id: S,
    /// `com.stripe.` and the event type.
    pub ce_type: S,
    /// `https://api.stripe.com/` and the connected account, if any.
    pub ce_source: S,
    /// Stripe's `created`.
    pub ce_time: Option<DateTime<Utc>>,
    /// The booking id, if the payload tells it.
    pub ce_subject: Option<S>,
    /// W3C trace context.
    pub traceparent: Option<S>,
    /// W3C trace state.
    pub tracestate: Option<S>,
    /// The `Stripe-Signature` header.
    pub stripe_signature: Option<S>,
    /// Name of the secret that verified it.
    pub verified_by: Option<S>,
    /// When the publisher had the bytes; microseconds.
    pub received_at: Option<DateTime<Utc>>,
    /// What the value is.
    pub record: RecordKind,
    /// Who published it.
    pub source: Source,
    /// Observations: the second of the retrieval by Stripe's clock, since 1970.
    pub observed_at: Option<i64>,
    /// Connected account whose list or object it is.
    pub account: Option<S>,
    /// Replays: the operator's action that published it.
    pub action_id: Option<S>,
}

/// All headers of a record of `stripe.events`, as they are read.
pub type RecordHeaders = RecordHeadersOf<String>;

fn text<S: AsRef<str>>(text: &Option<S>) -> Option<&str> {
    text.as_ref().map(AsRef::as_ref)
}

const CONTENT_TYPE: &str = "application/json; charset=utf-8";

impl<S: AsRef<str>> RecordHeadersOf<S> {
    /// As Kafka headers.
    #[must_use]
    pub fn to_kafka(&self) -> OwnedHeaders {
        let time = |at: &DateTime<Utc>, format| at.to_rfc3339_opts(format, true);
        let ce_time = self
            .ce_time
            .as_ref()
            .map(|at| time(at, SecondsFormat::Secs));
        let received_at = self.received_at.as_ref();
        let received_at = received_at.map(|at| time(at, SecondsFormat::Micros));
        let observed_at = self.observed_at.map(|at| at.to_string());
        let fields = [
            ("ce_specversion", Some("1.0")),
            ("ce_id", Some(self.ce_id.as_ref())),
            ("ce_type", Some(self.ce_type.as_ref())),
            ("ce_source", Some(self.ce_source.as_ref())),
            ("ce_time", ce_time.as_deref()),
            ("ce_subject", text(&self.ce_subject)),
            ("content-type", Some(CONTENT_TYPE)),
            ("traceparent", text(&self.traceparent)),
            ("tracestate", text(&self.tracestate)),
            ("stripe-signature", text(&self.stripe_signature)),
            ("x-verified-by", text(&self.verified_by)),
            ("x-received-at", received_at.as_deref()),
            ("x-record", Some(self.record.as_str())),
            ("x-source", Some(self.source.as_str())),
            ("x-observed-at", observed_at.as_deref()),
            ("x-account", text(&self.account)),
            ("x-action-id", text(&self.action_id)),
        ];
        fields
            .into_iter()
            .filter_map(|(key, value)| Some((key, value.filter(|value| !value.is_empty())?)))
            .fold(
                OwnedHeaders::new_with_capacity(fields.len()),
                |headers, (key, value)| {
                    headers.insert(Header {
                        key,
                        value: Some(value.as_bytes()),
                    })
                },
            )
    }
}

impl RecordHeaders {
    /// From Kafka headers. The first of several equal keys counts; what is not UTF-8 or does
    /// not parse is absent; unknown keys are ignored.
    #[must_use]
    pub fn from_kafka(headers: &impl Headers) -> Self {
        let text = |key: &str| {
            headers
                .iter()
                .find(|header| header.key == key)
                .and_then(|header| header.value)
                .and_then(|value| std::str::from_utf8(value).ok())
                .filter(|value| !value.is_empty() && !value.contains('\0'))
                .map(ToOwned::to_owned)
        };
        let time = |key: &str| {
            let parsed = DateTime::parse_from_rfc3339(&text(key)?).ok()?;
            Some(parsed.with_timezone(&Utc))
        };
        Self {
            ce_id: text("ce_id").unwrap_or_default(),
            ce_type: text("ce_type").unwrap_or_default(),
            ce_source: text("ce_source").unwrap_or_default(),
            ce_time: time("ce_time"),
            ce_subject: text("ce_subject"),
            traceparent: text("traceparent"),
            tracestate: text("tracestate"),
            stripe_signature: text("stripe-signature"),
            verified_by: text("x-verified-by"),
            received_at: time("x-received-at"),
            record: text("x-record")
                .and_then(|kind| RecordKind::parse(&kind))
                .unwrap_or_default(),
            source: text("x-source")
                .and_then(|source| Source::parse(&source))
                .unwrap_or_default(),
            observed_at: text("x-observed-at").and_then(|at| at.parse().ok()),
            account: text("x-account"),
            action_id: text("x-action-id"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> RecordHeaders {
        RecordHeaders {
            ce_id: "evt_1".into(),
            ce_type: "com.stripe.payment_intent.succeeded".into(),
            ce_source: "https://api.stripe.com/".into(),
            ce_time: DateTime::from_timestamp(1_700_000_000, 0),
            ce_subject: Some("booking-1".into()),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
            tracestate: None,
            stripe_signature: Some("t=1,v1=00".into()),
            verified_by: Some("main".into()),
            received_at: DateTime::from_timestamp_micros(1_700_000_000_123_456),
            record: RecordKind::Observation,
            source: Source::Refetch,
            observed_at: Some(1_700_000_001),
            account: Some("acct_1".into()),
            action_id: Some("act_1".into()),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(RecordHeaders::from_kafka(&full().to_kafka()), full());
    }

    #[test]
    fn absent_and_empty_headers_are_not_written() {
        let headers = RecordHeaders {
            tracestate: Some(String::new()),
            ..full()
        }
        .to_kafka();
        assert!(headers.iter().all(|header| header.key != "tracestate"));
    }

    #[test]
    fn foreign_bytes_read_as_absent() {
        let foreign = OwnedHeaders::new()
            .insert(Header {
                key: "ce_id",
                value: Some(&[0xff, 0xfe][..]),
            })
            .insert(Header {
                key: "x-record",
                value: Some("nonsense"),
            })
            .insert(Header {
                key: "x-received-at",
                value: Some("yesterday"),
            })
            .insert(Header {
                key: "x-source",
                value: None::<&str>,
            });
        assert_eq!(
            RecordHeaders::from_kafka(&foreign),
            RecordHeaders::default()
        );
    }
}
