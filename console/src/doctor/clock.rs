//! Clock skew: signatures are refused beyond 300 s, and sweeps reckon with both clocks.

use chrono::{DateTime, TimeDelta, Utc};

use super::Check;

/// Above this a clock is not kept by NTP.
const NOTABLE: TimeDelta = TimeDelta::seconds(3);
/// Above this sweeps and signatures are in danger: Stripe's tolerance is 300 s, and a sweep ends
/// 60 s in the past.
const HARMFUL: TimeDelta = TimeDelta::seconds(30);

/// A clock that was read between `before` and `after` by ours. Pure.
pub(super) fn judge(
    name: &str,
    theirs: DateTime<Utc>,
    before: DateTime<Utc>,
    after: DateTime<Utc>,
) -> Check {
    let skew = if theirs < before {
        before.signed_duration_since(theirs)
    } else if theirs > after {
        theirs.signed_duration_since(after)
    } else {
        TimeDelta::zero()
    };
    let seconds = format!(
        "{}.{:03} s from this machine's clock",
        skew.num_seconds(),
        skew.subsec_millis()
    );
    let fix = "run NTP on the machine whose clock is wrong";
    if skew > HARMFUL {
        Check::failed(name, seconds, fix)
    } else if skew > NOTABLE {
        Check::warning(name, seconds, fix)
    } else {
        Check::ok(name, seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    #[test]
    fn a_clock_is_judged_by_its_distance_in_either_direction() {
        let at = |seconds: i64| DateTime::from_timestamp(1_790_000_000 + seconds, 0).unwrap();
        let judged = |theirs| judge("clock", at(theirs), at(0), at(1)).outcome;
        assert_eq!(judged(0), Outcome::Ok);
        assert_eq!(judged(1), Outcome::Ok);
        assert_eq!(judged(-3), Outcome::Ok);
        assert_eq!(judged(5), Outcome::Warning);
        assert_eq!(judged(-31), Outcome::Failed);
        assert_eq!(judged(32), Outcome::Failed);
    }
}
