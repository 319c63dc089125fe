//! Names of actions: `act_` and 32 hex digits, 48 bits of milliseconds and 80 random ones, so that
//! the order of the text is the order of time.
//!
//! *Invariant:* a later decision has the greater name, because of two decisions about one thing the
//! greater name wins. Within a process names rise even when the clock stands still or goes back
//! ([`Names`]); between processes whose clocks differ, a name is raised above the greatest one that
//! the database knows ([`after`]).

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

/// Bits of the random part: the rest of 128 after 48 of milliseconds.
const RANDOM_BITS: u32 = 80;
const PREFIX: &str = "act_";
const DIGITS: usize = 32;

/// The last name that a process made.
pub(super) struct Names(Mutex<u128>);

impl Names {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(0))
    }

    /// A name greater than every one before it. `random`: any number; its low 80 bits are used.
    pub(super) fn next(&self, now: DateTime<Utc>, random: u128) -> String {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = number(now, random).max(last.saturating_add(1));
        text(*last)
    }
}

/// `name`, or the next name after `greatest` where that is not less.
pub(super) fn after(name: String, greatest: Option<&str>) -> String {
    match greatest.and_then(parse) {
        Some(greatest) if parse(&name).is_some_and(|own| own <= greatest) => {
            text(greatest.saturating_add(1))
        }
        Some(_) | None => name,
    }
}

fn number(now: DateTime<Utc>, random: u128) -> u128 {
    // Before 1970 and after the year 10889 the order is lost, nothing else.
    let ms = u128::try_from(now.timestamp_millis()).unwrap_or(0);
    ms.wrapping_shl(RANDOM_BITS) | (random & ((1 << RANDOM_BITS) - 1))
}

fn text(number: u128) -> String {
    format!("{PREFIX}{number:032x}")
}

fn parse(name: &str) -> Option<u128> {
    let hex = name.strip_prefix(PREFIX)?;
    let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if hex.len() != DIGITS || !hex.bytes().all(lower) {
        return None;
    }
    u128::from_str_radix(hex, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(ms).unwrap_or_default()
    }

    #[test]
    fn a_later_action_sorts_later_whatever_its_random_part() {
        let earlier = Names::new().next(at(1_790_000_000_000), u128::MAX);
        let later = Names::new().next(at(1_790_000_000_001), 0);
        assert!(earlier < later, "{earlier} {later}");
        assert_eq!(later, "act_01a0c4506c0100000000000000000000");
    }

    #[test]
    fn names_of_one_process_rise_within_a_millisecond_and_when_the_clock_goes_back() {
        let names = Names::new();
        let moments = [(5, 9), (5, 3), (5, 3), (4, u128::MAX), (6, 0)];
        let made = moments.map(|(ms, random)| names.next(at(ms), random));
        assert!(made.is_sorted_by(|a, b| a < b), "{made:?}");
    }

    #[test]
    fn a_name_is_raised_above_the_greatest_known_one_only_where_it_must_be() {
        let low = Names::new().next(at(5), 1);
        let high = Names::new().next(at(6), 7);
        assert_eq!(after(high.clone(), Some(&low)), high);
        assert_eq!(after(high.clone(), None), high);
        let raised = after(low.clone(), Some(&high));
        assert!(raised > high, "{raised} {high}");
        assert!(after(high.clone(), Some(&high)) > high);
        for foreign in ["", "act_1", "act_ZZ000000000000000000000000000000", "ref_1"] {
            assert_eq!(after(low.clone(), Some(foreign)), low, "{foreign}");
        }
    }
}
