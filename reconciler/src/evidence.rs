//! Which class of gap a finding is, and how sure that is.
//!
//! Keeps: a class is only named where evidence speaks for it; otherwise it is `unknown`, with no
//! confidence at all and with the classes that remain possible. What is repaired never depends on
//! the class.
//!
//! Stripe tells of an event whether *all* deliveries of it succeeded (`delivery_success`, see
//! <https://docs.stripe.com/api/events/list>); only where one endpoint alone gets it does that say
//! anything about ours. What the ingestors answered meanwhile is told by their own counts.
//!
//! Pure. Deliberately absent: gathering the evidence ([`crate::sweep::attempts`],
//! [`crate::counted`]).

use serde_json::json;
use shared::diffs::Finding;

use crate::counted::Counted;

/// The classes, as the findings' column names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// Stripe's deliveries did not reach an ingestor.
    NeverDelivered,
    /// They did, and an ingestor answered 4xx or 503.
    RefusedByUs,
    /// An ingestor answered 200, and the record is gone.
    AcknowledgedButLost,
    /// It is in the ledger, parked or dead.
    NotApplied,
    /// What Stripe says of the object is not what we believe.
    BookingDiffers,
    Unknown,
}

impl Gap {
    /// Every class: a metric shows those without a finding as 0.
    pub const ALL: [Self; 6] = [
        Self::NeverDelivered,
        Self::RefusedByUs,
        Self::AcknowledgedButLost,
        Self::NotApplied,
        Self::BookingDiffers,
        Self::Unknown,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::NeverDelivered => "never_delivered",
            Self::RefusedByUs => "refused_by_us",
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

/// Under which of Stripe's two lists an event was, before the log's ends were read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Delivered {
    /// `delivery_success=true`: every endpoint that wanted it answered 2xx.
    Yes,
    /// `delivery_success=false`: at least one did not, yet.
    No,
    /// Not asked, or under neither.
    #[default]
    NotTold,
}

/// What the ingestors counted while Stripe tried to deliver an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answers {
    /// Requests answered 4xx or 503.
    pub refused: u64,
    /// Every second of the span is covered by some ingestor's counts.
    pub complete: bool,
}

impl From<&Counted> for Answers {
    fn from(counted: &Counted) -> Self {
        Self {
            refused: counted.refused.saturating_add(counted.unavailable),
            complete: counted.complete,
        }
    }
}

/// What is known around a missing event.
#[derive(Debug, Clone, Copy, Default)]
pub struct Circumstances {
    /// When it was created, and when Stripe was asked: what was answered between is what counts.
    /// Both by Stripe's clock, in seconds since 1970.
    pub created: Option<i64>,
    pub asked_at: i64,
    /// Deliveries that Stripe still tries, over all endpoints; shown, never decisive.
    pub pending_webhooks: Option<i64>,
    /// The hole in the log that may have held it.
    pub hole: Option<i64>,
    pub delivered: Delivered,
    /// Endpoints that are enabled and want its type; `None`: not known.
    pub endpoints: Option<usize>,
    /// `None`: not known.
    pub answers: Option<Answers>,
}

