//! The rows of an action: begun before anything is published, ended when its results are known,
//! and refused attempts.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text};
use diesel::{QueryableByName, RunQueryDsl as _, sql_query};
use serde_json::Value;
use shared::clock::{Clock as _, SystemClock};
use std::time::Duration;

use super::{Operator, Reason, id};
use crate::database::Writer;
use crate::failure::Failure;

/// Items of one INSERT.
const CHUNK: usize = 5_000;

/// Something that an operator wants done now, with `--execute`.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// Noun and verb, for instance `dead replay`.
    pub(crate) verb: &'static str,
    pub(crate) reason: Reason,
    /// What was asked for; relative times resolved.
    pub(crate) request: Value,
    pub(crate) operator: Operator,
}

/// One thing of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// As `shared::commands::Command::subject` for a command; for a replayed record its event id,
    /// else `sha256:` and the hash of its value.
    pub(crate) subject: String,
    /// Partition and offset that it is read from, if it is read from the log.
    pub(crate) source: Option<(i32, i64)>,
}

/// An action that has begun.
#[derive(Debug, Clone)]
pub(crate) struct Action {
    pub(crate) id: String,
}

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Done,
    Partly,
    Failed,
    Interrupted,
}

impl Ended {
    /// As in `operator_actions.state`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Partly => "partly",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

impl Attempt {
    /// # Errors
    /// 78 when the operator's name is none.
    pub(crate) fn new(verb: &'static str, reason: Reason, request: Value) -> Result<Self, Failure> {
        Ok(Self {
            verb,
            reason,
            request,
            operator: Operator::current()?,
        })
    }

    /// Records that it was refused, and why, over a connection of its own: the one it was refused
    /// on may be broken. A role that may only read leaves no row: `false`.
    ///
    /// # Errors
    /// The database's; then the refusal is not recorded.
    pub(crate) fn denied(&self, limit: Duration, because: &str) -> Result<bool, Failure> {
        let id = new_id();
        Writer::connect(limit)?.run("note_denied_action", |db| {
            if !may_record(db)? {
                return Ok(false);
            }
            sql_query("SELECT note_denied_action($1, $2, $3, $4, $5, $6::json, $7)")
                .bind::<Text, _>(&id)
                .bind::<Text, _>(&self.operator.who)
                .bind::<Text, _>(&self.operator.host)
                .bind::<Text, _>(self.verb)
                .bind::<Text, _>(self.reason.as_str())
                .bind::<Text, _>(self.request.to_string())
                .bind::<Text, _>(because)
                .execute(db)
                .map_err(|source| Failure::Query {
                    doing: "recording a refused attempt",
                    source,
                })?;
            Ok(true)
        })
    }
}

/// Whether this role may record that it was refused.
fn may_record(db: &mut PgConnection) -> Result<bool, Failure> {
    let statement = "SELECT has_function_privilege(
             'note_denied_action(text, text, text, text, text, json, text)', 'EXECUTE') AS allowed,
         current_user::text AS role";
    let answer: Allowed = sql_query(statement)
        .get_result(db)
        .map_err(|source| Failure::Query {
            doing: "reading the role's rights",
            source,
        })?;
    Ok(answer.allowed)
}

/// Runs `work`, and records the attempt as denied where it is refused: 4 and 6. Standard error tells
/// where it is not recorded; the refusal stands.
///
/// # Errors
/// `work`'s own.
pub(crate) fn guarded<T>(
    attempt: &Attempt,
    limit: Duration,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let outcome = work();
    if let Err(refusal @ (Failure::NotAllowed { .. } | Failure::Precondition { .. })) = &outcome {
        match attempt.denied(limit, &refusal.explain()) {
            Ok(true) => {}
            Ok(false) => {
                eprintln!("bookend: the refused attempt of a role that only reads is not recorded")
            }
            Err(failure) => {
                let why = crate::text::printable(&failure.explain());
                eprintln!("bookend: the refused attempt could not be recorded: {why}");
            }
        }
    }
    outcome
}

#[derive(QueryableByName)]
struct Allowed {
    #[diesel(sql_type = Bool)]
    allowed: bool,
    #[diesel(sql_type = Text)]
    role: String,
}

/// Whether this role may act at all: who may not record an action may not take one. To be asked
/// before anything else is looked at.
///
/// # Errors
/// 4 when it may not.
pub(crate) fn may_act(db: &mut PgConnection) -> Result<(), Failure> {
    let statement = "SELECT has_any_column_privilege('operator_actions', 'INSERT')
            AND has_any_column_privilege('operator_action_items', 'INSERT') AS allowed,
        current_user::text AS role";
    let answer: Allowed = sql_query(statement)
        .get_result(db)
        .map_err(|source| Failure::Query {
            doing: "reading the role's rights",
            source,
        })?;
    if answer.allowed {
        return Ok(());
    }
    let role = answer.role;
    Err(Failure::NotAllowed {
        what: format!("the database role {role} may not act, it may only look"),
    })
}

