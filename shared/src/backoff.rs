//! How long to wait before the next attempt.
//!
//! Pure: the jitter is handed in.

use std::time::Duration;

/// Capped exponential back-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Before the second attempt.
    pub base: Duration,
    /// The most that is ever waited.
    pub cap: Duration,
}

/// The pause after attempt number `attempt` (from 1): `base · 2^(attempt−1)`, at most `cap`,
/// of which between half and all is waited as `jitter` goes from 0 to 1. Never more than `cap`.
#[must_use]
pub fn delay(attempt: u32, policy: &Policy, jitter: f64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(31);
    let full = policy
        .base
        .saturating_mul(1_u32 << doublings)
        .min(policy.cap);
    full.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        base: Duration::from_millis(100),
        cap: Duration::from_secs(5),
    };

    #[test]
    fn it_doubles_up_to_the_cap_and_stays_there() {
        assert_eq!(delay(1, &POLICY, 1.0), Duration::from_millis(100));
        assert_eq!(delay(4, &POLICY, 1.0), Duration::from_millis(800));
        assert_eq!(delay(7, &POLICY, 1.0), Duration::from_secs(5));
        assert_eq!(delay(u32::MAX, &POLICY, 1.0), Duration::from_secs(5));
    }

    #[test]
    fn jitter_takes_at_most_half_away() {
        assert_eq!(delay(1, &POLICY, 0.0), Duration::from_millis(50));
        assert_eq!(delay(1, &POLICY, -9.0), Duration::from_millis(50));
        assert_eq!(delay(1, &POLICY, f64::MAX), Duration::from_millis(100));
    }
}