/// A class, how sure it is, and what else it may be.
type Judged = (Gap, f32, &'static [Gap]);

const ANY: &[Gap] = &[
    Gap::NeverDelivered,
    Gap::RefusedByUs,
    Gap::AcknowledgedButLost,
];
const NOT_TAKEN: &[Gap] = &[Gap::NeverDelivered, Gap::RefusedByUs];

/// The class of a missing event.
fn missing(around: Circumstances) -> Judged {
    match (around.delivered, around.endpoints, around.hole) {
        (Delivered::No, Some(1), _) => match around.answers {
            Some(Answers {
                complete: false, ..
            })
            | None => (Gap::Unknown, 0.0, NOT_TAKEN),
            Some(Answers { refused: 0, .. }) => (Gap::NeverDelivered, 0.9, &[]),
            // Which request was refused for which event nobody counted.
            Some(Answers { .. }) => (Gap::RefusedByUs, 0.8, &[]),
        },
        (Delivered::No, Some(0), _) => (Gap::NeverDelivered, 0.9, &[]),
        // Another endpoint's failure would be told in the same way.
        (Delivered::No, _, _) => (Gap::Unknown, 0.0, ANY),
        (Delivered::Yes, Some(1), Some(_)) => (Gap::AcknowledgedButLost, 0.99, &[]),
        (Delivered::Yes, Some(1), None) => (Gap::AcknowledgedButLost, 0.9, &[]),
        (Delivered::Yes | Delivered::NotTold, _, Some(_)) => (Gap::AcknowledgedButLost, 0.6, &[]),
        // Ours may not have wanted it.
        (Delivered::Yes, _, None) => (
            Gap::Unknown,
            0.0,
            &[Gap::AcknowledgedButLost, Gap::NeverDelivered],
        ),
        (Delivered::NotTold, _, None) => (Gap::Unknown, 0.0, ANY),
    }
}

/// Classifies one difference.
pub fn classify(finding: &Finding, around: Circumstances) -> Verdict {
    let ((kind, confidence, candidates), what): (Judged, _) = match finding {
        Finding::Missing(_) => (missing(around), "listed_not_in_ledger"),
        Finding::Unlisted(_) => ((Gap::Unknown, 0.0, &[]), "in_ledger_not_listed"),
        Finding::Dead(_) => ((Gap::NotApplied, 1.0, &[]), "dead"),
        Finding::ParkedTooLong(_) => ((Gap::NotApplied, 1.0, &[]), "parked_too_long"),
    };
    let mut evidence = json!({ "what": what });
    if let (Finding::Missing(_), Some(evidence)) = (finding, evidence.as_object_mut()) {
        evidence.extend(told(around));
        if kind == Gap::Unknown {
            let candidates: Vec<&str> = candidates.iter().map(|gap| gap.as_str()).collect();
            evidence.insert("candidates".to_owned(), json!(candidates));
        }
    }
    Verdict {
        kind,
        confidence,
        evidence,
    }
}

/// The circumstances, each by its name.
fn told(around: Circumstances) -> serde_json::Map<String, serde_json::Value> {
    let delivery_success = match around.delivered {
        Delivered::Yes => Some(true),
        Delivered::No => Some(false),
        Delivered::NotTold => None,
    };
    let told = [
        ("created", json!(around.created)),
        ("asked_at", json!(around.asked_at)),
        ("delivery_success", json!(delivery_success)),
        ("endpoints", json!(around.endpoints)),
        ("log_hole", json!(around.hole)),
        (
            "answers_refused",
            json!(around.answers.map(|answers| answers.refused)),
        ),
        (
            "answers_complete",
            json!(around.answers.map(|answers| answers.complete)),
        ),
        ("pending_webhooks", json!(around.pending_webhooks)),
    ];
    told.into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// What a finding's evidence told, where its class hangs on the ingestors' counts alone and they
/// were not all there when it was written: a record of counts comes up to a minute later.
pub fn undecided(evidence: &serde_json::Value) -> Option<Circumstances> {
    let number = |name: &str| evidence.get(name)?.as_i64();
    let endpoints = usize::try_from(number("endpoints")?).ok()?;
    let failed = evidence.get("delivery_success")?.as_bool() == Some(false);
    let told = evidence
        .get("answers_complete")
        .and_then(serde_json::Value::as_bool);
    let hangs = failed && endpoints == 1 && told != Some(true);
    hangs.then(|| Circumstances {
        created: number("created"),
        asked_at: number("asked_at").unwrap_or_default(),
        pending_webhooks: number("pending_webhooks"),
        hole: number("log_hole"),
        delivered: Delivered::No,
        endpoints: Some(endpoints),
        answers: None,
    })
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

    fn verdict(around: Circumstances) -> Verdict {
        classify(&Finding::Missing(EventId::parse("evt_1").unwrap()), around)
    }

    fn counted(refused: u64, complete: bool) -> Option<Answers> {
        Some(Answers { refused, complete })
    }

    /// Every row: what Stripe lists, how many endpoints, a hole, what was counted → class.
    #[test]
    fn each_class_of_a_missing_event_has_its_evidence() {
        use Delivered::{No, NotTold, Yes};
        let quiet = counted(0, true);
        let table = [
            (No, Some(1), None, quiet, Gap::NeverDelivered),
            (No, Some(1), None, counted(3, true), Gap::RefusedByUs),
            (No, Some(1), None, counted(3, false), Gap::Unknown),
            (No, Some(1), None, counted(0, false), Gap::Unknown),
            (No, Some(1), None, None, Gap::Unknown),
            // Nothing was acknowledged: the hole did not hold it.
            (No, Some(1), Some(7), quiet, Gap::NeverDelivered),
            (No, Some(0), None, None, Gap::NeverDelivered),
            (No, Some(2), None, quiet, Gap::Unknown),
            (No, None, None, quiet, Gap::Unknown),
            (Yes, Some(1), None, None, Gap::AcknowledgedButLost),
            (Yes, Some(1), Some(7), None, Gap::AcknowledgedButLost),
            (Yes, Some(2), Some(7), None, Gap::AcknowledgedButLost),
            (Yes, Some(2), None, quiet, Gap::Unknown),
            (Yes, Some(0), None, None, Gap::Unknown),
            (NotTold, Some(1), Some(7), None, Gap::AcknowledgedButLost),
            (NotTold, Some(1), None, quiet, Gap::Unknown),
            (NotTold, None, None, None, Gap::Unknown),
        ];
        for (delivered, endpoints, hole, answers, expected) in table {
            let around = Circumstances {
                created: Some(5),
                asked_at: 9,
                pending_webhooks: Some(1),
                hole,
                delivered,
                endpoints,
                answers,
            };
            let verdict = verdict(around);
            assert_eq!(verdict.kind, expected, "{around:?}");
            assert_eq!(verdict.confidence > 0.0, expected != Gap::Unknown);
            let candidates = verdict.evidence.get("candidates");
            assert_eq!(candidates.is_some(), expected == Gap::Unknown, "{around:?}");
        }
    }

    #[test]
    fn what_is_unknown_names_what_it_may_be() {
        let around = Circumstances {
            delivered: Delivered::No,
            endpoints: Some(1),
            ..Circumstances::default()
        };
        let evidence = verdict(around).evidence;
        assert_eq!(
            evidence.get("candidates").unwrap(),
            &json!(["never_delivered", "refused_by_us"])
        );
    }

    #[test]
    fn what_hangs_on_counts_that_were_not_there_yet_is_judged_again_by_them() {
        let around = Circumstances {
            created: Some(5),
            asked_at: 9,
            pending_webhooks: Some(1),
            hole: None,
            delivered: Delivered::No,
            endpoints: Some(1),
            answers: counted(0, false),
        };
        let first = verdict(around);
        let mut again = undecided(&first.evidence).unwrap();
        assert_eq!((again.created, again.asked_at), (Some(5), 9));
        again.answers = counted(2, true);
        let second = verdict(again);
        assert_eq!(second.kind, Gap::RefusedByUs);
        assert!(undecided(&second.evidence).is_none(), "it is decided now");
        for other in [
            Circumstances {
                endpoints: Some(2),
                ..around
            },
            Circumstances {
                endpoints: None,
                ..around
            },
            Circumstances {
                delivered: Delivered::Yes,
                ..around
            },
        ] {
            assert!(undecided(&verdict(other).evidence).is_none(), "{other:?}");
        }
    }

    #[test]
    fn event_in_the_ledger_that_was_not_applied_is_certain() {
        let finding = Finding::Dead(EventId::parse("evt_1").unwrap());
        let verdict = classify(&finding, Circumstances::default());
        assert_eq!((verdict.kind, verdict.confidence), (Gap::NotApplied, 1.0));
        assert_eq!(verdict.evidence, json!({"what": "dead"}));
    }
}
