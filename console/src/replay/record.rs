//! The record that is published again: the same bytes under the same key, with the evidence they
//! came with.
//!
//! Pure. Invariants: the value is never touched; the key is the one of the first time, or what
//! everybody computes from the bytes; only `x-source`, `x-action-id` and the record's own
//! timestamp (now) differ. So the row of an event that was already applied stays as it is, and
//! one that is revived can still be authenticated.

use chrono::{DateTime, Utc};
use shared::envelope;
use shared::ids::AccountId;
use shared::kafka::headers::{RecordHeaders, RecordKind, Source};
use shared::routing;

use super::log::LogRecord;
use crate::action::Outgoing;

/// What the database has of an event or observation: the ledger's columns, or a dead letter's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stored {
    /// Id; of a dead letter that has none, empty.
    pub(crate) id: String,
    pub(crate) observation: bool,
    pub(crate) event_type: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) created: Option<DateTime<Utc>>,
    pub(crate) booking_id: Option<String>,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Option<String>,
    pub(crate) verified_by: Option<String>,
    pub(crate) received_at: Option<DateTime<Utc>>,
    /// The record's own key, where it was kept.
    pub(crate) key: Option<String>,
    /// The record's own headers, where they were kept.
    pub(crate) headers: Option<RecordHeaders>,
}

/// The record of one that was read from the log.
pub(crate) fn from_log(action: &str, record: LogRecord) -> Outgoing {
    let key = record
        .key
        .unwrap_or_else(|| key_of(&record.headers, &record.value));
    let received_at = record.headers.received_at.or(Some(record.at));
    let headers = RecordHeaders {
        received_at,
        ..record.headers
    };
    again(action, key, record.value, headers)
}

/// The record of one that only the database still has.
pub(crate) fn from_ledger(action: &str, stored: Stored) -> Outgoing {
    let headers = match stored.headers {
        Some(headers) => RecordHeaders {
            received_at: headers.received_at.or(stored.received_at),
            ..headers
        },
        None => rebuilt(&stored),
    };
    let key = stored
        .key
        .filter(|key| !key.is_empty())
        .unwrap_or_else(|| key_of(&headers, &stored.payload));
    again(action, key, stored.payload, headers)
}

/// Without a timestamp of its own: `--to-datetime` then means what came since.
fn again(action: &str, key: String, value: Vec<u8>, headers: RecordHeaders) -> Outgoing {
    let headers = RecordHeaders {
        source: Source::Replay,
        action_id: Some(action.to_owned()),
        ..headers
    };
    Outgoing {
        key,
        value,
        headers: headers.to_kafka(),
    }
}

/// As whoever published it first computed it. Stripe need not name the account in an account's
/// own list: the header then does, and the key carries it all the same.
fn key_of(headers: &RecordHeaders, value: &[u8]) -> String {
    let account = headers.account.as_deref();
    let account = account.and_then(|id| AccountId::parse(id).ok());
    if headers.record == RecordKind::Observation
        && let Ok(seen) = envelope::decode_observation(value)
    {
        let key = routing::observation_key(account.as_ref(), &seen);
        return key.as_str().to_owned();
    }
    let decoded = envelope::decode(value);
    let key = routing::record_key(value, decoded.as_ref());
    let says = decoded.is_ok_and(|decoded| decoded.envelope.account.is_some());
    match account {
        Some(account) if !says => format!("{account}/{}", key.as_str()),
        Some(_) | None => key.as_str().to_owned(),
    }
}

