//! Commands: what an operator wishes, as the value of a record that travels through
//! `stripe.events` under the key of what it concerns, and so is ordered with its events.
//!
//! Pure. Shape: `{"v":1,"command":…,"action_id":…, …}`, one JSON object; its record says
//! `x-record: command` and `x-source: operator`. Invariant: a command is carried out once an
//! action and subject, whatever the number of copies.
//!
//! Deliberately absent: pausing and resuming consumption. A paused consumer reads no command.

use serde::{Deserialize, Serialize};

use crate::ids::BookingId;
use crate::money::Currency;

/// Version of the shape.
const V: u32 = 1;
/// Bytes of an id that a command may name.
const MAX_ID: usize = 512;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Version of the shape: 1.
    pub v: u32,
    /// The operator's action.
    pub action_id: String,
    /// What is wished.
    #[serde(flatten)]
    pub wish: Wish,
}

/// What is wished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Wish {
    /// Fold a booking's objects from the ledger anew, by today's rules.
    Refold {
        /// The booking.
        booking_id: String,
    },
    /// Fold one object without a booking, and what is tied to it, anew.
    RefoldObject {
        /// Connected account; empty: ours.
        #[serde(default)]
        account: String,
        /// The object.
        object_id: String,
    },
    /// Try the head of a parked booking's queue now, also if it was given up on.
    Release {
        /// The booking, or the key that the queue goes by.
        booking_id: String,
    },
    /// Take the head out of a parked booking's queue without applying it, and go on with the next.
    Skip {
        /// The booking, or the key that the queue goes by.
        booking_id: String,
        /// The event that must be the head: what the operator saw.
        event_id: String,
    },
    /// Set the state of a group of dead letters, or of one.
    Resolve {
        /// The group.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fingerprint: Option<String>,
        /// The dead letter: `dead_letters.id`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dead_letter: Option<i64>,
        /// The new state.
        status: Decision,
    },
    /// Decide which booking an object belongs to, or that it belongs to none.
    Assign {
        /// Connected account; empty: ours.
        #[serde(default)]
        account: String,
        /// The object.
        object_id: String,
        /// The booking; none: no booking.
        booking_id: Option<String>,
    },
    /// Change what a booking expects.
    Amend {
        /// The booking.
        booking_id: String,
        /// Expected amount, minor units.
        amount: i64,
        /// Three lower-case letters.
        currency: String,
    },
    /// Take a booking's present net amount as what is expected.
    Accept {
        /// The booking.
        booking_id: String,
        /// The net amount that the operator saw, minor units. Another one refuses the command.
        amount: i64,
        /// Its currency, three lower-case letters.
        currency: String,
    },
    /// Close a finding, also if its contradiction holds.
    CloseFinding {
        /// The finding: `findings.identity`.
        identity: String,
        /// Why, in the person's words.
        reason: String,
    },
}

/// What a person decided about dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Somebody is looking.
    Acknowledged,
    /// Dealt with; opens again if it comes back.
    Resolved,
    /// Not worth a look; stays so if it comes back.
    Ignored,
}

impl Decision {
    /// As in `dead_letters.status`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
            Self::Ignored => "ignored",
        }
    }
}

