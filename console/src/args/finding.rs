//! `bookend finding …`.

use clap::{Args, Subcommand};
use shared::ids::{BookingId, ObjectId};

use super::{LogArgs, booking_id, object_id};
use crate::action::Writing;
use crate::cursor::{self, Cursor};
use crate::finding_kind;

/// Longest identity of a finding, bytes: the most that a command may name.
const MAX_IDENTITY: usize = 512;

#[derive(Subcommand, Debug)]
pub(crate) enum FindingCommand {
    /// List open findings of folding and of sweeps, the newest first.
    ///
    /// A finding of folding is open while its contradiction holds and nobody has closed it; a
    /// finding of a sweep is open until it is repaired. The evidence is in the JSON form.
    #[command(after_long_help = "\
Example: every payment that paid a booking a second time
  bookend finding list --kind paid_twice")]
    List(FindingList),
    /// Show one finding: its objects and amounts, the rule's decision, and the options you have.
    #[command(after_long_help = "\
Example:
  bookend finding show 4711")]
    Show {
        /// The finding: its number, or its identity.
        #[arg(value_parser = identity)]
        id: String,
    },
    /// Close a finding of folding, although its contradiction holds.
    ///
    /// It stays closed while the same contradiction holds; another contradiction opens another
    /// finding. A finding of a sweep closes when it is repaired, never by hand.
    #[command(after_long_help = "\
Example: shown, then closed
  bookend finding close 4711
  bookend finding close 4711 --execute --reason \"both payments belong to the guest, INC-9\"")]
    Close(Box<FindingClose>),
}

/// Filters of `finding list`; all must hold.
#[derive(Args, Debug, Default)]
pub(crate) struct FindingList {
    /// Kind, for instance paid_twice.
    #[arg(long, value_parser = kind)]
    pub(crate) kind: Option<String>,
    /// About this booking.
    #[arg(long, value_parser = booking_id)]
    pub(crate) booking: Option<BookingId>,
    /// About this Stripe object.
    #[arg(long, value_name = "ID", value_parser = object_id)]
    pub(crate) object: Option<ObjectId>,
    /// Closed and repaired ones, too.
    #[arg(long)]
    pub(crate) all: bool,
    /// Only rows behind this cursor: `TIME/NUMBER`, as the page before printed it.
    #[arg(long, value_name = "CURSOR", value_parser = cursor::with_number)]
    pub(crate) after: Option<Cursor<i64>>,
    /// At most this many rows; the total of all that match is reported up to 10000.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
}

/// The finding to be closed.
#[derive(Args, Debug)]
pub(crate) struct FindingClose {
    /// The finding: its number, or its identity.
    #[arg(value_parser = identity)]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

fn identity(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > MAX_IDENTITY || text.chars().any(char::is_control) {
        return Err(format!(
            "1 to {MAX_IDENTITY} bytes without control characters"
        ));
    }
    Ok(text.to_owned())
}

fn kind(text: &str) -> Result<String, String> {
    if finding_kind::find(text).is_some() {
        return Ok(text.to_owned());
    }
    let names: Vec<&str> = finding_kind::all().map(|kind| kind.name).collect();
    Err(format!("one of {}", names.join(", ")))
}
