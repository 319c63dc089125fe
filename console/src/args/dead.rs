//! `bookend dead …`.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use shared::ids::{BookingId, EventId};

use super::{LogArgs, booking_id, moment};
use crate::action::Writing;
use crate::cursor::{self, Cursor};

#[derive(Subcommand, Debug)]
pub(crate) enum DeadCommand {
    /// List dead letters, the last failure first.
    ///
    /// All filters must hold. Without any, the newest are shown, whatever was decided about them.
    #[command(after_long_help = "\
Example: what nobody has looked at yet, of the last two hours, as JSON
  bookend dead list --status open --since 2h --output json")]
    List(DeadList),
    /// List groups: dead letters that failed in the same way, the last seen first.
    ///
    /// UNSETTLED counts its open and acknowledged dead letters up to 1000.
    #[command(after_long_help = "\
Example: what is open
  bookend dead groups --status open")]
    Groups(DeadGroups),
    /// Show one dead letter: its record, why it was given up on, what was decided.
    #[command(after_long_help = "\
Example: everything but the bytes, then the bytes
  bookend dead show 42
  bookend dead show 42 --payload > body.json")]
    Show {
        /// Number, event id (evt_…), or `sha256:` and the hash of the bytes.
        #[arg(value_parser = letter)]
        id: Letter,
        /// Write the exact bytes to standard output, and nothing else.
        #[arg(long)]
        payload: bool,
    },
    /// Say that somebody is looking at a group, or at one dead letter.
    #[command(after_long_help = "\
Example: the plan, then the deed
  bookend dead acknowledge --group 3f2a9c0d11e4b786
  bookend dead acknowledge --group 3f2a9c0d11e4b786 --execute --reason \"INC-7, looking\"")]
    Acknowledge(Box<DeadDecide>),
    /// Say that a group, or one dead letter, is not worth a look. It stays so if it comes back.
    #[command(after_long_help = "\
Example:
  bookend dead ignore 42 --execute --reason \"sent by our own test\"")]
    Ignore(Box<DeadDecide>),
    /// Say that a group, or one dead letter, is dealt with. It opens again if it comes back.
    #[command(after_long_help = "\
Example:
  bookend dead resolve --group 3f2a9c0d11e4b786 --execute --reason \"fixed by 1.4.2\"")]
    Resolve(Box<DeadDecide>),
    /// Publish dead letters again: the exact bytes under their key, with their own headers.
    ///
    /// Of a group, what is open or acknowledged is replayed. --timeout bounds the wait for the
    /// results, after the last is published.
    #[command(after_long_help = "\
Example: a whole group, after the fix was deployed
  bookend dead replay --group 3f2a9c0d11e4b786
  bookend dead replay --group 3f2a9c0d11e4b786 --expect 17 --execute --reason \"fixed by 1.4.2\"")]
    Replay(Box<DeadReplay>),
}

/// Filters of `dead list`; all must hold.
#[derive(Args, Debug, Default)]
pub(crate) struct DeadList {
    /// What was decided.
    #[arg(long, value_parser = ["open", "acknowledged", "resolved", "ignored", "replayed"])]
    pub(crate) status: Option<String>,
    /// Of one group, as `dead groups` names it.
    #[arg(long, value_name = "FINGERPRINT")]
    pub(crate) group: Option<String>,
    /// That hold a booking, or whose record's key it is.
    #[arg(long, value_parser = booking_id)]
    pub(crate) booking: Option<BookingId>,
    /// One event type, or a family with a star: `charge.refunded`, `charge.*`.
    #[arg(long, value_name = "TYPE")]
    pub(crate) r#type: Option<String>,
    /// Class of the error.
    #[arg(long, value_parser = ["poison", "business", "infrastructure", "unclassified"])]
    pub(crate) class: Option<String>,
    /// Last failed at or after: RFC 3339, or a duration back from now (`2h`).
    #[arg(long, value_parser = moment, value_name = "TIME")]
    pub(crate) since: Option<DateTime<Utc>>,
    /// Only rows behind this cursor: `TIME/NUMBER`, as the page before printed it.
    #[arg(long, value_name = "CURSOR", value_parser = cursor::with_number)]
    pub(crate) after: Option<Cursor<i64>>,
    /// At most this many rows.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
}

/// Filters of `dead groups`.
#[derive(Args, Debug, Default)]
pub(crate) struct DeadGroups {
    /// What was decided.
    #[arg(long, value_parser = ["open", "acknowledged", "resolved", "ignored"])]
    pub(crate) status: Option<String>,
    /// Only rows behind this cursor: `TIME/FINGERPRINT`, as the page before printed it.
    #[arg(long, value_name = "CURSOR", value_parser = cursor::with_text)]
    pub(crate) after: Option<Cursor<String>>,
    /// At most this many rows.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
}

/// What a decision is about.
#[derive(Args, Debug)]
pub(crate) struct DeadDecide {
    /// One dead letter: number, event id, or `sha256:` and a hash.
    #[arg(value_parser = letter, required_unless_present = "group", conflicts_with = "group")]
    pub(crate) id: Option<Letter>,
    /// A group, as `dead groups` names it.
    #[arg(long, value_name = "FINGERPRINT")]
    pub(crate) group: Option<String>,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// What is replayed.
#[derive(Args, Debug)]
pub(crate) struct DeadReplay {
    /// Dead letters: numbers, event ids, or `sha256:` and hashes.
    #[arg(value_parser = letter, required_unless_present = "group", conflicts_with = "group")]
    pub(crate) ids: Vec<Letter>,
    /// What is open or acknowledged of a group, as `dead groups` names it.
    #[arg(long, value_name = "FINGERPRINT")]
    pub(crate) group: Option<String>,
    /// Records a second, at most.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub(crate) rate: u32,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// What a dead letter can be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Letter {
    /// `dead_letters.id`.
    Number(i64),
    /// Its event.
    Event(EventId),
    /// SHA-256 of its bytes, lower-case hex.
    Hash(String),
}

impl std::fmt::Display for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Event(id) => write!(f, "{id}"),
            Self::Hash(hash) => write!(f, "sha256:{hash}"),
        }
    }
}

fn letter(text: &str) -> Result<Letter, String> {
    if let Some(hash) = text.strip_prefix("sha256:") {
        let is_hash = hash.len() == 64 && hash.chars().all(|c| c.is_ascii_hexdigit());
        return if is_hash {
            Ok(Letter::Hash(hash.to_ascii_lowercase()))
        } else {
            Err("sha256: is followed by 64 hex digits".to_owned())
        };
    }
    if let Ok(number) = text.parse() {
        return Ok(Letter::Number(number));
    }
    let event = EventId::parse(text).map_err(|error| error.to_string())?;
    Ok(Letter::Event(event))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_goes_by_number_event_or_hash() {
        assert_eq!(letter("42"), Ok(Letter::Number(42)));
        assert!(matches!(letter("evt_1"), Ok(Letter::Event(_))));
        let hash = "AB".repeat(32);
        assert_eq!(
            letter(&format!("sha256:{hash}")),
            Ok(Letter::Hash(hash.to_lowercase()))
        );
        for bad in ["", "sha256:", "sha256:zz", "a b", "evt_\n"] {
            assert!(letter(bad).is_err(), "{bad:?}");
        }
    }
}
