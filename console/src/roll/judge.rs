//! Whether a signing secret may be removed. Pure: what was seen decides, nothing else.
//!
//! *Invariant:* silence of everything is no evidence: a secret may go only where others verified
//! while it did not.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_secret_that_is_silent_while_others_sign_may_go() {
        let silent = Known {
            others_sign: true,
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
        assert_eq!(
            may_go(|known| known.others_sign = false),
            Removable::Unknown
        );
    }
}
