//! Records of the reconciler's own: what Stripe listed and we lack, and what Stripe answered when
//! asked for one object.
//!
//! Invariants: the value is Stripe's exact bytes; the key is the same as if the ingestor had
//! published it; only what the log acknowledged counts as published; repairs never exceed their
//! budget, so that live traffic is not drowned.
//!
//! Deliberately absent: any record of which the reconciler is not the source.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use shared::clock::{Clock, SystemClock};
use shared::envelope::{self, Malformed};
use shared::ids::AccountId;
use shared::kafka::headers::{RecordHeaders, RecordKind, Source};
use shared::kafka::producer::{Ack, AppendError, EventLog, NewRecord};
use shared::routing;
use shared::telemetry;
use tokio::sync::Mutex;

use crate::pace::Pace;
use crate::store::sweeps::Repair;
use crate::stripe::ListedEvent;

/// Records on their way at once.
const IN_FLIGHT: usize = 64;

/// Publishes to the topic of events, within its budget.
pub struct Publisher<L> {
    log: Arc<L>,
    topic: String,
    budget: Mutex<Pace>,
}

impl<L: EventLog> Publisher<L> {
    /// `per_second`: repairs a second, all sweeps together.
    pub fn new(log: Arc<L>, topic: String, per_second: u32) -> Self {
        Self {
            log,
            topic,
            budget: Mutex::new(Pace::new(per_second, per_second.div_ceil(4))),
        }
    }

    /// The topic of events.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Publishes listed events, each for its finding. Returns where those lie that were
    /// acknowledged, and why the first of the others was not (which may lie there all the same).
    pub async fn events(
        &self,
        account: Option<&AccountId>,
        events: Vec<(i64, &ListedEvent)>,
    ) -> (Vec<Repair>, Option<String>) {
        let outcomes: Vec<Result<Repair, AppendError>> = futures_util::stream::iter(events)
            .map(|(finding, event)| async move {
                let record = event_record(&self.topic, account, &event.raw, SystemClock.now());
                let ack = self.publish(record).await?;
                Ok(self.repair(finding, ack))
            })
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        let (mut repairs, mut refused) = (Vec::new(), None);
        for outcome in outcomes {
            match outcome {
                Ok(repair) => repairs.push(repair),
                Err(error) => refused = refused.or_else(|| Some(shared::error::chain(&error))),
            }
        }
        (repairs, refused)
    }

    /// Publishes one record within the budget and waits for its acknowledgement.
    ///
    /// # Errors
    /// [`AppendError`]: it may lie in the log or not.
    pub async fn publish(&self, record: NewRecord) -> Result<Ack, AppendError> {
        let wait = self.budget.lock().await.reserve(Instant::now());
        if wait > Duration::ZERO {
            tokio::time::sleep(wait).await;
        }
        self.log.append(record).await
    }

    /// Where the repair of a finding lies.
    pub fn repair(&self, finding: i64, ack: Ack) -> Repair {
        Repair {
            finding,
            topic: self.topic.clone(),
            partition: ack.partition(),
            offset: ack.offset(),
        }
    }
}

/// The record of an event as listed for `account`. Bytes that can't be read make a record too: the
/// processor alone decides what becomes of them.
pub fn event_record(
    topic: &str,
    account: Option<&AccountId>,
    raw: &[u8],
    received_at: DateTime<Utc>,
) -> NewRecord {
    let decoded = envelope::decode(raw);
    let key = routing::record_key(raw, decoded.as_ref());
    let envelope = decoded.as_ref().ok().map(|decoded| &decoded.envelope);
    let said = envelope.and_then(|envelope| envelope.account.as_ref());
    // Stripe need not name the account in an account's own list: the sweep knows whose it read.
    let key = match (account, said) {
        (Some(account), None) => format!("{account}/{}", key.as_str()),
        (Some(_) | None, _) => key.as_str().to_owned(),
    };
    let account = said.or(account);
    let headers = RecordHeaders {
        ce_id: envelope.map(|it| it.id.to_string()).unwrap_or_default(),
        ce_type: envelope
            .map(|it| format!("com.stripe.{}", it.event_type))
            .unwrap_or_default(),
        ce_time: envelope.and_then(|it| DateTime::from_timestamp(it.created, 0)),
        ce_subject: decoded
            .as_ref()
            .ok()
            .and_then(routing::booking_id_of)
            .map(|booking| booking.to_string()),
        record: RecordKind::Event,
        source: Source::Reconciler,
        ..common(account, received_at)
    };
    NewRecord::new(topic, &key, raw.to_vec(), &headers)
}

/// An observation and its id.
#[derive(Debug, Clone)]
pub struct Observation {
    pub id: String,
    pub record: NewRecord,
}

/// The record of an object as retrieved for `account` in the second `observed_at` of Stripe's
/// clock. Its id is a function of account, object, second and bytes, so that the same observation
/// is the same ledger row however often it is published.
///
/// # Errors
/// [`Malformed`]: the answer is no object of Stripe's.
pub fn observation(
    topic: &str,
    account: Option<&AccountId>,
    body: Vec<u8>,
    observed_at: i64,
    source: Source,
    received_at: DateTime<Utc>,
) -> Result<Observation, Malformed> {
    let seen = envelope::decode_observation(&body)?;
    let id = observation_id(account, seen.object.id.as_str(), observed_at, &body);
    let key = routing::observation_key(account, &seen).as_str().to_owned();
    let headers = RecordHeaders {
        ce_id: id.clone(),
        ce_type: format!("com.stripe.observation.{}", seen.object.kind),
        ce_time: DateTime::from_timestamp(observed_at, 0),
        record: RecordKind::Observation,
        source,
        observed_at: Some(observed_at),
        ..common(account, received_at)
    };
    let record = NewRecord::new(topic, &key, body, &headers);
    Ok(Observation { id, record })
}

