//! What came of an action: its items' states, waited for.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::{QueryableByName, RunQueryDsl as _, sql_query};
use serde::Serialize;

use super::{Action, Ended, Interrupt};
use crate::database::Writer;
use crate::failure::Failure;

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How many items of an action are in each state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Results(pub(crate) BTreeMap<String, usize>);

impl Results {
    fn of(&self, states: &[&str]) -> usize {
        let counts = states.iter().filter_map(|state| self.0.get(*state));
        counts.fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Items whose result the processor still owes.
    pub(crate) fn waiting(&self) -> usize {
        self.of(&["published"])
    }

    /// Items that were never sent.
    pub(crate) fn unsent(&self) -> usize {
        self.of(&["planned"])
    }

    /// Items that came out as was wished.
    pub(crate) fn good(&self) -> usize {
        self.of(&["applied", "no_change", "ignored"])
    }

    /// All items.
    pub(crate) fn total(&self) -> usize {
        self.0.values().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// What the whole comes to, once nothing is waited for.
    pub(crate) fn ended(&self) -> Ended {
        if self.good() == self.total() {
            Ended::Done
        } else if self.good() == 0 {
            Ended::Failed
        } else {
            Ended::Partly
        }
    }

    /// `2 applied, 1 dead`.
    pub(crate) fn told(&self) -> String {
        let counts = self
            .0
            .iter()
            .map(|(state, count)| format!("{count} {state}"));
        counts.collect::<Vec<_>>().join(", ")
    }

    /// The failure that the exit code tells of an action that ended like this.
    ///
    /// # Errors
    /// 5 when some of it, 1 when none of it came out as wished.
    pub(crate) fn verdict(&self, action: &Action) -> Result<(), Failure> {
        let what = || format!("{}; see bookend action show {}", self.told(), action.id);
        match self.ended() {
            Ended::Done => Ok(()),
            Ended::Failed => Err(Failure::Undone { what: what() }),
            Ended::Partly | Ended::Interrupted => Err(Failure::InPart { what: what() }),
        }
    }
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// The items' states now.
///
/// # Errors
/// The database's.
pub(crate) fn results(db: &mut PgConnection, action: &str) -> Result<Results, Failure> {
    let counts: Vec<Count> = sql_query(
        "SELECT state, count(*) AS count FROM operator_action_items
         WHERE action_id = $1 GROUP BY state",
    )
    .bind::<Text, _>(action)
    .load(db)
    .map_err(|source| Failure::Query {
        doing: "reading the results",
        source,
    })?;
    let counts = counts.into_iter();
    Ok(Results(
        counts
            .map(|row| (row.state, usize::try_from(row.count).unwrap_or(usize::MAX)))
            .collect(),
    ))
}

/// Waits until every published item has its result. Items that were never sent are not waited for.
///
/// # Errors
/// 124 after `limit`, 130 on Ctrl-C: what is in the log is carried out all the same, and the action
/// stays `running`. The database's own.
pub(crate) fn await_results(
    writer: &mut Writer,
    action: &Action,
    limit: Duration,
    interrupt: &Interrupt,
) -> Result<Results, Failure> {
    let started = Instant::now();
    loop {
        let results = writer.run("action_results", |db| results(db, &action.id))?;
        let waiting = results.waiting();
        if waiting == 0 {
            return Ok(results);
        }
        if started.elapsed() >= limit {
            return Err(Failure::Pending {
                action: action.id.clone(),
                waiting,
                published: results.total().saturating_sub(results.unsent()),
                limit,
            });
        }
        if interrupt.wait(LOOK_EVERY) {
            return Err(Failure::Interrupted {
                what: format!(
                    "{waiting} in the log, which the processor will carry out. See the result \
                     with: bookend action show {}",
                    action.id
                ),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(counts: &[(&str, usize)]) -> Results {
        let counts = counts.iter().map(|(state, n)| ((*state).to_owned(), *n));
        Results(counts.collect())
    }

    #[test]
    fn an_action_is_done_when_all_of_it_came_out_as_wished() {
        let done = results(&[("applied", 2), ("no_change", 1), ("ignored", 1)]);
        assert_eq!(done.ended(), Ended::Done);
        assert_eq!(results(&[]).ended(), Ended::Done);
        assert_eq!(
            results(&[("applied", 2), ("dead", 1)]).ended(),
            Ended::Partly
        );
        for bad in ["dead", "parked", "failed", "unknown", "planned"] {
            assert_eq!(results(&[(bad, 1)]).ended(), Ended::Failed, "{bad}");
        }
    }

    #[test]
    fn only_what_is_in_the_log_is_waited_for() {
        let some = results(&[("published", 2), ("planned", 3), ("applied", 1)]);
        assert_eq!((some.waiting(), some.unsent(), some.total()), (2, 3, 6));
        assert_eq!(some.told(), "1 applied, 3 planned, 2 published");
    }
}
