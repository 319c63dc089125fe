//! Open findings, by kind: how many, and since when the oldest.
//!
//! A warning: the services work, and a person should decide. Reading and evaluating are apart:
//! [`evaluate`] is pure.

use chrono::{DateTime, SecondsFormat, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Text, Timestamptz};
use diesel::{QueryableByName, RunQueryDsl as _, sql_query};

use super::Check;
use crate::failure::chain;

pub(super) const NAME: &str = "findings";

#[derive(QueryableByName)]
struct Open {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = BigInt)]
    count: i64,
    #[diesel(sql_type = Timestamptz)]
    oldest: DateTime<Utc>,
}

const STATEMENT: &str = "SELECT kind, count(*) AS count, min(found_at) AS oldest FROM findings
    WHERE repaired_at IS NULL AND closed_at IS NULL
    GROUP BY kind ORDER BY count(*) DESC, kind";

/// One line; skipped where the table cannot be read.
pub(super) fn examine(connection: &mut PgConnection) -> Check {
    match sql_query(STATEMENT).load::<Open>(connection) {
        Ok(open) => evaluate(&open),
        Err(error) => Check::skipped(NAME, format!("the table cannot be read: {}", chain(&error))),
    }
}

fn evaluate(open: &[Open]) -> Check {
    if open.is_empty() {
        return Check::ok(NAME, "none is open");
    }
    let kind = |row: &Open| {
        let oldest = row.oldest.to_rfc3339_opts(SecondsFormat::Secs, true);
        format!("{} {} (oldest {oldest})", row.count, row.kind)
    };
    let kinds: Vec<String> = open.iter().map(kind).collect();
    Check::warning(
        NAME,
        format!("open: {}", kinds.join(", ")),
        "`bookend finding list`, then `bookend finding show ID`: it names your options",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    #[test]
    fn open_findings_are_a_warning_with_their_kinds_and_ages() {
        assert_eq!(evaluate(&[]).outcome, Outcome::Ok);
        let row = |kind: &str, count| Open {
            kind: kind.to_owned(),
            count,
            oldest: DateTime::UNIX_EPOCH,
        };
        let check = evaluate(&[row("paid_twice", 2), row("unknown", 1)]);
        assert_eq!(check.outcome, Outcome::Warning);
        assert_eq!(
            check.found,
            "open: 2 paid_twice (oldest 1970-01-01T00:00:00Z), \
             1 unknown (oldest 1970-01-01T00:00:00Z)"
        );
    }
}
