//! Whether a signing secret may be removed. Pure: what was seen decides, nothing else.
//!
//! *Invariant:* silence of everything is no evidence: a secret may go only where others verified
//! while it did not. Nor is the silence of one that never verified anything: it may be about to.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

/// What is known of one secret.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known {
    /// It verified something in the last day.
    pub(crate) signs: bool,
    /// Its endpoint, where the name tells it, is enabled at Stripe.
    pub(crate) enabled: bool,
    /// Another secret verified something in the last day.
    pub(crate) others_sign: bool,
    /// It is known to have verified something, whenever that was.
    pub(crate) ever: bool,
    /// No other secret is known that could stay.
    pub(crate) is_only: bool,
}

/// The advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Removable {
    Yes,
    No,
    Unknown,
}

impl Removable {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// The advice and its reason.
pub(crate) fn judge(known: Known) -> (Removable, &'static str) {
    if known.signs {
        (Removable::No, "it verified something in the last day")
    } else if known.enabled {
        (Removable::No, "its endpoint is enabled at Stripe")
    } else if known.is_only {
        (Removable::No, "it is the only one")
    } else if !known.ever {
        (
            Removable::Unknown,
            "it is not known to have verified anything yet: it may be new",
        )
    } else if known.others_sign {
        (
            Removable::Yes,
            "for a day it verified nothing, while others did",
        )
    } else {
        (
            Removable::Unknown,
            "nothing was verified for a day, by any secret",
        )
    }
}

/// What is known of the old endpoint's secret, its endpoint being gone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Silence {
    pub(crate) now: DateTime<Utc>,
    /// When the endpoint went, or was first seen to be gone.
    pub(crate) gone: DateTime<Utc>,
    /// How long is waited.
    pub(crate) settle: Duration,
    /// In the ledger it verified something for less than `settle` ago.
    pub(crate) in_ledger: bool,
    /// When it last verified something at any ingestor that was asked, in seconds since 1970; 0:
    /// never. None: one did not answer.
    pub(crate) at_ingestors: Option<i64>,
    /// Another one verified something since `gone`.
    pub(crate) others: bool,
}

/// Why the old secret stays for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stays {
    Signs,
    Unheard,
    TooSoon,
    OthersSilent,
}

impl Stays {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Signs => "it still verifies: another endpoint may have it",
            Self::Unheard => "an ingestor does not say whether it still verifies",
            Self::TooSoon => "it may still be needed for what was on the way",
            Self::OthersSilent => {
                "nothing was verified by another one since, so its silence tells nothing; let \
                 something happen at Stripe"
            }
        }
    }
}

/// Why the old secret cannot go yet; none: it can.
pub(crate) fn stays(known: &Silence) -> Option<Stays> {
    // Longer than any clock can tell is never over.
    let settle = TimeDelta::from_std(known.settle).unwrap_or(TimeDelta::MAX);
    let from = known.now.checked_sub_signed(settle);
    let from = from.unwrap_or(DateTime::<Utc>::MIN_UTC);
    let recent = |seen: i64| seen > 0 && seen >= from.timestamp();
    if known.in_ledger || known.at_ingestors.is_some_and(recent) {
        Some(Stays::Signs)
    } else if known.at_ingestors.is_none() {
        Some(Stays::Unheard)
    } else if known.gone > from {
        Some(Stays::TooSoon)
    } else if !known.others {
        Some(Stays::OthersSilent)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    #[test]
    fn the_old_secret_goes_only_when_it_alone_was_silent_for_long_enough() {
        let silent = Silence {
            now: at(1_000),
            gone: at(820),
            settle: Duration::from_mins(3),
            in_ledger: false,
            at_ingestors: Some(819),
            others: true,
        };
        assert_eq!(stays(&silent), None);
        let changed = |change: fn(&mut Silence)| {
            let mut known = silent;
            change(&mut known);
            stays(&known)
        };
        assert_eq!(changed(|it| it.at_ingestors = Some(0)), None, "none did");
        assert_eq!(changed(|it| it.in_ledger = true), Some(Stays::Signs));
        let told = changed(|it| it.at_ingestors = Some(820));
        assert_eq!(told, Some(Stays::Signs), "only an ingestor knows");
        assert_eq!(
            changed(|it| it.at_ingestors = None),
            Some(Stays::Unheard),
            "no answer is no evidence"
        );
        assert_eq!(changed(|it| it.gone = at(821)), Some(Stays::TooSoon));
        assert_eq!(changed(|it| it.others = false), Some(Stays::OthersSilent));
        let never = changed(|it| it.settle = Duration::MAX);
        assert_eq!(never, Some(Stays::Signs), "it did, within that time");
    }

    #[test]
    fn only_a_secret_that_is_silent_while_others_sign_may_go() {
        let silent = Known {
            others_sign: true,
            ever: true,
            ..Known::default()
        };
        assert_eq!(judge(silent).0, Removable::Yes);
        let may_go = |change: fn(&mut Known)| {
            let mut known = silent;
            change(&mut known);
            judge(known).0
        };
        assert_eq!(may_go(|known| known.signs = true), Removable::No);
        assert_eq!(may_go(|known| known.enabled = true), Removable::No);
        assert_eq!(may_go(|known| known.is_only = true), Removable::No);
        assert_eq!(may_go(|known| known.ever = false), Removable::Unknown);
        assert_eq!(
            may_go(|known| known.others_sign = false),
            Removable::Unknown
        );
    }
}
