//! `bookend dead acknowledge | ignore | resolve`: a command for the processor, which alone writes
//! dead letters.

use serde::Serialize;
use serde_json::json;
use shared::commands::{Command, Decision, Wish};

use super::{group_table, table};
use crate::action::{Action, Deed, Outgoing, Step, act};
use crate::args::{DeadDecide, Global};
use crate::database::Writer;
use crate::failure::Failure;
use crate::ledger::dead::{self, DeadRow, GroupRow, MAX_LISTED_UNSETTLED};

/// What is decided about.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Subject {
    Group(GroupRow),
    DeadLetter(DeadRow),
}

#[derive(Serialize)]
struct Decided {
    #[serde(flatten)]
    subject: Subject,
    becomes: &'static str,
    #[serde(skip)]
    decision: Decision,
}

pub(super) fn run(global: &Global, args: &DeadDecide, decision: Decision) -> Result<(), Failure> {
    let id = args.id.as_ref().map(ToString::to_string);
    let deed = Deed {
        verb: match decision {
            Decision::Acknowledged => "dead acknowledge",
            Decision::Ignored => "dead ignore",
            Decision::Resolved => "dead resolve",
        },
        request: json!({"group": args.group, "dead_letter": id}),
        writing: &args.writing,
        log: &args.log,
        rate: 1,
    };
    act(global, &deed, |db| {
        let subject = match (&args.group, &args.id) {
            (Some(group), _) => Subject::Group(dead::group(db, group, MAX_LISTED_UNSETTLED)?),
            (None, Some(letter)) => Subject::DeadLetter(dead::find(db, letter)?),
            (None, None) => {
                return Err(Failure::Usage {
                    what: "a dead letter or --group is needed".to_owned(),
                });
            }
        };
        Ok(vec![Decided {
            subject,
            becomes: decision.as_str(),
            decision,
        }])
    })
}

impl Decided {
    fn wish(&self) -> Wish {
        let (fingerprint, dead_letter) = match &self.subject {
            Subject::Group(group) => (Some(group.fingerprint.clone()), None),
            Subject::DeadLetter(letter) => (None, Some(letter.id)),
        };
        Wish::Resolve {
            fingerprint,
            dead_letter,
            status: self.decision,
        }
    }
}

impl Step for Decided {
    fn subject(&self) -> String {
        Command::new("", self.wish()).subject()
    }

    fn table(rows: &[Self]) -> String {
        let mut text = String::new();
        for row in rows {
            text.push_str(&match &row.subject {
                Subject::Group(group) => group_table(std::slice::from_ref(group)),
                Subject::DeadLetter(letter) => table(std::slice::from_ref(letter)),
            });
            text.push_str(&format!("\nbecomes {}\n", row.becomes));
        }
        text
    }

    fn outgoing(&self, _writer: &mut Writer, action: &Action) -> Result<Outgoing, Failure> {
        let key = match &self.subject {
            Subject::Group(group) => format!("dead:{}", group.fingerprint),
            Subject::DeadLetter(letter) => letter.key.clone(),
        };
        Outgoing::command(action, &key, self.wish())
    }
}
