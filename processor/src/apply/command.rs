//! A command carried out: its effect, its result and progress, in one transaction.
//!
//! Invariant: a command counts once an action and subject, however often its record is read (a
//! restored database has forgotten both effect and result, and carries it out again). A command
//! that fails for a reason of its own is never tried for ever: its failure is its result.

mod decide;

use diesel::pg::PgConnection;
use shared::commands::{Command, Decision, Wish};
use shared::db::run_tx;
use shared::error::chain;

use super::refold::{MAX_ROWS, Refold, refold_booking, refold_object};
use super::upgrade::upgrading;
use super::{Applied, ApplyError, Place, Rules, advance, drain, note_jumps};
use crate::item::{CommandItem, Item};
use crate::store::actions::ItemResult;
use crate::store::{self};

/// Name of the transaction, as in `updated_by`.
pub const COMMAND: &str = "command";

/// What a command came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Done {
    /// `applied`, `no_change` or `failed`.
    pub(super) state: &'static str,
    /// In words.
    pub(super) detail: String,
}

impl Done {
    pub(super) fn applied(detail: impl Into<String>) -> Self {
        Self {
            state: "applied",
            detail: detail.into(),
        }
    }

    pub(super) fn no_change(detail: impl Into<String>) -> Self {
        Self {
            state: "no_change",
            detail: detail.into(),
        }
    }

    pub(super) fn failed(detail: impl Into<String>) -> Self {
        Self {
            state: "failed",
            detail: detail.into(),
        }
    }
}

/// Carries a command out, unless that was done before.
///
/// # Errors
/// [`ApplyError`]; nothing is left then.
pub fn carry_out(
    connection: &mut PgConnection,
    place: Place<'_>,
    (item, command): (&Item, &CommandItem),
    rules: Rules,
) -> Result<Applied, ApplyError> {
    let wish = &command.command;
    let subject = wish.subject();
    let next_offset = command.record.offset.saturating_add(1);
    upgrading(connection, rules, |connection| {
        run_tx(connection, COMMAND, |conn| {
            note_jumps(conn, place, &[item])?;
            let mut label = "copy";
            if !store::actions::is_done(conn, &wish.action_id, &subject)? {
                let done = match &command.failed {
                    Some(error) => Done::failed(error.clone()),
                    None => effect(conn, command, rules)?,
                };
                label = done.state;
                let result = ItemResult {
                    action_id: wish.action_id.clone(),
                    subject: subject.clone(),
                    state: done.state,
                    detail: Some(done.detail),
                };
                store::actions::done(conn, &[result])?;
            }
            advance(conn, place, next_offset)?;
            Ok(Applied {
                next_offset,
                outcomes: vec![(wish.action_id.clone(), label)],
            })
        })
    })
}

fn effect(conn: &mut PgConnection, item: &CommandItem, rules: Rules) -> Result<Done, ApplyError> {
    let Command {
        action_id, wish, ..
    } = &item.command;
    match wish {
        Wish::Refold { booking_id } => {
            refold_booking(conn, booking_id, action_id, rules, MAX_ROWS).map(refolded)
        }
        Wish::RefoldObject { account, object_id } => {
            let object = (account.as_str(), object_id.as_str());
            refold_object(conn, object, action_id, rules, MAX_ROWS).map(refolded)
        }
        Wish::Release { booking_id } => release(conn, booking_id),
        Wish::Skip {
            booking_id,
            event_id,
        } => skip(conn, item, (booking_id, event_id), rules),
        Wish::Resolve {
            fingerprint,
            dead_letter,
            status,
        } => resolve(
            conn,
            (fingerprint.as_deref(), *dead_letter),
            *status,
            action_id,
        ),
        Wish::Assign {
            account,
            object_id,
            booking_id,
        } => decide::assign(
            conn,
            (account, object_id),
            booking_id.as_deref(),
            action_id,
            rules,
        ),
        Wish::Amend {
            booking_id,
            amount,
            currency,
        } => decide::amend(conn, booking_id, (*amount, currency), action_id, rules),
        Wish::Accept {
            booking_id,
            amount,
            currency,
        } => decide::accept(conn, booking_id, (*amount, currency), action_id, rules),
        Wish::CloseFinding { identity, reason } => {
            decide::close_finding(conn, identity, reason, action_id)
        }
    }
}

fn refolded(refold: Refold) -> Done {
    match refold {
        Refold::Refused(refusal) => Done::failed(chain(&refusal)),
        Refold::Done(done) if done.is_change() => Done::applied(done.to_string()),
        Refold::Done(done) => Done::no_change(done.to_string()),
    }
}

fn release(conn: &mut PgConnection, queue: &str) -> Result<Done, ApplyError> {
    let Some(head) = store::parked::head(conn, queue)? else {
        return Ok(Done::no_change("nothing waits there"));
    };
    store::parked::release(conn, &head)?;
    Ok(Done::applied(format!("{head} is tried now")))
}

/// Takes the head out. Its dead letter is acknowledged by the topic before this transaction
/// (`buried`), so that what is skipped is kept like all that is given up on.
fn skip(
    conn: &mut PgConnection,
    item: &CommandItem,
    (queue, event): (&str, &str),
    rules: Rules,
) -> Result<Done, ApplyError> {
    let action_id = &item.command.action_id;
    let world = drain::lock(conn, queue, rules)?;
    match store::parked::head(conn, queue)? {
        None => return Ok(Done::no_change("nothing waits there")),
        Some(head) if head != event => {
            return Ok(Done::failed(format!("the head is {head} by now")));
        }
        Some(_) => {}
    }
    if item.buried.as_deref() != Some(event) {
        return Ok(Done::failed(format!(
            "{event} became the head a moment ago"
        )));
    }
    store::dead_letters::decide_event(conn, event, Decision::Ignored, action_id)?;
    store::parked::remove(conn, &[event])?;
    drain::lift(conn, world, queue, action_id)?;
    Ok(Done::applied(format!(
        "{event} is skipped and kept as a dead letter"
    )))
}

fn resolve(
    conn: &mut PgConnection,
    (group, letter): (Option<&str>, Option<i64>),
    decision: Decision,
    action_id: &str,
) -> Result<Done, ApplyError> {
    let changed = match (group, letter) {
        (Some(group), _) => store::dead_letters::decide_group(conn, group, decision, action_id)?,
        (None, Some(id)) => store::dead_letters::decide_one(conn, id, decision, action_id)?,
        (None, None) => 0,
    };
    Ok(match changed {
        0 => Done::no_change("nothing of that name was in another state"),
        rows => Done::applied(format!("{rows} row(s) are {} now", decision.as_str())),
    })
}
