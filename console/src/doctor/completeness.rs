//! What waits for a person, or is not proven: alarms about the sender, proofs that have become old,
//! open plans, bookings that are held.
//!
//! All of it is a warning: the services work, and somebody must look. Looking and judging are apart:
//! [`judge`] is pure. Deliberately absent: what Stripe says now; these are the reconciler's notes.

use chrono::TimeDelta;
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{QueryableByName, RunQueryDsl as _, sql_query};

use super::Check;
use crate::failure::chain;

pub(super) const NAMES: [&str; 4] = ["sender", "completeness", "plans", "held bookings"];

/// Older than this, a proof does not follow the clock any more: sweeps run once a minute.
const OLD: TimeDelta = TimeDelta::hours(1);

#[derive(QueryableByName)]
struct Notes {
    #[diesel(sql_type = BigInt)]
    alarms: i64,
    /// What stands, with its subject, the oldest first.
    #[diesel(sql_type = Nullable<Text>)]
    told: Option<String>,
    /// Accounts that have a proof or were seen, without those that have disconnected.
    #[diesel(sql_type = BigInt)]
    accounts: i64,
    /// The account whose proof ends first, or that has none; empty: our own; null: nothing is proven.
    #[diesel(sql_type = Nullable<Text>)]
    held_back_by: Option<String>,
    /// Age of that proof; null: it has none.
    #[diesel(sql_type = Nullable<BigInt>)]
    age_seconds: Option<i64>,
    #[diesel(sql_type = BigInt)]
    plans: i64,
    #[diesel(sql_type = BigInt)]
    held: i64,
    #[diesel(sql_type = BigInt)]
    queues: i64,
}

