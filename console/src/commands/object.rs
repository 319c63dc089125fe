//! `bookend object assign | unassign`: a command for the processor, under the key of the object's
//! latest record, so that it is ordered with the object's events.

use diesel::pg::PgConnection;
use serde::Serialize;
use serde_json::json;
use shared::commands::{Command, Wish};
use shared::db::ledger::record_keys;
use shared::folding::graph::Key;
use shared::ids::{AccountId, BookingId, ObjectId};

use super::{money, money_tables};
use crate::action::{Action, Deed, Outgoing, Step, act};
use crate::args::{AssignmentOptions, Global, ObjectAssign, ObjectCommand, ObjectUnassign};
use crate::database::Writer;
use crate::failure::Failure;
use crate::ledger::decision::{self, Assigned};
use crate::ledger::object::{self, ObjectRow};
use crate::ledger::share::{self, ShareRow};
use crate::output::fields;

/// Commands a second; an action has one.
const RATE: u32 = 100;

/// An object, the bookings that it belongs to, and its new booking.
#[derive(Debug, Serialize)]
struct Assignment {
    object: ObjectRow,
    /// Its parts, one for each booking; the row without a booking is unassigned.
    shares: Vec<ShareRow>,
    /// The decision that holds now.
    assigned: Option<Assigned>,
    /// None: no booking.
    new_booking_id: Option<String>,
    /// Whether the new booking is registered or named by any object.
    new_booking_is_known: bool,
    /// The key that the command travels under.
    key: String,
}

pub(crate) fn run(global: &Global, command: ObjectCommand) -> Result<(), Failure> {
    match command {
        ObjectCommand::Assign(args) => {
            let ObjectAssign {
                object,
                booking,
                rest,
            } = *args;
            decide(global, "object assign", &object, Some(&booking), &rest)
        }
        ObjectCommand::Unassign(args) => {
            let ObjectUnassign { object, rest } = *args;
            decide(global, "object unassign", &object, None, &rest)
        }
    }
}

fn decide(
    global: &Global,
    verb: &'static str,
    object: &ObjectId,
    booking: Option<&BookingId>,
    rest: &AssignmentOptions,
) -> Result<(), Failure> {
    let key = Key {
        account: rest
            .account
            .as_ref()
            .map(AccountId::to_string)
            .unwrap_or_default(),
        id: object.to_string(),
    };
    let deed = Deed {
        verb,
        request: json!({
            "account": key.account, "object": key.id, "booking": booking.map(BookingId::as_str),
        }),
        writing: &rest.writing,
        log: &rest.log,
        rate: RATE,
    };
    act(global, &deed, |db| {
        let plan = plan(db, &key, booking.map(BookingId::as_str))?;
        if let (Some(id), false) = (booking, plan.new_booking_is_known) {
            let id = crate::text::printable(id.as_str());
            eprintln!("bookend: booking {id} is not known yet: is it typed right?");
        }
        Ok(vec![plan])
    })
}

fn plan(db: &mut PgConnection, key: &Key, booking: Option<&str>) -> Result<Assignment, Failure> {
    let Some(object) = object::find(db, &key.account, &key.id)? else {
        return Err(Failure::NothingMatched {
            what: match key.account.as_str() {
                "" => format!(
                    "no object {}; name its connected account with --account",
                    key.id
                ),
                account => format!("no object {} of account {account}", key.id),
            },
        });
    };
    let keys = record_keys(db, std::slice::from_ref(key)).map_err(|source| Failure::Query {
        doing: "reading the object's latest record",
        source,
    })?;
    Ok(Assignment {
        object,
        shares: share::of_object(db, &key.account, &key.id)?,
        assigned: decision::assignment(db, &key.account, &key.id)?,
        new_booking_id: booking.map(str::to_owned),
        new_booking_is_known: match booking {
            Some(id) => decision::is_known(db, id)?,
            None => true,
        },
        // An object that no applied record is about is known by name only.
        key: keys.get(key).unwrap_or(&key.id).clone(),
    })
}

impl Assignment {
    fn wish(&self) -> Wish {
        Wish::Assign {
            account: self.object.account.clone(),
            object_id: self.object.id.clone(),
            booking_id: self.new_booking_id.clone(),
        }
    }

    fn describe(&self) -> String {
        let object = &self.object;
        let of = |amount| money(amount, object.currency.as_deref());
        let assigned = self.assigned.as_ref().map(|it| {
            let booking = it.booking_id.as_deref().unwrap_or("no booking");
            format!("to {booking} by {}", it.action_id)
        });
        let new = match (&self.new_booking_id, self.new_booking_is_known) {
            (None, _) => "none: its money will be unassigned".to_owned(),
            (Some(id), true) => id.clone(),
            (Some(id), false) => format!("{id} (not known yet)"),
        };
        let summary = fields([
            ("object", Some(object.id.clone())),
            ("type", Some(object.r#type.clone())),
            ("account", Some(money_tables::account(&object.account))),
            ("status", object.status.clone()),
            ("amount", of(object.amount)),
            ("paid", of(object.amount_paid)),
            ("refunded", of(object.amount_refunded)),
            ("booking now", object.booking_id.clone()),
            ("assigned now", assigned),
            ("new booking", Some(new)),
        ]);
        if self.shares.is_empty() {
            return summary;
        }
        format!("{summary}\n{}", money_tables::shares(&self.shares))
    }
}

impl Step for Assignment {
    fn subject(&self) -> String {
        Command::new("", self.wish()).subject()
    }

    fn table(rows: &[Self]) -> String {
        let rows: Vec<String> = rows.iter().map(Self::describe).collect();
        rows.join("\n")
    }

    fn outgoing(&self, _writer: &mut Writer, action: &Action) -> Result<Outgoing, Failure> {
        Outgoing::command(action, &self.key, self.wish())
    }
}