/// Why a value is no command.
#[derive(Debug, thiserror::Error)]
pub enum NotACommand {
    /// Not JSON, or not of the shape.
    #[error("the value is no command")]
    Shape(#[source] serde_json::Error),
    /// A later version's.
    #[error("commands of version {0} are not known here")]
    Version(u32),
    /// An id is empty, too long, or not printable; or both or neither of two were given.
    #[error("the command's {0} makes no sense")]
    Field(&'static str),
}

impl Command {
    /// A command of today's version.
    #[must_use]
    pub fn new(action_id: &str, wish: Wish) -> Self {
        Self {
            v: V,
            action_id: action_id.to_owned(),
            wish,
        }
    }

    /// Reads a record's value.
    ///
    /// # Errors
    /// [`NotACommand`]: it is poison.
    pub fn parse(value: &[u8]) -> Result<Self, NotACommand> {
        let command: Self = serde_json::from_slice(value).map_err(NotACommand::Shape)?;
        if command.v != V {
            return Err(NotACommand::Version(command.v));
        }
        check("action_id", &command.action_id)?;
        match &command.wish {
            Wish::Refold { booking_id } => check_booking(booking_id)?,
            Wish::RefoldObject { object_id, .. } => check("object_id", object_id)?,
            Wish::Release { booking_id } => check("booking_id", booking_id)?,
            Wish::Skip {
                booking_id,
                event_id,
            } => {
                check("booking_id", booking_id)?;
                check("event_id", event_id)?;
            }
            Wish::Resolve {
                fingerprint,
                dead_letter,
                ..
            } => {
                if fingerprint.is_some() == dead_letter.is_some() {
                    return Err(NotACommand::Field("fingerprint or dead_letter"));
                }
            }
            Wish::Assign {
                object_id,
                booking_id,
                ..
            } => {
                check("object_id", object_id)?;
                booking_id.as_deref().map(check_booking).transpose()?;
            }
            Wish::Amend {
                booking_id,
                amount,
                currency,
            }
            | Wish::Accept {
                booking_id,
                amount,
                currency,
            } => {
                check_booking(booking_id)?;
                check_money(*amount, currency)?;
            }
            Wish::CloseFinding { identity, .. } => check("identity", identity)?,
        }
        Ok(command)
    }

    /// What the action's item is called: the booking, object, group or dead letter.
    #[must_use]
    pub fn subject(&self) -> String {
        match &self.wish {
            Wish::Refold { booking_id }
            | Wish::Release { booking_id }
            | Wish::Amend { booking_id, .. }
            | Wish::Accept { booking_id, .. }
            | Wish::Skip { booking_id, .. } => booking_id.clone(),
            Wish::RefoldObject { account, object_id }
            | Wish::Assign {
                account, object_id, ..
            } => match account.as_str() {
                "" => object_id.clone(),
                account => format!("{account}/{object_id}"),
            },
            Wish::CloseFinding { identity, .. } => identity.clone(),
            Wish::Resolve {
                fingerprint,
                dead_letter,
                ..
            } => fingerprint
                .clone()
                .unwrap_or_else(|| format!("dead_letter:{}", dead_letter.unwrap_or_default())),
        }
    }

    /// As a record's value.
    ///
    /// # Errors
    /// serde's, which cannot happen for these types.
    pub fn to_value(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

fn check_booking(id: &str) -> Result<(), NotACommand> {
    BookingId::parse(id)
        .map(|_parsed| ())
        .map_err(|_refused| NotACommand::Field("booking_id"))
}

fn check_money(amount: i64, currency: &str) -> Result<(), NotACommand> {
    let code = Currency::parse(currency).map_err(|_refused| NotACommand::Field("currency"))?;
    if amount < 0 || code.as_str() != currency {
        return Err(NotACommand::Field("amount or currency"));
    }
    Ok(())
}

fn check(field: &'static str, id: &str) -> Result<(), NotACommand> {
    if id.is_empty() || id.len() > MAX_ID || id.chars().any(char::is_control) {
        return Err(NotACommand::Field(field));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn all() -> Vec<Wish> {
        let booking = || "b-1".to_owned();
        vec![
            Wish::Refold {
                booking_id: booking(),
            },
            Wish::RefoldObject {
                account: "acct_1".into(),
                object_id: "sub_1".into(),
            },
            Wish::Release {
                booking_id: booking(),
            },
            Wish::Skip {
                booking_id: booking(),
                event_id: "evt_1".into(),
            },
            Wish::Resolve {
                fingerprint: Some("00ff".into()),
                dead_letter: None,
                status: Decision::Ignored,
            },
            Wish::Resolve {
                fingerprint: None,
                dead_letter: Some(7),
                status: Decision::Acknowledged,
            },
            Wish::Assign {
                account: String::new(),
                object_id: "pi_1".into(),
                booking_id: None,
            },
            Wish::Amend {
                booking_id: booking(),
                amount: 500,
                currency: "eur".into(),
            },
            Wish::Accept {
                booking_id: booking(),
                amount: 0,
                currency: "jpy".into(),
            },
            Wish::CloseFinding {
                identity: "00ff".into(),
                reason: "seen".into(),
            },
        ]
    }

    #[test]
    fn what_is_written_is_read() {
        for wish in all() {
            let command = Command::new("act_1", wish);
            let read = Command::parse(&command.to_value().unwrap()).unwrap();
            assert_eq!(read, command);
        }
    }

    #[test]
    fn the_shape_is_the_documented_one() {
        let command = Command::new(
            "act_1",
            Wish::Release {
                booking_id: "b-1".into(),
            },
        );
        let value: serde_json::Value =
            serde_json::from_slice(&command.to_value().unwrap()).unwrap();
        assert_eq!(
            value,
            serde_json::json!({"v": 1, "action_id": "act_1", "command": "release", "booking_id": "b-1"})
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [
            "",
            "{}",
            "[]",
            r#"{"v":2,"action_id":"a","command":"release","booking_id":"b"}"#,
            r#"{"v":1,"action_id":"","command":"release","booking_id":"b"}"#,
            r#"{"v":1,"action_id":"a","command":"release","booking_id":""}"#,
            r#"{"v":1,"action_id":"a","command":"release","booking_id":"b\n"}"#,
            r#"{"v":1,"action_id":"a","command":"explode","booking_id":"b"}"#,
            r#"{"v":1,"action_id":"a","command":"resolve","status":"resolved"}"#,
            r#"{"v":1,"action_id":"a","command":"amend","booking_id":"b","amount":-1,"currency":"eur"}"#,
            r#"{"v":1,"action_id":"a","command":"accept","booking_id":"b","amount":1,"currency":"EUR"}"#,
            r#"{"v":1,"action_id":"a","command":"close_finding","identity":"","reason":"x"}"#,
            r#"{"v":1,"action_id":"a","command":"resolve","status":"open","fingerprint":"f"}"#,
        ] {
            assert!(Command::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
