//! Whether a failed call is made again, when, and where: one pure decision.
//!
//! The rules are those of Stripe's own client libraries (stripe-node `RequestSender`,
//! stripe-python `_http_client.py`), but for two additions: 429 is retried, because a sweep has
//! nothing better to do and its calls are paced; `Retry-After` is honoured where it is there.
//!
//! A 429 says by `Stripe-Rate-Limited-Reason` whose limit it was: the account's holds back everyone,
//! one object's only this call, and none at all is a lock on an object that was not free in time.
//! Source: <https://docs.stripe.com/rate-limits>.
//!
//! Deliberately absent: sending, sleeping, choosing the jitter.

use std::time::Duration;

/// First pause. Source: stripe-node `INITIAL_NETWORK_RETRY_DELAY_SEC`.
const BASE: Duration = Duration::from_millis(500);
/// Longest pause of ours. Source: stripe-node `MAX_NETWORK_RETRY_DELAY_SEC`.
const CAP: Duration = Duration::from_secs(5);
/// First pause after a refusal for the rate: longer than any other, because it is the account's
/// limit, shared with all who use its keys, and asking soon makes it worse.
const RATE_BASE: Duration = Duration::from_secs(2);
/// Longest pause of ours after a refusal for the rate.
const RATE_CAP: Duration = Duration::from_secs(30);
/// Longest pause that a `Retry-After` may ask for; the libraries' own bound.
const RETRY_AFTER_CAP: Duration = Duration::from_secs(60);

/// Whose limit a 429 speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// The account's or the endpoint's, by rate or by concurrency; also any reason we do not know.
    Account,
    /// One object's own.
    Object,
    /// No reason is given: an object's lock was not free in time (`lock_timeout`).
    Lock,
}

impl Limited {
    /// By the header's value, where it is there.
    pub fn by(reason: Option<&str>) -> Self {
        match reason {
            None => Self::Lock,
            Some("resource-specific") => Self::Object,
            Some(_) => Self::Account,
        }
    }
}

/// How one attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No connection, a time-out, or a connection cut: nobody knows, and reading again is harmless.
    Connection,
    /// An answer of 2xx that is not whole or not JSON.
    Unreadable,
    /// A 2xx answer beyond the bound on its size: it will not shrink.
    TooLarge,
    /// 429.
    Limited {
        by: Limited,
        /// As below.
        should_retry: Option<bool>,
        /// As below.
        retry_after: Option<Duration>,
    },
    /// Any other answer that is not 2xx.
    Status {
        status: u16,
        /// `Stripe-Should-Retry`, where it says `true` or `false`.
        should_retry: Option<bool>,
        /// `Retry-After` in whole seconds, where it is there and readable.
        retry_after: Option<Duration>,
    },
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    GiveUp,
    Retry {
        /// Pause before the next attempt.
        after: Duration,
        /// Send the next attempt to the next of the configured addresses.
        elsewhere: bool,
        /// The pause is for everyone, not for this call alone.
        hold_all: bool,
    },
}

/// Decides on the `attempt`-th failure (the first is 0) of at most `attempts`; `jitter` in 0..=1.
pub fn decide(fault: Fault, attempt: u32, attempts: u32, jitter: f64) -> Verdict {
    let last = attempt.saturating_add(1) >= attempts;
    if last || !is_worth_it(fault) {
        return Verdict::GiveUp;
    }
    let (asked, elsewhere, hold_all) = match fault {
        Fault::Connection => (None, true, false),
        Fault::Unreadable | Fault::TooLarge => (None, false, false),
        Fault::Limited {
            by, retry_after, ..
        } => (retry_after, false, by == Limited::Account),
        Fault::Status {
            status,
            retry_after,
            ..
        } => (retry_after, status == 503, false),
    };
    let bounds = match fault {
        Fault::Limited {
            by: Limited::Account | Limited::Object,
            ..
        } => (RATE_BASE, RATE_CAP),
        Fault::Limited {
            by: Limited::Lock, ..
        }
        | Fault::Connection
        | Fault::Unreadable
        | Fault::TooLarge
        | Fault::Status { .. } => (BASE, CAP),
    };
    let pause = backoff(attempt, bounds, jitter);
    Verdict::Retry {
        after: pause.max(asked.unwrap_or_default().min(RETRY_AFTER_CAP)),
        elsewhere,
        hold_all,
    }
}

fn is_worth_it(fault: Fault) -> bool {
    match fault {
        Fault::Connection | Fault::Unreadable => true,
        Fault::TooLarge => false,
        Fault::Status {
            should_retry: Some(said),
            ..
        }
        | Fault::Limited {
            should_retry: Some(said),
            ..
        } => said,
        Fault::Limited {
            should_retry: None, ..
        } => true,
        Fault::Status {
            status,
            should_retry: None,
            ..
        } => status == 409 || status >= 500,
    }
}