const LOOK: &str = "WITH known AS (
        SELECT account, proven_to FROM proofs
        UNION ALL
        SELECT s.account, NULL FROM seen_accounts s
        WHERE NOT EXISTS (SELECT FROM proofs p WHERE p.account = s.account)
    ), standing AS (
        SELECT k.account, k.proven_to FROM known k
        WHERE NOT EXISTS (SELECT FROM accounts a WHERE a.id = k.account AND a.deauthorized)
    ), least AS (
        SELECT account, proven_to FROM standing
        ORDER BY proven_to NULLS FIRST, account LIMIT 1
    )
    SELECT
    (SELECT count(*) FROM sender_alarms WHERE cleared_at IS NULL) AS alarms,
    (SELECT string_agg(concat_ws(' ', alarm, nullif(subject, ''),
            'since ' || to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')), ', '
            ORDER BY since, alarm, subject)
     FROM sender_alarms WHERE cleared_at IS NULL) AS told,
    (SELECT count(*) FROM standing) AS accounts,
    (SELECT account FROM least) AS held_back_by,
    (SELECT extract(epoch FROM clock_timestamp() - proven_to)::bigint FROM least)
        AS age_seconds,
    (SELECT count(*) FROM repair_plans WHERE state = 'open') AS plans,
    (SELECT count(*) FROM bookings WHERE hold IS NOT NULL) AS held,
    (SELECT count(DISTINCT booking_id) FROM parked_events) AS queues";

/// One line for each; skipped where the tables cannot be read.
pub(super) fn examine(connection: &mut PgConnection) -> Vec<Check> {
    match sql_query(LOOK).get_result::<Notes>(connection) {
        Ok(notes) => judge(&notes),
        Err(error) => {
            let because = format!("the tables cannot be read: {}", chain(&error));
            NAMES
                .iter()
                .map(|name| Check::skipped(*name, because.clone()))
                .collect()
        }
    }
}

fn judge(notes: &Notes) -> Vec<Check> {
    let [sender, completeness, plans, held] = NAMES;
    vec![
        match notes.told.as_deref() {
            None => Check::ok(sender, "no alarm stands"),
            Some(told) => Check::warning(
                sender,
                format!("{} alarm(s): {told}", notes.alarms),
                "`bookend endpoint show` tells what was seen; `bookend endpoint ensure` mends the endpoint",
            ),
        },
        judge_proofs(completeness, notes),
        match notes.plans {
            0 => Check::ok(plans, "no repair waits for a person"),
            open => Check::warning(
                plans,
                format!("{open} repair(s) are too large for one sweep and wait for a person"),
                "`bookend sweep plans`, then `bookend sweep repair --plan ID`",
            ),
        },
        match (notes.held, notes.queues) {
            (0, 0) => Check::ok(
                held,
                "no booking is held, and no event waits behind another",
            ),
            (bookings, queues) => Check::warning(
                held,
                format!("{bookings} booking(s) are held, {queues} queue(s) wait"),
                "`bookend parked list` tells why events wait; what is uncertain the reconciler resolves",
            ),
        },
    ]
}

fn judge_proofs(name: &str, notes: &Notes) -> Check {
    let Some(account) = notes.held_back_by.as_deref() else {
        let fix = "start the reconciler: its sweeps prove what is complete";
        return Check::warning(name, "nothing is proven complete yet", fix);
    };
    let account = match account {
        "" => "our own account",
        account => account,
    };
    let Some(age) = notes.age_seconds else {
        let fix = "is the account among STRIPE_ACCOUNTS, and may the API key read it \
                   (`bookend finding list`)?";
        return Check::warning(name, format!("nothing is proven of {account}"), fix);
    };
    let found = format!(
        "all of {} account(s) complete up to {age} s ago, {account} the least",
        notes.accounts
    );
    if age > OLD.num_seconds() {
        let fix = "does the reconciler run, may it call Stripe for that account, and has the \
                   processor caught up (`bookend lag`)?";
        Check::warning(name, found, fix)
    } else {
        Check::ok(name, found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    fn notes() -> Notes {
        Notes {
            alarms: 0,
            told: None,
            accounts: 1,
            held_back_by: Some(String::new()),
            age_seconds: Some(120),
            plans: 0,
            held: 0,
            queues: 0,
        }
    }

    fn outcomes(notes: &Notes) -> [Outcome; 4] {
        let checks = judge(notes);
        assert!(
            checks
                .iter()
                .all(|check| (check.outcome == Outcome::Ok) == check.fix.is_none())
        );
        [0, 1, 2, 3].map(|n| checks[n].outcome)
    }

    #[test]
    fn where_nothing_waits_and_proofs_follow_the_clock_all_is_well() {
        assert_eq!(outcomes(&notes()), [Outcome::Ok; 4]);
    }

    #[test]
    fn what_waits_for_a_person_is_a_warning_of_its_own() {
        let (ok, warning) = (Outcome::Ok, Outcome::Warning);
        let alarm = Notes {
            alarms: 1,
            told: Some("silence since 2026-11-01T00:00:00Z".to_owned()),
            ..notes()
        };
        assert_eq!(outcomes(&alarm), [warning, ok, ok, ok]);
        let plan = Notes {
            plans: 1,
            ..notes()
        };
        assert_eq!(outcomes(&plan), [ok, ok, warning, ok]);
        let held = Notes { held: 1, ..notes() };
        assert_eq!(outcomes(&held), [ok, ok, ok, warning]);
        let queue = Notes {
            queues: 1,
            ..notes()
        };
        assert_eq!(outcomes(&queue), [ok, ok, ok, warning]);
    }

    #[test]
    fn a_proof_older_than_an_hour_or_none_at_all_is_a_warning() {
        let of = |age_seconds| {
            outcomes(&Notes {
                age_seconds,
                ..notes()
            })[1]
        };
        assert_eq!(of(Some(3_600)), Outcome::Ok);
        assert_eq!(of(Some(3_601)), Outcome::Warning);
        assert_eq!(of(None), Outcome::Warning);
    }

    #[test]
    fn account_that_holds_the_others_back_is_named() {
        let of = |account: Option<&str>, age_seconds| {
            let held_back_by = account.map(str::to_owned);
            judge(&Notes {
                held_back_by,
                age_seconds,
                ..notes()
            })[1]
                .found
                .clone()
        };
        assert!(of(Some("acct_1"), Some(4_000)).contains("acct_1"));
        assert!(of(Some("acct_1"), None).contains("acct_1"));
        assert!(of(Some(""), Some(10)).contains("our own account"));
        assert_eq!(of(None, None), "nothing is proven complete yet");
    }
}
