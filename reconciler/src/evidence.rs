//! Which class of gap a finding is, and how sure that is.
//!
//! Keeps: a class is only named where evidence speaks for it; otherwise it is `unknown` with no
//! confidence at all. What is repaired never depends on the class.
//!
//! Deliberately absent: the ingestor's statistics and Stripe's delivery attempts, which would tell
//! *refused by us* from *never delivered*.

use serde_json::json;
use shared::diffs::Finding;

/// The classes, as the findings' column names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    NeverDelivered,
    AcknowledgedButLost,
    NotApplied,
    BookingDiffers,
    Unknown,
}

impl Gap {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NeverDelivered => "never_delivered",
            Self::AcknowledgedButLost => "acknowledged_but_lost",
            Self::NotApplied => "not_applied",
            Self::BookingDiffers => "booking_differs",
            Self::Unknown => "unknown",
        }
    }
}

/// A class with its reason.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    pub kind: Gap,
    /// 0 to 1.
    pub confidence: f32,
    pub evidence: serde_json::Value,
}

/// What is known around a missing event.
#[derive(Debug, Clone, Copy, Default)]
pub struct Circumstances {
    /// Deliveries that Stripe still tries, over all of the account's endpoints.
    pub pending_webhooks: Option<i64>,
    /// A hole in the log was found after the event was created.
    pub hole_since: bool,
}

/// Classifies one difference.
pub fn classify(finding: &Finding, around: Circumstances) -> Verdict {
    let (kind, confidence, what) = match finding {
        Finding::Missing(_) => match (around.hole_since, around.pending_webhooks) {
            (true, Some(0)) => (Gap::AcknowledgedButLost, 0.8, "listed_not_in_ledger"),
            (true, _) => (Gap::AcknowledgedButLost, 0.5, "listed_not_in_ledger"),
            // Stripe still tries: no endpoint's 2xx ended it. It may be another endpoint's.
            (false, Some(pending)) if pending > 0 => {
                (Gap::NeverDelivered, 0.6, "listed_not_in_ledger")
            }
            (false, _) => (Gap::Unknown, 0.0, "listed_not_in_ledger"),
        },
        Finding::Unlisted(_) => (Gap::Unknown, 0.0, "in_ledger_not_listed"),
        Finding::Dead(_) => (Gap::NotApplied, 1.0, "dead"),
        Finding::ParkedTooLong(_) => (Gap::NotApplied, 1.0, "parked_too_long"),
    };
    Verdict {
        kind,
        confidence,
        evidence: json!({
            "what": what,
            "pending_webhooks": around.pending_webhooks,
            "log_hole_since_created": around.hole_since,
        }),
    }
}

/// The verdict on an object whose state at Stripe is not the one we believe.
pub fn state_differs(believed: Option<&str>, retrieved: Option<&str>) -> Verdict {
    Verdict {
        kind: Gap::BookingDiffers,
        confidence: 1.0,
        evidence: json!({
            "what": "retrieved_object_differs",
            "believed_status": believed,
            "retrieved_status": retrieved,
        }),
    }
}

/// The verdict on seconds that Stripe no longer lists and no sweep had covered.
pub fn aged_out(from: i64, to: i64) -> Verdict {
    Verdict {
        kind: Gap::Unknown,
        confidence: 0.0,
        evidence: json!({
            "what": "aged_out_before_compared",
            "from": from,
            "to": to,
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use shared::ids::EventId;

    fn missing(pending_webhooks: Option<i64>, hole_since: bool) -> (Gap, f32) {
        let finding = Finding::Missing(EventId::parse("evt_1").unwrap());
        let around = Circumstances {
            pending_webhooks,
            hole_since,
        };
        let verdict = classify(&finding, around);
        (verdict.kind, verdict.confidence)
    }

    #[test]
    fn without_evidence_a_gap_has_no_class() {
        assert_eq!(missing(None, false), (Gap::Unknown, 0.0));
        assert_eq!(missing(Some(0), false), (Gap::Unknown, 0.0));
    }

    #[test]
    fn delivery_that_stripe_still_tries_was_never_taken() {
        assert_eq!(missing(Some(1), false).0, Gap::NeverDelivered);
    }

    #[test]
    fn hole_in_the_log_speaks_for_a_lost_acknowledgement() {
        assert_eq!(missing(Some(0), true).0, Gap::AcknowledgedButLost);
        assert!(missing(Some(0), true).1 > missing(Some(2), true).1);
    }

    #[test]
    fn event_in_the_ledger_that_was_not_applied_is_certain() {
        let finding = Finding::Dead(EventId::parse("evt_1").unwrap());
        let verdict = classify(&finding, Circumstances::default());
        assert_eq!((verdict.kind, verdict.confidence), (Gap::NotApplied, 1.0));
    }
}
