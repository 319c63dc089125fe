//! Who may call Stripe now: one token bucket for all processes, with priorities.
//!
//! Keeps: over any stretch of time no more calls are granted than rate · time + burst, whoever
//! makes them; a call that Stripe refused for its rate holds back everyone; calls of less haste
//! leave tokens to those of more, and never queue before them.
//!
//! Pure. Deliberately absent: the clock, the row in Postgres ([`crate::store::budget`]) and the
//! waiting ([`crate::stripe::client`]).
//! Source of the limits: <https://docs.stripe.com/rate-limits> (25 reads a second an endpoint; 500
//! reads for each transaction over 30 days, and at least 10,000 a month).

use std::time::Duration;

/// Days over which Stripe counts reads.
pub const ALLOWANCE_DAYS: i32 = 30;
/// Reads that Stripe allows for each transaction.
const READS_PER_TRANSACTION: i64 = 500;
/// Reads that Stripe allows whatever the business.
const LEAST_READS: i64 = 10_000;

/// Longest queue of calls, in microseconds.
const LONGEST_QUEUE_US: i64 = 60_000_000;

/// What a call is for, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Repairing what happens now: the tail, refetches, waiting bookings.
    Live,
    /// A person waits for it.
    Operator,
    /// What may take all day: the deep sweep, samples, a backfill, the sender's state.
    Background,
}

impl Purpose {
    /// As `api_calls.purpose` names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Operator => "operator",
            Self::Background => "background",
        }
    }

    /// Quarters of the burst that it leaves to calls of more haste.
    fn reserve(self) -> i64 {
        match self {
            Self::Live => 0,
            Self::Operator => 1,
            Self::Background => 2,
        }
    }
}

/// The bucket as stored, in microseconds of one clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    /// When the next call would be due if no token had piled up.
    pub due_us: i64,
    /// Nobody calls before this.
    pub held_until_us: i64,
}

/// How fast: one token each `interval_us`, of which up to `burst` pile up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    interval_us: i64,
    tolerance_us: i64,
}

impl Rate {
    /// `per_second` calls on average, a quarter of it at once. Both count as at least one.
    pub fn per_second(per_second: u32) -> Self {
        let per_second = i64::from(per_second.max(1));
        let interval_us = 1_000_000 / per_second;
        let burst = (per_second + 3) / 4;
        Self {
            interval_us,
            tolerance_us: interval_us.saturating_mul(burst - 1),
        }
    }
}

/// What a caller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// A token was taken: call after this pause.
    Taken(Duration),
    /// None was taken: ask again after this pause.
    NotYet(Duration),
}

/// Asks for one token at `now_us`; returns the bucket as it is afterwards.
///
/// Live calls take a token that is not there yet and wait for it, in the order they ask; others
/// take one only while more are there than they leave to the live ones.
pub fn take(bucket: Bucket, now_us: i64, rate: Rate, purpose: Purpose) -> (Bucket, Grant) {
    let pause = |until_us: i64| {
        let wait = until_us.saturating_sub(now_us).max(0);
        Duration::from_micros(u64::try_from(wait).unwrap_or(0))
    };
    if bucket.held_until_us > now_us {
        return (bucket, Grant::NotYet(pause(bucket.held_until_us)));
    }
    // Nobody queues for longer than this; a bucket that says so comes from a clock that went back,
    // by a failover, and must not make anybody wait for it.
    let longest = now_us.saturating_add(LONGEST_QUEUE_US);
    let beyond = longest
        .saturating_add(rate.interval_us)
        .saturating_add(rate.tolerance_us);
    let due = if bucket.due_us > beyond {
        longest
    } else {
        bucket.due_us.max(now_us)
    };
    let spare = rate.tolerance_us / 4 * (4 - purpose.reserve());
    let free_at = due.saturating_sub(spare);
    // A live call waits for room in the queue, any other for its end.
    let room_at = match purpose {
        Purpose::Live => free_at.saturating_sub(LONGEST_QUEUE_US),
        Purpose::Operator | Purpose::Background => free_at,
    };
    if room_at > now_us {
        return (bucket, Grant::NotYet(pause(room_at)));
    }
    let taken = Bucket {
        due_us: due.saturating_add(rate.interval_us),
        ..bucket
    };
    (taken, Grant::Taken(pause(free_at)))
}

/// Lets nobody call before `now_us + pause`.
pub fn hold(bucket: Bucket, now_us: i64, pause: Duration) -> Bucket {
    let pause_us = i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
    Bucket {
        held_until_us: bucket.held_until_us.max(now_us.saturating_add(pause_us)),
        ..bucket
    }
}