/// Writes the action and its items in one transaction and commits. `also` may add what belongs in
/// the same transaction. Items with a subject that was there already are dropped.
///
/// # Errors
/// 4 when the role may not; `also`'s own; the database's. Then nothing was written, unless it was
/// the commit that failed: then an action that did nothing may be there.
pub(crate) fn begin(
    writer: &mut Writer,
    attempt: &Attempt,
    plan: &Value,
    items: &[Item],
    also: impl FnOnce(&mut PgConnection, &str) -> Result<(), Failure>,
) -> Result<Action, Failure> {
    writer.run("action_begin", |db| {
        may_act(db)?;
        let id = id::after(new_id(), greatest(db)?.as_deref());
        insert_action(db, &id, attempt, plan)?;
        let mut seq = 0;
        for chunk in items.chunks(CHUNK) {
            seq = insert_items(db, &id, chunk, seq)?;
        }
        also(db, &id)?;
        Ok(Action { id })
    })
}

/// The greatest name of an action: the next one must be greater, whatever this machine's clock says.
fn greatest(db: &mut PgConnection) -> Result<Option<String>, Failure> {
    #[derive(QueryableByName)]
    struct Greatest {
        #[diesel(sql_type = Nullable<Text>)]
        id: Option<String>,
    }
    let row: Greatest = sql_query("SELECT max(id) AS id FROM operator_actions")
        .get_result(db)
        .map_err(|source| Failure::Query {
            doing: "reading the last action",
            source,
        })?;
    Ok(row.id)
}

fn insert_action(
    db: &mut PgConnection,
    id: &str,
    attempt: &Attempt,
    plan: &Value,
) -> Result<(), Failure> {
    sql_query(
        "INSERT INTO operator_actions (id, who, host, verb, reason, request, plan)
         VALUES ($1, $2, $3, $4, $5, $6::json, $7::json)",
    )
    .bind::<Text, _>(id)
    .bind::<Text, _>(&attempt.operator.who)
    .bind::<Text, _>(&attempt.operator.host)
    .bind::<Text, _>(attempt.verb)
    .bind::<Text, _>(attempt.reason.as_str())
    .bind::<Text, _>(attempt.request.to_string())
    .bind::<Text, _>(plan.to_string())
    .execute(db)
    .map(drop)
    .map_err(|source| Failure::Query {
        doing: "recording the action",
        source,
    })
}

/// Returns the number of the next item.
fn insert_items(
    db: &mut PgConnection,
    id: &str,
    items: &[Item],
    first: i64,
) -> Result<i64, Failure> {
    let subjects: Vec<&str> = items.iter().map(|item| item.subject.as_str()).collect();
    let partitions: Vec<Option<i32>> = items.iter().map(|i| Some(i.source?.0)).collect();
    let offsets: Vec<Option<i64>> = items.iter().map(|i| Some(i.source?.1)).collect();
    sql_query(
        "INSERT INTO operator_action_items
             (action_id, subject, seq, source_partition, source_offset)
         SELECT $1, i.subject, $2 + i.position - 1, i.partition, i.\"offset\"
         FROM unnest($3::text[], $4::integer[], $5::bigint[]) WITH ORDINALITY
             AS i(subject, partition, \"offset\", position)
         ON CONFLICT (action_id, subject) DO NOTHING",
    )
    .bind::<Text, _>(id)
    .bind::<BigInt, _>(first)
    .bind::<Array<Text>, _>(subjects)
    .bind::<Array<Nullable<Integer>>, _>(partitions)
    .bind::<Array<Nullable<BigInt>>, _>(offsets)
    .execute(db)
    .map_err(|source| Failure::Query {
        doing: "recording the action's items",
        source,
    })?;
    let written = i64::try_from(items.len()).unwrap_or(i64::MAX);
    Ok(first.saturating_add(written))
}

impl Action {
    /// Adds how it ended, what came of it and when; the action shows the last such row.
    ///
    /// # Errors
    /// The database's: what was done stays done, only the note is missing.
    pub(crate) fn finish(
        &self,
        writer: &mut Writer,
        ended: Ended,
        result: &Value,
    ) -> Result<(), Failure> {
        writer.run("action_finish", |db| self.finish_within(db, ended, result))
    }

    /// [`Self::finish`] in the caller's transaction.
    pub(crate) fn finish_within(
        &self,
        db: &mut PgConnection,
        ended: Ended,
        result: &Value,
    ) -> Result<(), Failure> {
        sql_query(
            "INSERT INTO operator_action_results (action_id, state, result) VALUES ($1, $2, $3::json)",
        )
        .bind::<Text, _>(&self.id)
        .bind::<Text, _>(ended.as_str())
        .bind::<Text, _>(result.to_string())
        .execute(db)
        .map(drop)
        .map_err(|source| Failure::Query {
            doing: "recording the action's end",
            source,
        })
    }
}

fn new_id() -> String {
    static NAMES: id::Names = id::Names::new();
    let now: DateTime<Utc> = SystemClock.now();
    NAMES.next(now, rand::random())
}
