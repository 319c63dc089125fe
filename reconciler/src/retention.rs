//! How long each table keeps its rows, and which of them go by themselves.
//!
//! Invariant: no life is shorter than what another rule still asks for; the database's functions
//! refuse what is, too. Nothing an invariant needs is in [`Job`]: ids, hashes, transitions, findings
//! and decisions stay for ever.
//!
//! Pure. Deliberately absent: the statements ([`crate::store::retention`]), the clock's loop.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use shared::config::{Problems, duration};

/// Sweeps and certificates by the hour become days after this.
const HOURS_KEPT: Duration = Duration::from_secs(2 * 86_400);
/// Those by the day become months after this.
const DAYS_KEPT: Duration = Duration::from_secs(62 * 86_400);

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// How long rows stay.
#[derive(Debug, Clone, Copy, Args)]
pub struct RetentionArgs {
    /// How long the ledger keeps an event's payload; its id, hash, signature and times stay for
    /// ever. At least 90d; 0s: for ever.
    #[arg(long, env = "PAYLOAD_RETENTION", value_parser = duration, default_value = "0s")]
    pub payload_retention: Duration,
    /// How long booking events that were published stay in the outbox; at least 1d.
    #[arg(long, env = "OUTBOX_RETENTION", value_parser = duration, default_value = "14d")]
    pub outbox_retention: Duration,
    /// How long an answered refetch is remembered; at least 2d.
    #[arg(long, env = "REFETCH_RETENTION", value_parser = duration, default_value = "30d")]
    pub refetch_retention: Duration,
    /// How long each thing that an operator action touched is listed; its counts stay for ever. At
    /// least 7d.
    #[arg(long, env = "ACTION_ITEM_RETENTION", value_parser = duration, default_value = "90d")]
    pub action_item_retention: Duration,
    /// How long the shadow tables of a refold stay; at least 7d.
    #[arg(long, env = "REFOLD_RETENTION", value_parser = duration, default_value = "30d")]
    pub refold_retention: Duration,
    /// How long each sweep and its certificate are kept before they are rolled up into hours, later
    /// into days and months; at least 1h. A sweep with findings stays for ever.
    #[arg(long, env = "SWEEP_RETENTION", value_parser = duration, default_value = "2h")]
    pub sweep_retention: Duration,
    /// Pause between two looks whether something may go.
    #[arg(long, env = "RETENTION_INTERVAL", value_parser = duration, default_value = "5m")]
    pub retention_interval: Duration,
}

impl RetentionArgs {
    pub(crate) fn check(self, problems: &mut Problems) -> Self {
        let floors = [
            ("OUTBOX_RETENTION", self.outbox_retention, DAY, "1d"),
            ("REFETCH_RETENTION", self.refetch_retention, DAY * 2, "2d"),
            (
                "ACTION_ITEM_RETENTION",
                self.action_item_retention,
                DAY * 7,
                "7d",
            ),
            ("REFOLD_RETENTION", self.refold_retention, DAY * 7, "7d"),
            ("SWEEP_RETENTION", self.sweep_retention, HOUR, "1h"),
        ];
        for (name, value, floor, told) in floors {
            if value < floor {
                problems.add(format!("{name} must be at least {told}"));
            }
        }
        if !self.payload_retention.is_zero() && self.payload_retention < DAY * 90 {
            problems.add("PAYLOAD_RETENTION must be at least 90d, or 0s: for ever");
        }
        if self.retention_interval < Duration::from_millis(100) {
            problems.add("RETENTION_INTERVAL must be at least 100ms");
        }
        self
    }
}

/// Certificates and sweeps, by how much time one row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Each by itself.
    Window,
    /// By the hour.
    Hour,
    /// By the day; the next is by the month, for ever.
    Day,
}

impl Level {
    /// As the database's functions call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

/// One thing that keeps a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Payloads of the ledger, each after its reading was kept.
    Payloads,
    /// Published booking events.
    Outbox,
    /// Answered refetches.
    Refetches,
    /// Things that operator actions touched.
    ActionItems,
    /// Shadow tables of refolds.
    Shadows,
    /// Sweeps, rolled up.
    Sweeps(Level),
    /// Certificates, rolled up.
    Certificates(Level),
}

