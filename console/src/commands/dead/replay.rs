//! `bookend dead replay`: the exact bytes again, under their key, with their own headers.

use serde::Serialize;
use serde_json::json;

use super::table;
use crate::action::{Action, Deed, Outgoing, Step, act};
use crate::args::{DeadReplay, Global};
use crate::database::Writer;
use crate::failure::Failure;
use crate::ledger::dead::{self, DeadRow};
use crate::ledger::headers;

/// Most dead letters of one action: what can be watched by one who waits.
const MOST: i64 = 10_000;

#[derive(Serialize)]
#[serde(transparent)]
struct Again(DeadRow);

pub(super) fn run(global: &Global, args: &DeadReplay) -> Result<(), Failure> {
    let ids: Vec<String> = args.ids.iter().map(ToString::to_string).collect();
    let deed = Deed {
        verb: "dead replay",
        request: json!({"group": args.group, "dead_letters": ids, "rate": args.rate}),
        writing: &args.writing,
        log: &args.log,
        rate: args.rate,
    };
    act(global, &deed, |db| {
        let rows = match &args.group {
            Some(group) => of_group(db, group)?,
            None => {
                let mut rows = Vec::new();
                for letter in &args.ids {
                    rows.push(dead::find(db, letter)?);
                }
                // One called by two names is one.
                rows.sort_by_key(|row: &DeadRow| row.id);
                rows.dedup_by_key(|row| row.id);
                rows
            }
        };
        Ok(rows.into_iter().map(Again).collect())
    })
}

fn of_group(db: &mut diesel::pg::PgConnection, group: &str) -> Result<Vec<DeadRow>, Failure> {
    let known = dead::group(db, group, MOST.saturating_add(1))?;
    if known.unsettled > MOST {
        return Err(Failure::Precondition {
            what: format!(
                "group {group} has more than {MOST} open or acknowledged dead letters: replay it \
                 with bookend replay --dead-group {group}"
            ),
        });
    }
    let rows = dead::unsettled(db, group, MOST)?;
    if rows.is_empty() {
        return Err(Failure::NothingMatched {
            what: format!("group {group} has no open or acknowledged dead letter"),
        });
    }
    Ok(rows)
}

impl Step for Again {
    fn subject(&self) -> String {
        self.0.subject()
    }

    fn table(rows: &[Self]) -> String {
        let rows: Vec<DeadRow> = rows.iter().map(|row| row.0.clone()).collect();
        table(&rows)
    }

    /// The bytes are read when their turn comes: a group may hold more than memory should.
    fn outgoing(&self, writer: &mut Writer, action: &Action) -> Result<Outgoing, Failure> {
        let bytes = writer.run("dead_bytes", |db| dead::bytes(db, self.0.id))?;
        Ok(Outgoing {
            key: self.0.key.clone(),
            value: bytes.payload,
            headers: headers::replayed(&headers::parse(&bytes.headers), &action.id),
        })
    }
}
