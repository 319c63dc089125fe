//! `bookend parked …`.

use clap::{Args, Subcommand};
use shared::ids::EventId;

use super::{LogArgs, event_id};
use crate::action::Writing;

/// Longest name of a queue, bytes: what a command may name.
const LONGEST: usize = 512;

#[derive(Subcommand, Debug)]
pub(crate) enum ParkedCommand {
    /// List queues by name: each with its head, which alone is tried, and what waits.
    ///
    /// WAITING and OLDEST are of the first 1000 events of a queue.
    #[command(after_long_help = "\
Example: what a named rule of the schema refuses
  bookend parked list --reason constraint")]
    List(ParkedList),
    /// Show one queue in its order.
    #[command(after_long_help = "\
Example:
  bookend parked show bk_000042")]
    Show {
        /// The booking, or the key that the queue goes by.
        #[arg(value_parser = queue)]
        booking: String,
    },
    /// Try the heads of queues now, also those that were given up on.
    #[command(after_long_help = "\
Example: everything that failed for one reason, after the fix was deployed
  bookend parked release --all --reason-kind constraint
  bookend parked release --all --reason-kind constraint --execute --reason \"fixed by 1.4.2\"")]
    Release(Box<ParkedRelease>),
    /// Give up on the head of a queue, keep it as a dead letter, and go on with the next.
    #[command(after_long_help = "\
Example: the head is looked at, then skipped if it is still that event
  bookend parked skip bk_000042
  bookend parked skip bk_000042 --event evt_1 --execute --reason \"refunded by hand\"")]
    Skip(Box<ParkedSkip>),
}

/// Filters of `parked list`; all must hold.
#[derive(Args, Debug, Default)]
pub(crate) struct ParkedList {
    /// One queue.
    #[arg(long, value_parser = queue)]
    pub(crate) booking: Option<String>,
    /// Stable name of the head's error.
    #[arg(long, value_name = "KIND")]
    pub(crate) reason: Option<String>,
    /// Only queues with a greater name than this one: the last one of the page before.
    #[arg(long, value_name = "QUEUE", value_parser = queue)]
    pub(crate) after: Option<String>,
    /// At most this many queues.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
}

/// What is released.
#[derive(Args, Debug)]
pub(crate) struct ParkedRelease {
    /// Bookings, or keys that queues go by.
    #[arg(value_parser = queue, required_unless_present = "all", conflicts_with = "all")]
    pub(crate) bookings: Vec<String>,
    /// Every queue.
    #[arg(long)]
    pub(crate) all: bool,
    /// Of --all, those whose head failed for this reason.
    #[arg(
        long,
        value_name = "KIND",
        requires = "all",
        conflicts_with = "bookings"
    )]
    pub(crate) reason_kind: Option<String>,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// What is skipped.
#[derive(Args, Debug)]
pub(crate) struct ParkedSkip {
    /// The booking, or the key that the queue goes by.
    #[arg(value_parser = queue)]
    pub(crate) booking: String,
    /// Refuse (exit 6) unless this is the head: what the dry run showed.
    #[arg(long, value_parser = event_id, value_name = "ID")]
    pub(crate) event: Option<EventId>,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

fn queue(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
        return Err(format!("1 to {LONGEST} bytes without control characters"));
    }
    Ok(text.to_owned())
}