/// Reads that Stripe allows in 30 days in which there were so many transactions.
pub fn allowance(transactions: i64) -> i64 {
    transactions
        .saturating_mul(READS_PER_TRANSACTION)
        .max(LEAST_READS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests fail by panicking")]
    use super::*;
    use proptest::prelude::*;

    const SECOND: i64 = 1_000_000;

    fn purposes() -> impl Strategy<Value = Purpose> {
        prop_oneof![
            Just(Purpose::Live),
            Just(Purpose::Operator),
            Just(Purpose::Background)
        ]
    }

    #[test]
    fn calls_beyond_the_burst_are_spread_by_the_rate() {
        let (rate, mut bucket) = (Rate::per_second(10), Bucket::default());
        let mut waits = Vec::new();
        for _ in 0..6 {
            let (next, grant) = take(bucket, SECOND, rate, Purpose::Live);
            bucket = next;
            waits.push(grant);
        }
        let at = |ms| Grant::Taken(Duration::from_millis(ms));
        assert_eq!(waits, [at(0), at(0), at(0), at(100), at(200), at(300)]);
    }

    #[test]
    fn calls_of_less_haste_leave_tokens_to_the_live_ones() {
        let (rate, mut bucket) = (Rate::per_second(20), Bucket::default());
        let mut granted = 0;
        while let (next, Grant::Taken(_)) = take(bucket, SECOND, rate, Purpose::Background) {
            bucket = next;
            granted += 1;
        }
        assert_eq!(granted, 3);
        let (_, live) = take(bucket, SECOND, rate, Purpose::Live);
        assert_eq!(live, Grant::Taken(Duration::ZERO));
    }

    #[test]
    fn what_waits_in_the_background_takes_no_token_while_live_calls_queue() {
        let (rate, mut bucket) = (Rate::per_second(10), Bucket::default());
        for _ in 0..20 {
            bucket = take(bucket, SECOND, rate, Purpose::Live).0;
        }
        for purpose in [Purpose::Operator, Purpose::Background] {
            let (after, grant) = take(bucket, SECOND, rate, purpose);
            assert_eq!(after, bucket);
            assert!(matches!(grant, Grant::NotYet(pause) if pause > Duration::ZERO));
        }
    }

    #[test]
    fn refusal_for_its_rate_holds_back_everyone() {
        let rate = Rate::per_second(10);
        let held = hold(Bucket::default(), SECOND, Duration::from_secs(2));
        for purpose in [Purpose::Live, Purpose::Operator, Purpose::Background] {
            let (after, grant) = take(held, SECOND, rate, purpose);
            assert_eq!(
                (after, grant),
                (held, Grant::NotYet(Duration::from_secs(2)))
            );
            let (_, later) = take(held, 3 * SECOND, rate, purpose);
            assert_eq!(later, Grant::Taken(Duration::ZERO));
        }
        let shorter = hold(held, SECOND, Duration::from_secs(1));
        assert_eq!(shorter, held, "a hold is never shortened");
    }

    #[test]
    fn a_clock_that_went_back_makes_nobody_wait_for_it() {
        let (rate, hour) = (Rate::per_second(10), 3_600 * SECOND);
        let ahead = Bucket {
            due_us: SECOND + hour,
            held_until_us: 0,
        };
        let (after, grant) = take(ahead, SECOND, rate, Purpose::Live);
        assert!(after.due_us <= 62 * SECOND, "{after:?}");
        assert!(matches!(grant, Grant::Taken(pause) if pause <= Duration::from_secs(60)));
    }

    #[test]
    fn allowance_grows_with_the_business_and_has_a_floor() {
        assert_eq!(allowance(0), 10_000);
        assert_eq!(allowance(20), 10_000);
        assert_eq!(allowance(1_000), 500_000);
    }

    proptest! {
        /// Whoever asks, whenever: no second holds more calls than rate and burst.
        #[test]
        fn no_second_grants_more_than_rate_and_burst(
            per_second in 1u32..=20,
            asks in prop::collection::vec((0i64..200_000, purposes()), 1..400),
        ) {
            let rate = Rate::per_second(per_second);
            let (mut bucket, mut now, mut granted) = (Bucket::default(), SECOND, Vec::new());
            for (pause, purpose) in asks {
                now += pause;
                let (next, grant) = take(bucket, now, rate, purpose);
                bucket = next;
                if let Grant::Taken(wait) = grant {
                    granted.push(now + i64::try_from(wait.as_micros()).unwrap_or(0));
                }
            }
            granted.sort_unstable();
            let most = usize::try_from(per_second + per_second.div_ceil(4)).unwrap_or(0);
            for (n, from) in granted.iter().enumerate() {
                let within = granted[n..].iter().take_while(|at| **at < from + SECOND).count();
                prop_assert!(within <= most, "{within} calls in a second, {most} are allowed");
            }
        }

        #[test]
        fn extreme_times_neither_overflow_nor_panic(due: i64, held: i64, now: i64, purpose in purposes()) {
            let bucket = Bucket { due_us: due, held_until_us: held };
            take(bucket, now, Rate::per_second(15), purpose);
            hold(bucket, now, Duration::MAX);
        }
    }
}
