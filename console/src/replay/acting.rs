//! Going on with a replay that somebody began.
//!
//! *Invariant:* one process at a time carries an action out: it holds the action's advisory lock
//! for as long as its connection lives, however it ends.

use diesel::pg::PgConnection;
use diesel::sql_types::{Bool, Nullable, Text};
use diesel::{QueryableByName, RunQueryDsl as _, sql_query};

use crate::failure::Failure;
use crate::ledger::rows;

#[derive(QueryableByName)]
struct Held {
    #[diesel(sql_type = Bool)]
    held: bool,
}

/// An action as it stands.
#[derive(Debug, QueryableByName)]
pub(crate) struct Action {
    #[diesel(sql_type = Text)]
    pub(crate) verb: String,
    #[diesel(sql_type = Text)]
    pub(crate) state: String,
    /// Topic that its plan was made for.
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) topic: Option<String>,
}

/// Takes the lock that keeps a second process from carrying out the same action.
///
/// # Errors
/// 6 when another holds it.
pub(crate) fn hold(connection: &mut PgConnection, action: &str) -> Result<(), Failure> {
    let query = sql_query("SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS held")
        .bind::<Text, _>(action);
    let found: Vec<Held> = rows(connection, "the action's lock", query)?;
    if found.iter().any(|row| row.held) {
        return Ok(());
    }
    Err(Failure::Precondition {
        what: format!("{action} is being carried out by another process"),
    })
}

/// The action, if there is one.
///
/// # Errors
/// [`Failure::Query`].
pub(crate) fn find(connection: &mut PgConnection, id: &str) -> Result<Option<Action>, Failure> {
    let query = sql_query(
        "SELECT verb, state, plan ->> 'topic' AS topic FROM operator_actions WHERE id = $1",
    )
    .bind::<Text, _>(id);
    let found: Vec<Action> = rows(connection, "the action", query)?;
    Ok(found.into_iter().next())
}

/// Why an action cannot be gone on with, if so. Pure.
pub(crate) fn cannot_resume(action: &Action, topic: &str) -> Option<String> {
    if !action.verb.ends_with("replay") {
        return Some(format!("it is a `{}`, not a replay", action.verb));
    }
    if action.state == "denied" {
        return Some("it was denied".to_owned());
    }
    match &action.topic {
        Some(planned) if planned != topic => Some(format!(
            "it was planned for topic {planned}, and EVENTS_TOPIC is {topic}"
        )),
        Some(_) | None => None,
    }
}

/// Notes that it runs again.
///
/// # Errors
/// [`Failure::Query`].
pub(crate) fn resume(connection: &mut PgConnection, id: &str) -> Result<(), Failure> {
    sql_query("INSERT INTO operator_action_results (action_id, state) VALUES ($1, 'running')")
        .bind::<Text, _>(id)
        .execute(connection)
        .map(drop)
        .map_err(|source| Failure::Query {
            doing: "resuming the action",
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_replay_of_the_same_topic_that_was_not_denied_is_gone_on_with() {
        let action = |verb: &str, state: &str, topic: &str| Action {
            verb: verb.into(),
            state: state.into(),
            topic: Some(topic.into()),
        };
        let refused = |verb, state, topic| cannot_resume(&action(verb, state, topic), "t");
        assert_eq!(refused("replay", "running", "t"), None);
        assert_eq!(refused("dead replay", "interrupted", "t"), None);
        assert!(refused("refold", "running", "t").is_some());
        assert!(refused("replay", "denied", "t").is_some());
        assert!(refused("replay", "interrupted", "other").is_some());
    }
}
