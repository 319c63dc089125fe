//! Names of actions: `act_` and 32 hex digits, in the order of time to the millisecond.

use chrono::{DateTime, Utc};

/// Bits of the random part: what is left of 128 after 48 of milliseconds.
const RANDOM_BITS: u32 = 80;

/// A new name. `random`: any number; its low 80 bits are used.
pub(super) fn new(now: DateTime<Utc>, random: u128) -> String {
    // Before 1970 and after the year 10889 the order is lost, nothing else.
    let ms = u128::try_from(now.timestamp_millis()).unwrap_or(0);
    let low = random & ((1 << RANDOM_BITS) - 1);
    let number = ms.wrapping_shl(RANDOM_BITS) | low;
    format!("act_{number:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_action_sorts_later_whatever_its_random_part() {
        let at = |ms| DateTime::from_timestamp_millis(ms).unwrap_or_default();
        let earlier = new(at(1_790_000_000_000), u128::MAX);
        let later = new(at(1_790_000_000_001), 0);
        assert!(earlier < later, "{earlier} {later}");
        assert_eq!(later.len(), "act_".len() + 32);
        assert!(
            later
                .strip_prefix("act_")
                .is_some_and(|hex| { hex.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')) })
        );
    }
}
