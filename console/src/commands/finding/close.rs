//! `bookend finding close`: a command for the processor, under the key of the booking or object
//! that the finding is about.

use diesel::pg::PgConnection;
use serde::Serialize;
use serde_json::json;
use shared::commands::Wish;
use shared::db::ledger::record_keys;
use shared::folding::graph::Key;

use super::super::money_tables;
use super::find;
use crate::action::{Action, Deed, Outgoing, Reason, Step, act};
use crate::args::{FindingClose, Global};
use crate::database::Writer;
use crate::failure::Failure;
use crate::ledger::finding::{self, FindingRow};

/// Commands a second; an action has one.
const RATE: u32 = 100;

/// A finding to be closed.
#[derive(Debug, Serialize)]
struct Closing {
    finding: FindingRow,
    identity: String,
    /// The key that the command travels under.
    key: String,
    #[serde(skip)]
    reason: String,
}

pub(super) fn run(global: &Global, args: &FindingClose) -> Result<(), Failure> {
    let reason = args.writing.reason()?;
    // A dry run publishes nothing, so it needs none.
    let reason = reason.as_ref().map(Reason::as_str).unwrap_or_default();
    let deed = Deed {
        verb: "finding close",
        request: json!({"finding": args.id}),
        writing: &args.writing,
        log: &args.log,
        rate: RATE,
    };
    act(global, &deed, |db| Ok(vec![plan(db, &args.id, reason)?]))
}

fn plan(db: &mut PgConnection, id: &str, reason: &str) -> Result<Closing, Failure> {
    let finding = find(db, id)?;
    let refuse = |why: String| Failure::Precondition {
        what: format!("finding {} {why}; nothing was done", finding.id),
    };
    if let Some(sweep) = finding.sweep_id {
        return Err(refuse(format!(
            "was found by sweep {sweep}: it is closed by its repair, not by hand. See bookend \
             sweep findings and bookend sweep plans"
        )));
    }
    let Some(identity) = finding.identity.clone() else {
        return Err(refuse("was found by older rules and is closed".to_owned()));
    };
    if let Some(closure) = finding::closure(db, &identity)? {
        return Err(refuse(format!(
            "was closed by {} because: {}",
            closure.action_id, closure.reason
        )));
    }
    if finding.closed_at.is_some() {
        return Err(refuse("does not hold any more and is closed".to_owned()));
    }
    let key = key(db, &finding, &identity)?;
    Ok(Closing {
        finding,
        identity,
        key,
        reason: reason.to_owned(),
    })
}

/// The booking's key, else the object's, so that the command is ordered with their events.
fn key(db: &mut PgConnection, finding: &FindingRow, identity: &str) -> Result<String, Failure> {
    if let Some(booking) = &finding.booking_id {
        return Ok(booking.clone());
    }
    let Some(id) = finding.object_id.clone() else {
        return Ok(identity.to_owned());
    };
    let account = finding.account.clone();
    let object = Key { account, id };
    let keys = record_keys(db, std::slice::from_ref(&object)).map_err(|source| Failure::Query {
        doing: "reading the object's latest record",
        source,
    })?;
    Ok(keys.get(&object).unwrap_or(&object.id).clone())
}

impl Step for Closing {
    fn subject(&self) -> String {
        self.identity.clone()
    }

    fn table(rows: &[Self]) -> String {
        let rows: Vec<FindingRow> = rows.iter().map(|row| row.finding.clone()).collect();
        money_tables::findings(&rows)
    }

    fn outgoing(&self, _writer: &mut Writer, action: &Action) -> Result<Outgoing, Failure> {
        let wish = Wish::CloseFinding {
            identity: self.identity.clone(),
            reason: self.reason.clone(),
        };
        Outgoing::command(action, &self.key, wish)
    }
}
