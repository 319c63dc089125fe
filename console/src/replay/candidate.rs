//! One record or row that may be replayed, without its bytes; and what the ledger knows of it.
//!
//! Pure. Invariants: the subject is what the processor calls it by when it writes the result (the
//! event's id, else `sha256:` and the hash of the bytes); a command is never a candidate.

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use shared::envelope;
use shared::kafka::headers::{RecordHeaders, RecordKind};
use shared::routing;

/// Type of what could not be read, as in the ledger.
const UNKNOWN: &str = "unknown";
/// Before the hash, in the subject of what has no id.
const HASH_PREFIX: &str = "sha256:";

/// Where the bytes are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Log,
    /// The ledger, or the dead letters for what has no ledger row.
    Ledger,
}

/// What may be replayed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) subject: String,
    pub(crate) event_type: String,
    /// Connected account; none: our own.
    pub(crate) account: Option<String>,
    pub(crate) livemode: Option<bool>,
    /// The booking that its bytes name.
    pub(crate) names_booking: Option<String>,
    pub(crate) received_at: DateTime<Utc>,
    pub(crate) origin: Origin,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// Whether today's code can read it.
    pub(crate) readable: bool,
}

/// What the database knows of a candidate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// The ledger row's; none: there is no row.
    pub(crate) disposition: Option<String>,
    /// Bookings it concerns: as resolved when applied, and its object's of today.
    pub(crate) bookings: Vec<String>,
    /// Groups of its dead letters that nobody has closed for good.
    pub(crate) dead_groups: Vec<String>,
    /// It was given up on, and nobody has decided yet.
    pub(crate) dead_letter: bool,
}

impl Known {
    /// What became of it: the ledger's word, `dead` for what only the dead letters have, `absent`
    /// for what neither has.
    pub(crate) fn disposition(&self) -> &str {
        match &self.disposition {
            Some(disposition) => disposition,
            None if self.dead_letter => "dead",
            None => "absent",
        }
    }
}

/// The subject of bytes without an id.
pub(crate) fn hash_subject(value: &[u8]) -> String {
    format!("{HASH_PREFIX}{}", hex::encode(Sha256::digest(value)))
}

/// The hash in a subject, if it is one; 32 bytes.
pub(crate) fn hash_of(subject: &str) -> Option<Vec<u8>> {
    let bytes = hex::decode(subject.strip_prefix(HASH_PREFIX)?).ok()?;
    (bytes.len() == 32).then_some(bytes)
}

/// What a record of the log may be replayed as; none: it is a command.
pub(crate) fn of_record(
    headers: &RecordHeaders,
    value: &[u8],
    at: DateTime<Utc>,
    place: (i32, i64),
) -> Option<Candidate> {
    let unreadable = |subject: Option<String>| Candidate {
        subject: subject.unwrap_or_else(|| hash_subject(value)),
        event_type: UNKNOWN.to_owned(),
        account: headers.account.clone(),
        livemode: None,
        names_booking: None,
        received_at: headers.received_at.unwrap_or(at),
        origin: Origin::Log,
        partition: place.0,
        offset: place.1,
        readable: false,
    };
    match headers.record {
        RecordKind::Command => None,
        RecordKind::Observation => Some(observation(headers, value, unreadable(None))),
        RecordKind::Event => Some(match envelope::decode(value) {
            Err(_malformed) => unreadable(envelope::salvage(value).id),
            Ok(decoded) => {
                let envelope = &decoded.envelope;
                let said = envelope.account.as_ref().map(ToString::to_string);
                Candidate {
                    event_type: envelope.event_type.clone(),
                    account: said.or_else(|| headers.account.clone()),
                    livemode: envelope.livemode,
                    names_booking: routing::booking_id_of(&decoded).map(String::from),
                    readable: true,
                    ..unreadable(Some(envelope.id.to_string()))
                }
            }
        }),
    }
}

/// An observation is called by its header; without it, or its time, it is a dead letter.
fn observation(headers: &RecordHeaders, value: &[u8], unreadable: Candidate) -> Candidate {
    let named = !headers.ce_id.is_empty() && headers.observed_at.is_some();
    match envelope::decode_observation(value) {
        Ok(seen) if named => Candidate {
            subject: headers.ce_id.clone(),
            event_type: format!("observation.{}", seen.object.kind),
            livemode: seen.livemode,
            names_booking: routing::claimed(&seen.object.kind, &seen.value()).map(String::from),
            readable: true,
            ..unreadable
        },
        Ok(_) | Err(_) => unreadable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(headers: &RecordHeaders, value: &[u8]) -> Option<Candidate> {
        of_record(headers, value, DateTime::UNIX_EPOCH, (3, 7))
    }

    const EVENT: &[u8] = br#"{"id":"evt_1","object":"event","type":"charge.refunded","created":7,
        "livemode":true,"account":"acct_1","data":{"object":{"id":"ch_1","object":"charge",
        "metadata":{"booking_id":"B-7"}}}}"#;

    #[test]
    fn an_event_is_called_by_the_id_in_its_bytes_whatever_its_headers_say() {
        let headers = RecordHeaders {
            ce_id: "evt_other".into(),
            ..RecordHeaders::default()
        };
        let found = record(&headers, EVENT);
        let told = found.map(|one| (one.subject, one.event_type, one.account, one.names_booking));
        let text = |text: &str| text.to_owned();
        assert_eq!(
            told,
            Some((
                text("evt_1"),
                text("charge.refunded"),
                Some(text("acct_1")),
                Some(text("B-7"))
            ))
        );
    }

    #[test]
    fn a_command_is_never_replayed() {
        let headers = RecordHeaders {
            record: RecordKind::Command,
            ..RecordHeaders::default()
        };
        assert_eq!(record(&headers, EVENT), None);
    }

    #[test]
    fn what_cannot_be_read_is_called_by_the_id_it_still_shows_else_by_its_hash() {
        let headers = RecordHeaders::default();
        let half = record(&headers, br#"{"id":"evt_9","created":5}"#);
        assert!(half.is_some_and(|one| one.subject == "evt_9" && !one.readable));
        let none = record(&headers, b"not json").map(|one| one.subject);
        assert_eq!(none, Some(hash_subject(b"not json")));
        assert_eq!(
            none.as_deref().and_then(hash_of),
            Some(Sha256::digest(b"not json").to_vec())
        );
    }

    #[test]
    fn an_observation_without_its_headers_has_no_id() {
        let body = br#"{"id":"pi_1","object":"payment_intent","livemode":false}"#;
        let bare = RecordHeaders {
            record: RecordKind::Observation,
            ce_id: "obs_1".into(),
            ..RecordHeaders::default()
        };
        assert!(record(&bare, body).is_some_and(|one| one.subject.starts_with(HASH_PREFIX)));
        let whole = RecordHeaders {
            observed_at: Some(1),
            ..bare
        };
        assert!(
            record(&whole, body).is_some_and(|one| one.subject == "obs_1"
                && one.event_type == "observation.payment_intent"
                && one.readable)
        );
    }

    #[test]
    fn no_id_is_taken_for_a_hash() {
        for bad in [
            "evt_1",
            "sha256:",
            "sha256:00",
            "sha256:zz",
            &format!("sha256:{:065}", 0),
        ] {
            assert_eq!(hash_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_has_no_ledger_row_is_dead_or_absent() {
        let mut known = Known::default();
        assert_eq!(known.disposition(), "absent");
        known.dead_letter = true;
        assert_eq!(known.disposition(), "dead");
        known.disposition = Some("applied".into());
        assert_eq!(known.disposition(), "applied");
    }
}
