//! `bookend sweep budget`: what Stripe allows, and what of it is used.
//!
//! The allowance is Stripe's: 500 reads for each transaction on an average of 30 days, and at least
//! 10000 (docs.stripe.com/rate-limits).

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::millisecond;
use crate::args::Global;
use crate::database::read;
use crate::failure::Failure;
use crate::ledger::sweep::{self, CallsRow, Ground};
use crate::output::{self, Form, fields};

const READS_A_TRANSACTION: i64 = 500;
const LEAST_READS: i64 = 10_000;

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Budget {
    days: u8,
    calls: i64,
    calls_live: i64,
    calls_operator: i64,
    calls_background: i64,
    transactions: i64,
    allowed: i64,
    /// Calls in thousandths of what is allowed: integers, so that nobody compares fractions.
    used_per_mille: i64,
    held: bool,
    held_until: Option<DateTime<Utc>>,
}

pub(super) fn run(global: &Global) -> Result<(), Failure> {
    let (calls, ground) = read(global.timeout, "sweep_budget", |db| {
        Ok((sweep::calls(db)?, sweep::ground(db)?))
    })?;
    let budget = reckon(&calls, &ground);
    match global.output {
        Form::Json => output::json(&budget),
        Form::Table => output::text(&fields([
            ("calls in 30 days", Some(budget.calls.to_string())),
            ("  live", Some(budget.calls_live.to_string())),
            ("  operator", Some(budget.calls_operator.to_string())),
            ("  background", Some(budget.calls_background.to_string())),
            ("transactions", Some(budget.transactions.to_string())),
            ("calls allowed", Some(budget.allowed.to_string())),
            ("used", Some(percent(budget.used_per_mille))),
            ("held until", budget.held_until.map(millisecond)),
        ])),
    }
}

fn reckon(calls: &[CallsRow], ground: &Ground) -> Budget {
    let of = |purpose: &str| {
        let rows = calls.iter().filter(|row| row.purpose == purpose);
        rows.fold(0_i64, |sum, row| sum.saturating_add(row.calls))
    };
    let all = calls
        .iter()
        .fold(0_i64, |sum, row| sum.saturating_add(row.calls));
    let allowed = ground
        .transactions
        .saturating_mul(READS_A_TRANSACTION)
        .max(LEAST_READS);
    Budget {
        days: 30,
        calls: all,
        calls_live: of("live"),
        calls_operator: of("operator"),
        calls_background: of("background"),
        transactions: ground.transactions,
        allowed,
        used_per_mille: all.saturating_mul(1000).checked_div(allowed).unwrap_or(0),
        held: ground.held_until.is_some(),
        held_until: ground.held_until,
    }
}

fn percent(per_mille: i64) -> String {
    format!("{}.{} %", per_mille / 10, per_mille % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(purpose: &str, calls: i64) -> CallsRow {
        CallsRow {
            purpose: purpose.to_owned(),
            calls,
        }
    }

    #[test]
    fn the_allowance_follows_the_transactions_and_never_falls_below_ten_thousand() {
        let allowed = |transactions| {
            let held_until = None;
            let ground = Ground {
                transactions,
                held_until,
            };
            reckon(&[], &ground).allowed
        };
        assert_eq!(allowed(0), 10_000);
        assert_eq!(allowed(20), 10_000);
        assert_eq!(allowed(21), 10_500);
        assert_eq!(allowed(i64::MAX), i64::MAX);
    }

    #[test]
    fn calls_of_every_purpose_count_against_it() {
        let ground = Ground {
            transactions: 0,
            held_until: DateTime::from_timestamp(1, 0),
        };
        let all = [
            calls("live", 1_200),
            calls("operator", 30),
            calls("background", 5),
        ];
        let budget = reckon(&all, &ground);
        assert_eq!((budget.calls, budget.calls_operator), (1_235, 30));
        assert_eq!(percent(budget.used_per_mille), "12.3 %");
        assert!(budget.held);
    }
}