/// base · 2ⁿ up to the cap, of which 50 to 100 %.
fn backoff(attempt: u32, (base, cap): (Duration, Duration), jitter: f64) -> Duration {
    let full = base
        .checked_mul(1u32.checked_shl(attempt.min(16)).unwrap_or(u32::MAX))
        .map_or(cap, |pause| pause.min(cap));
    full.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "tests fail by panicking")]
    use super::*;

    fn status(status: u16, should_retry: Option<bool>) -> Fault {
        Fault::Status {
            status,
            should_retry,
            retry_after: None,
        }
    }

    fn limited(reason: Option<&str>, should_retry: Option<bool>) -> Fault {
        Fault::Limited {
            by: Limited::by(reason),
            should_retry,
            retry_after: None,
        }
    }

    fn retries(fault: Fault) -> bool {
        decide(fault, 0, 5, 0.5) != Verdict::GiveUp
    }

    #[test]
    fn stripes_own_word_wins_over_the_status() {
        assert!(!retries(status(500, Some(false))));
        assert!(!retries(limited(Some("global-rate"), Some(false))));
        assert!(!retries(status(409, Some(false))));
        assert!(retries(status(400, Some(true))));
        assert!(retries(status(404, Some(true))));
    }

    #[test]
    fn without_a_word_only_passing_troubles_are_retried() {
        for code in [409, 500, 502, 503, 504, 599] {
            assert!(retries(status(code, None)), "{code}");
        }
        for reason in [None, Some("endpoint-rate"), Some("resource-specific")] {
            assert!(retries(limited(reason, None)), "{reason:?}");
        }
        for code in [301, 307, 400, 401, 402, 403, 404, 413, 422] {
            assert!(!retries(status(code, None)), "{code}");
        }
        assert!(retries(Fault::Connection) && retries(Fault::Unreadable));
        assert!(!retries(Fault::TooLarge));
    }

    #[test]
    fn attempts_are_bounded() {
        assert_eq!(decide(Fault::Connection, 4, 5, 0.0), Verdict::GiveUp);
        assert_eq!(decide(Fault::Connection, 0, 1, 0.0), Verdict::GiveUp);
        assert_eq!(decide(Fault::Connection, u32::MAX, 0, 0.0), Verdict::GiveUp);
    }

    #[test]
    fn pauses_double_up_to_five_seconds_and_are_jittered_downwards() {
        let millis = |n, jitter| backoff(n, (BASE, CAP), jitter).as_millis();
        assert_eq!(
            [0, 1, 2, 3, 4, 99].map(|n| millis(n, 1.0)),
            [500, 1_000, 2_000, 4_000, 5_000, 5_000]
        );
        assert_eq!(millis(0, 0.0), 250);
        assert_eq!(millis(99, 0.0), 2_500);
    }

    #[test]
    fn retry_after_is_honoured_within_its_bound() {
        let asked = |seconds| {
            let fault = Fault::Limited {
                by: Limited::Account,
                should_retry: None,
                retry_after: Some(Duration::from_secs(seconds)),
            };
            match decide(fault, 0, 5, 1.0) {
                Verdict::Retry {
                    after, hold_all, ..
                } => (after.as_secs_f64(), hold_all),
                Verdict::GiveUp => panic!("429 is retried"),
            }
        };
        assert_eq!(asked(7), (7.0, true));
        assert_eq!(asked(0), (2.0, true));
        assert_eq!(asked(86_400), (60.0, true));
    }

    /// Each kind of answer: made again, elsewhere, for everyone, and the first pause at full jitter.
    #[test]
    fn every_kind_of_remote_error_has_its_verdict() {
        let (give_up, cool) = (None, Some((false, true, 2_000)));
        let table = [
            ("connection", Fault::Connection, Some((true, false, 500))),
            ("unreadable", Fault::Unreadable, Some((false, false, 500))),
            ("too large", Fault::TooLarge, give_up),
            ("400", status(400, None), give_up),
            ("401", status(401, None), give_up),
            ("402", status(402, None), give_up),
            ("403", status(403, None), give_up),
            ("404", status(404, None), give_up),
            ("409", status(409, None), Some((false, false, 500))),
            ("global-rate", limited(Some("global-rate"), None), cool),
            ("endpoint-rate", limited(Some("endpoint-rate"), None), cool),
            (
                "global-concurrency",
                limited(Some("global-concurrency"), None),
                cool,
            ),
            (
                "endpoint-concurrency",
                limited(Some("endpoint-concurrency"), None),
                cool,
            ),
            ("a new reason", limited(Some("full-moon"), None), cool),
            (
                "resource-specific",
                limited(Some("resource-specific"), None),
                Some((false, false, 2_000)),
            ),
            (
                "lock_timeout",
                limited(None, None),
                Some((false, false, 500)),
            ),
            (
                "429, do not",
                limited(Some("global-rate"), Some(false)),
                give_up,
            ),
            ("500", status(500, None), Some((false, false, 500))),
            ("500, do not", status(500, Some(false)), give_up),
            ("502", status(502, None), Some((false, false, 500))),
            ("503", status(503, None), Some((true, false, 500))),
        ];
        for (name, fault, expected) in table {
            let verdict = match decide(fault, 0, 5, 1.0) {
                Verdict::GiveUp => None,
                Verdict::Retry {
                    after,
                    elsewhere,
                    hold_all,
                } => Some((elsewhere, hold_all, after.as_millis())),
            };
            assert_eq!(verdict, expected, "{name}");
        }
    }

    #[test]
    fn a_refusal_for_the_rate_cools_down_longer_up_to_its_own_cap() {
        let pause = |fault, attempt| match decide(fault, attempt, 99, 1.0) {
            Verdict::Retry { after, .. } => after.as_secs_f64(),
            Verdict::GiveUp => panic!("{fault:?} is retried"),
        };
        let (rate, error) = (limited(Some("global-rate"), None), status(500, None));
        assert_eq!([0, 1, 2, 9].map(|n| pause(rate, n)), [2.0, 4.0, 8.0, 30.0]);
        assert!((0..20).all(|n| pause(rate, n) > pause(error, n)));
    }

    #[test]
    fn only_an_absent_server_sends_us_to_the_next_address() {
        let elsewhere = |fault| {
            matches!(
                decide(fault, 0, 5, 0.5),
                Verdict::Retry {
                    elsewhere: true,
                    ..
                }
            )
        };
        assert!(elsewhere(Fault::Connection) && elsewhere(status(503, None)));
        assert!(!elsewhere(status(500, None)) && !elsewhere(limited(None, None)));
        assert!(!elsewhere(Fault::Unreadable));
    }
}