impl Job {
    /// As its row of `retention_jobs` and its metric are called; a closed set.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Payloads => "payloads",
            Self::Outbox => "outbox",
            Self::Refetches => "refetches",
            Self::ActionItems => "action_items",
            Self::Shadows => "shadows",
            Self::Sweeps(_) => "sweeps",
            Self::Certificates(_) => "certificates",
        }
    }
}

/// All jobs, in the order they run, each with the second before which its rows may go.
pub fn jobs(args: &RetentionArgs, now: DateTime<Utc>) -> Vec<(Job, DateTime<Utc>)> {
    let before = |life: Duration| {
        let life = TimeDelta::from_std(life).unwrap_or(TimeDelta::MAX);
        now.checked_sub_signed(life).unwrap_or(DateTime::UNIX_EPOCH)
    };
    let mut jobs = vec![
        (Job::Outbox, before(args.outbox_retention)),
        (Job::Refetches, before(args.refetch_retention)),
        (Job::ActionItems, before(args.action_item_retention)),
        (Job::Shadows, before(args.refold_retention)),
    ];
    let levels = [
        (Level::Window, args.sweep_retention),
        (Level::Hour, HOURS_KEPT.max(args.sweep_retention)),
        (Level::Day, DAYS_KEPT.max(args.sweep_retention)),
    ];
    for (level, life) in levels {
        jobs.push((Job::Sweeps(level), before(life)));
        jobs.push((Job::Certificates(level), before(life)));
    }
    if !args.payload_retention.is_zero() {
        jobs.push((Job::Payloads, before(args.payload_retention)));
    }
    jobs
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARGS: RetentionArgs = RetentionArgs {
        payload_retention: Duration::ZERO,
        outbox_retention: Duration::from_secs(14 * 86_400),
        refetch_retention: Duration::from_secs(30 * 86_400),
        action_item_retention: Duration::from_secs(90 * 86_400),
        refold_retention: Duration::from_secs(30 * 86_400),
        sweep_retention: Duration::from_secs(7_200),
        retention_interval: Duration::from_secs(300),
    };

    fn problems(args: RetentionArgs) -> String {
        let mut problems = Problems::default();
        let _checked = args.check(&mut problems);
        problems
            .into_result()
            .map_or_else(|refused| refused.to_string(), |()| String::new())
    }

    #[test]
    fn lives_below_what_is_still_asked_for_are_refused_by_name() {
        assert_eq!(problems(ARGS), "");
        let short = Duration::from_secs(60);
        let told = problems(RetentionArgs {
            payload_retention: DAY * 89,
            outbox_retention: short,
            refetch_retention: short,
            action_item_retention: short,
            refold_retention: short,
            sweep_retention: short,
            retention_interval: Duration::ZERO,
        });
        for name in [
            "PAYLOAD_RETENTION",
            "OUTBOX_RETENTION",
            "REFETCH_RETENTION",
            "ACTION_ITEM_RETENTION",
            "REFOLD_RETENTION",
            "SWEEP_RETENTION",
            "RETENTION_INTERVAL",
        ] {
            assert!(told.contains(name), "{name}: {told}");
        }
    }

    #[test]
    fn payloads_stay_for_ever_unless_a_life_is_set() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let payloads = |args: &RetentionArgs| {
            let jobs = jobs(args, now);
            jobs.into_iter().find(|(job, _)| *job == Job::Payloads)
        };
        assert_eq!(payloads(&ARGS), None);
        let set = RetentionArgs {
            payload_retention: DAY * 400,
            ..ARGS
        };
        let before = now - TimeDelta::days(400);
        assert_eq!(payloads(&set), Some((Job::Payloads, before)));
    }

    #[test]
    fn coarser_levels_are_never_rolled_up_before_finer_ones() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let long = RetentionArgs {
            sweep_retention: DAY * 90,
            ..ARGS
        };
        for args in [ARGS, long] {
            let jobs = jobs(&args, now);
            let of = |level| {
                let found = jobs
                    .iter()
                    .find(|(job, _)| *job == Job::Certificates(level));
                found.unwrap().1
            };
            assert!(of(Level::Window) >= of(Level::Hour) && of(Level::Hour) >= of(Level::Day));
        }
    }
}