fn rebuilt(stored: &Stored) -> RecordHeaders {
    let decoded = envelope::decode(&stored.payload);
    let claimed = decoded.as_ref().ok().and_then(routing::booking_id_of);
    RecordHeaders {
        ce_id: stored.id.clone(),
        ce_type: stored
            .event_type
            .as_ref()
            .map(|name| format!("com.stripe.{name}"))
            .unwrap_or_default(),
        ce_source: format!(
            "https://api.stripe.com/{}",
            stored.account.as_deref().unwrap_or_default()
        ),
        ce_time: stored.created,
        ce_subject: claimed
            .map(String::from)
            .or_else(|| stored.booking_id.clone()),
        stripe_signature: stored.signature.clone(),
        verified_by: stored.verified_by.clone(),
        received_at: stored.received_at,
        record: if stored.observation {
            RecordKind::Observation
        } else {
            RecordKind::Event
        },
        observed_at: stored
            .created
            .filter(|_| stored.observation)
            .map(|at| at.timestamp()),
        account: stored.account.clone(),
        ..RecordHeaders::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &[u8] = br#"{ "id":"evt_1","object":"event","type":"charge.refunded","created":7,
        "data":{"object":{"id":"ch_1","object":"charge","metadata":{"booking_id":"B-7"}}}}"#;
    const OBJECT: &[u8] = br#"{"id":"pi_1","object":"payment_intent","status":"succeeded"}"#;

    fn headers(record: &Outgoing) -> RecordHeaders {
        RecordHeaders::from_kafka(&record.headers)
    }

    fn in_log(key: Option<&str>) -> LogRecord {
        LogRecord {
            partition: 3,
            offset: 7,
            key: key.map(ToOwned::to_owned),
            value: EVENT.to_vec(),
            headers: RecordHeaders {
                ce_id: "evt_1".into(),
                traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
                stripe_signature: Some("t=1,v1=00".into()),
                verified_by: Some("main".into()),
                received_at: DateTime::from_timestamp(1_700_000_000, 0),
                source: Source::Webhook,
                ..RecordHeaders::default()
            },
            at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_record_is_published_again_with_its_bytes_key_and_evidence() {
        let record = from_log("act_1", in_log(Some("whatever it was")));
        assert_eq!(record.value, EVENT);
        assert_eq!(record.key, "whatever it was");
        let wanted = RecordHeaders {
            source: Source::Replay,
            action_id: Some("act_1".into()),
            ..in_log(None).headers
        };
        assert_eq!(headers(&record), wanted);
    }

    #[test]
    fn a_record_without_a_key_gets_the_one_that_everybody_computes() {
        assert_eq!(from_log("act_1", in_log(None)).key, "B-7");
    }

    #[test]
    fn a_ledger_row_makes_the_record_it_was_made_of() {
        let stored = Stored {
            id: "evt_1".into(),
            event_type: Some("charge.refunded".into()),
            created: DateTime::from_timestamp(7, 0),
            payload: EVENT.to_vec(),
            signature: Some("t=1,v1=00".into()),
            verified_by: Some("main".into()),
            received_at: DateTime::from_timestamp(9, 0),
            ..Stored::default()
        };
        let record = from_ledger("act_1", stored);
        let told = headers(&record);
        assert_eq!(
            (record.key.as_str(), record.value.as_slice()),
            ("B-7", EVENT)
        );
        assert_eq!(told.ce_type, "com.stripe.charge.refunded");
        assert_eq!(told.ce_subject.as_deref(), Some("B-7"));
        assert_eq!(told.stripe_signature.as_deref(), Some("t=1,v1=00"));
        assert_eq!(told.received_at, DateTime::from_timestamp(9, 0));
        assert_eq!(told.record, RecordKind::Event);
        assert_eq!(told.observed_at, None);
    }

    #[test]
    fn an_observation_keeps_its_second_and_its_account() {
        let stored = Stored {
            id: "obs_1".into(),
            observation: true,
            event_type: Some("observation.payment_intent".into()),
            account: Some("acct_9".into()),
            created: DateTime::from_timestamp(42, 0),
            payload: OBJECT.to_vec(),
            ..Stored::default()
        };
        let record = from_ledger("act_1", stored);
        let told = headers(&record);
        assert_eq!(record.key, "acct_9/payment_intent:pi_1");
        assert_eq!(
            (told.observed_at, told.record),
            (Some(42), RecordKind::Observation)
        );
        assert_eq!(told.account.as_deref(), Some("acct_9"));
    }

    #[test]
    fn an_account_that_only_the_ledger_knows_is_in_the_key() {
        let stored = Stored {
            id: "evt_1".into(),
            account: Some("acct_9".into()),
            payload: EVENT.to_vec(),
            ..Stored::default()
        };
        assert_eq!(from_ledger("act_1", stored).key, "acct_9/B-7");
    }

    #[test]
    fn a_dead_letter_keeps_the_key_and_headers_that_were_kept_with_it() {
        let stored = Stored {
            payload: b"not json".to_vec(),
            key: Some("sha256:00".into()),
            headers: Some(in_log(None).headers),
            received_at: DateTime::from_timestamp(5, 0),
            ..Stored::default()
        };
        let record = from_ledger("act_1", stored);
        assert_eq!(record.key, "sha256:00");
        assert_eq!(headers(&record).verified_by.as_deref(), Some("main"));
        assert_eq!(
            headers(&record).received_at,
            DateTime::from_timestamp(1_700_000_000, 0)
        );
    }
}