/// `obs_` and the first 32 hex digits of SHA-256 over account, object id, second and bytes, the
/// first three each ended by a line feed.
fn observation_id(
    account: Option<&AccountId>,
    object: &str,
    observed_at: i64,
    body: &[u8],
) -> String {
    let mut hash = Sha256::new();
    for part in [
        account.map_or("", AccountId::as_str),
        object,
        &observed_at.to_string(),
    ] {
        hash.update(part.as_bytes());
        hash.update(b"\n");
    }
    hash.update(body);
    let hex: String = hex::encode(hash.finalize()).chars().take(32).collect();
    format!("obs_{hex}")
}

/// What all our records say.
fn common(account: Option<&AccountId>, received_at: DateTime<Utc>) -> RecordHeaders {
    RecordHeaders {
        ce_source: format!(
            "https://api.stripe.com/{}",
            account.map_or("", AccountId::as_str)
        ),
        traceparent: telemetry::current_traceparent(),
        received_at: Some(received_at),
        account: account.map(ToString::to_string),
        ..RecordHeaders::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::disallowed_methods,
        reason = "tests fail by panicking; the time is of no matter to them"
    )]
    use super::*;
    use rdkafka::message::Headers;

    const EVENT: &str = r#"{ "id":"evt_1","object":"event","type":"payment_intent.succeeded","created":1700000000,
        "livemode":false,"data":{"object":{"id":"pi_1","object":"payment_intent","metadata":{"booking_id":"B-7"}}}}"#;

    fn header(record: &NewRecord, name: &str) -> Option<String> {
        let found = record.headers.iter().find(|header| header.key == name)?;
        Some(String::from_utf8(found.value?.to_vec()).unwrap())
    }

    fn account() -> AccountId {
        AccountId::parse("acct_9").unwrap()
    }

    #[test]
    fn listed_event_is_published_byte_for_byte_under_its_bookings_key() {
        let record = event_record("events", None, EVENT.as_bytes(), Utc::now());
        assert_eq!(record.value, EVENT.as_bytes());
        assert_eq!(record.key, "B-7");
        assert_eq!(header(&record, "ce_id").unwrap(), "evt_1");
        assert_eq!(
            header(&record, "ce_type").unwrap(),
            "com.stripe.payment_intent.succeeded"
        );
        assert_eq!(header(&record, "x-source").unwrap(), "reconciler");
        assert_eq!(header(&record, "x-record").unwrap(), "event");
        assert_eq!(header(&record, "stripe-signature"), None);
        assert_eq!(header(&record, "x-account"), None);
    }

    #[test]
    fn account_whose_list_it_was_goes_into_key_and_header() {
        let record = event_record("events", Some(&account()), EVENT.as_bytes(), Utc::now());
        assert_eq!(record.key, "acct_9/B-7");
        assert_eq!(header(&record, "x-account").unwrap(), "acct_9");
    }

    #[test]
    fn account_that_the_event_names_is_not_prefixed_twice() {
        let named = EVENT.replacen('{', "{\"account\":\"acct_9\",", 1);
        let record = event_record("events", Some(&account()), named.as_bytes(), Utc::now());
        assert_eq!(record.key, "acct_9/B-7");
    }

    #[test]
    fn bytes_that_can_not_be_read_make_a_record_with_a_key() {
        let record = event_record("events", None, b"{\"id\":", Utc::now());
        assert!(record.key.starts_with("sha256:"), "{}", record.key);
        assert_eq!(record.value, b"{\"id\":");
    }

    #[test]
    fn observation_is_dated_by_stripe_and_named_by_its_content() {
        let body = br#"{"id":"pi_1","object":"payment_intent","status":"succeeded"}"#.to_vec();
        let made = |at, body: &[u8]| {
            observation(
                "events",
                None,
                body.to_vec(),
                at,
                Source::Refetch,
                Utc::now(),
            )
            .unwrap()
        };
        let first = made(7, &body);
        assert_eq!(first.record.value, body);
        assert_eq!(header(&first.record, "x-observed-at").unwrap(), "7");
        assert_eq!(header(&first.record, "x-source").unwrap(), "refetch");
        assert_eq!(
            header(&first.record, "ce_type").unwrap(),
            "com.stripe.observation.payment_intent"
        );
        assert_eq!(header(&first.record, "ce_id").unwrap(), first.id);
        assert!(first.id.starts_with("obs_") && first.id.len() == 36);
        assert_eq!(first.id, made(7, &body).id);
        assert_ne!(first.id, made(8, &body).id);
    }

    #[test]
    fn answer_that_is_no_object_makes_no_observation() {
        for body in [
            "{}",
            "[]",
            "{\"id\":1}",
            "{\"object\":\"list\",\"data\":[]}",
        ] {
            let made = observation("events", None, body.into(), 7, Source::Refetch, Utc::now());
            assert!(made.is_err(), "{body}");
        }
    }
}
