//! `bookend sweep …`.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use shared::ids::{BookingId, EventId};

use super::{booking_id, event_id, moment};
use crate::action::Writing;
use crate::cursor::{self, Cursor};

/// Longest name that is looked for, bytes.
const LONGEST: usize = 255;

#[derive(Subcommand, Debug)]
pub(crate) enum SweepCommand {
    /// List the last sweeps, the newest first, and up to where each account is complete.
    ///
    /// COMPLETE UP TO is the end of the span whose every second lies in a window that was last found
    /// complete; it never moves over a window that differs.
    #[command(after_long_help = "\
Example: what the daily deep sweeps found this week
  bookend sweep list --kind deep --since 7d")]
    List(SweepList),
    /// List what sweeps found, the newest first: class, how sure it is, why, and what it is about.
    ///
    /// Without --all only what is not repaired. The whole evidence is in the JSON form.
    #[command(after_long_help = "\
Example: everything that was ever found about one booking, with its evidence
  bookend sweep findings --all --booking bk_000042 -o json")]
    Findings(Box<SweepFindings>),
    /// List certificates, the newest window first: both sides counted and hashed, equal or not.
    ///
    /// The JSON form is the export. A hash is SHA-256, lower-case hex, over the distinct ids in the
    /// order of their bytes, each followed by a line feed: what `LC_ALL=C sort -u | sha256sum` says
    /// about a file with one id a line. `complete` is true exactly when both sets are equal. The window
    /// is by Stripe's `created`, its start inclusive, its end exclusive.
    #[command(after_long_help = "\
Example: the proof of November, for an auditor
  bookend sweep certificates --from 2026-11-01T00:00:00Z --to 2026-12-01T00:00:00Z \\
    --limit 100000 -o json > november.json")]
    Certificates(SweepCertificates),
    /// Show how many calls to Stripe were made in 30 days, and how many are allowed.
    ///
    /// Stripe allows 500 reads for each transaction on an average of 30 days, and at least 10000.
    /// Transactions are counted as ledger events of type charge.succeeded; calls are those of the
    /// reconciler and its commands, attempts that failed included.
    #[command(after_long_help = "\
Example: is it held, because Stripe said that we are too fast?
  bookend sweep budget -o json | jq .held")]
    Budget,
    /// List repairs that were too large for one sweep, the newest first.
    ///
    /// Without --all only those that wait: for a person (open) or for the reconciler (approved).
    #[command(after_long_help = "\
Example:
  bookend sweep plans --all")]
    Plans(SweepPlans),
    /// Approve a repair that was too large for one sweep, and wait until it is carried out.
    ///
    /// Without --execute the plan is shown. Approving permits as many events as the plan says and no
    /// more; the reconciler asks Stripe once more before it publishes any. Ends with 0 when it is
    /// done, 1 when it failed, 3 when there is no such plan, 6 when it is not open any more, and 124
    /// when it was not done within --timeout (5 minutes where none is given): it stays approved.
    #[command(after_long_help = "\
Example: looked at, then approved as it was shown
  bookend sweep repair --plan plan_7f3a
  bookend sweep repair --plan plan_7f3a --expect 1712 --execute --reason \"outage of the 3rd, INC-9\"")]
    Repair(SweepRepair),
}

/// Filters of `sweep list`; all must hold.
#[derive(Args, Debug, Default)]
pub(crate) struct SweepList {
    /// Kind of sweep.
    #[arg(long, value_parser = [
        "tail", "window", "pending", "deep", "hole", "sample", "ledger", "backfill", "plan"])]
    pub(crate) kind: Option<String>,
    /// A connected account; the empty text is our own.
    #[arg(long, value_parser = account)]
    pub(crate) account: Option<String>,
    /// Begun at or after: RFC 3339, or a duration back from now (`2h`).
    #[arg(long, value_parser = moment, value_name = "TIME")]
    pub(crate) since: Option<DateTime<Utc>>,
    /// Only rows behind this cursor: `TIME/NUMBER`, as the page before printed it.
    #[arg(long, value_name = "CURSOR", value_parser = cursor::with_number)]
    pub(crate) after: Option<Cursor<i64>>,
    /// At most this many sweeps.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
}

/// Filters of `sweep findings`; all must hold.
#[derive(Args, Debug, Default)]
pub(crate) struct SweepFindings {
    /// Only what is not repaired: so it is without this, too.
    #[arg(long, conflicts_with = "all")]
    pub(crate) open: bool,
    /// What is repaired, too.
    #[arg(long)]
    pub(crate) all: bool,
    /// Class of gap, for instance never_delivered.
    #[arg(long, value_parser = name)]
    pub(crate) kind: Option<String>,
    /// About this booking.
    #[arg(long, value_parser = booking_id)]
    pub(crate) booking: Option<BookingId>,
    /// About this event.
    #[arg(long, value_parser = event_id)]
    pub(crate) event: Option<EventId>,
    /// Found by this sweep.
    #[arg(long, value_name = "ID")]
    pub(crate) sweep: Option<i64>,
    /// Waits for this plan.
    #[arg(long, value_parser = name, value_name = "ID")]
    pub(crate) plan: Option<String>,
    /// Found at or after: RFC 3339, or a duration back from now (`2h`).
    #[arg(long, value_parser = moment, value_name = "TIME")]
    pub(crate) since: Option<DateTime<Utc>>,
    /// Only rows behind this cursor: `TIME/NUMBER`, as the page before printed it.
    #[arg(long, value_name = "CURSOR", value_parser = cursor::with_number)]
    pub(crate) after: Option<Cursor<i64>>,
    /// At most this many rows.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=5000))]
    pub(crate) limit: u16,
}

/// Filters of `sweep certificates`; all must hold.
#[derive(Args, Debug, Default)]
pub(crate) struct SweepCertificates {
    /// A connected account; the empty text is our own.
    #[arg(long, value_parser = account)]
    pub(crate) account: Option<String>,
    /// Windows that end after this: RFC 3339, or a duration back from now.
    #[arg(long, value_parser = moment, value_name = "TIME")]
    pub(crate) from: Option<DateTime<Utc>>,
    /// Windows that begin before this.
    #[arg(long, value_parser = moment, value_name = "TIME")]
    pub(crate) to: Option<DateTime<Utc>>,
    /// Only rows behind this cursor: `TIME/NUMBER`, as the page before printed it.
    #[arg(long, value_name = "CURSOR", value_parser = cursor::with_number)]
    pub(crate) after: Option<Cursor<i64>>,
    /// At most this many rows.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) limit: u32,
}

/// Filters of `sweep plans`; all must hold.
#[derive(Args, Debug, Default)]
pub(crate) struct SweepPlans {
    /// What is done or failed, too.
    #[arg(long)]
    pub(crate) all: bool,
    /// A connected account; the empty text is our own.
    #[arg(long, value_parser = account)]
    pub(crate) account: Option<String>,
    /// Only rows behind this cursor: `TIME/ID`, as the page before printed it.
    #[arg(long, value_name = "CURSOR", value_parser = cursor::with_text)]
    pub(crate) after: Option<Cursor<String>>,
    /// At most this many rows.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
}

/// What is approved.
#[derive(Args, Debug)]
pub(crate) struct SweepRepair {
    /// The plan, as `sweep plans` names it.
    #[arg(long, value_parser = name, value_name = "ID")]
    pub(crate) plan: String,
    #[command(flatten)]
    pub(crate) writing: Writing,
}

fn account(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    name(text)
}

fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
        return Err(format!("1 to {LONGEST} bytes without control characters"));
    }
    Ok(text.to_owned())
}
