//! `bookend action …`.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

use super::moment;
use crate::cursor::{self, Cursor};

#[derive(Subcommand, Debug)]
pub(crate) enum ActionCommand {
    /// List what was done by hand, the newest first; refused attempts included.
    #[command(after_long_help = "\
Example: what was refused this week
  bookend action list --state denied --since 7d")]
    List(ActionList),
    /// Show one action: who, when, why, what, and what came of each thing it touched.
    #[command(after_long_help = "\
Example:
  bookend action show act_019a5f0e5c7b4f2f9c6d1e0b7a8d3c21")]
    Show {
        /// The action: `act_` and 32 hex digits.
        #[arg(value_parser = action_id)]
        id: String,
    },
}

/// Filters of `action list`; all must hold.
#[derive(Args, Debug, Default)]
pub(crate) struct ActionList {
    /// How it stands.
    #[arg(long, value_parser = ["running", "done", "partly", "failed", "interrupted", "denied"])]
    pub(crate) state: Option<String>,
    /// By whom.
    #[arg(long)]
    pub(crate) who: Option<String>,
    /// Begun at or after: RFC 3339, or a duration back from now (`2h`).
    #[arg(long, value_parser = moment, value_name = "TIME")]
    pub(crate) since: Option<DateTime<Utc>>,
    /// Only rows behind this cursor: `TIME/ID`, as the page before printed it.
    #[arg(long, value_name = "CURSOR", value_parser = cursor::with_text)]
    pub(crate) after: Option<Cursor<String>>,
    /// At most this many rows.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
}

fn action_id(text: &str) -> Result<String, String> {
    let hex = text.strip_prefix("act_").unwrap_or_default();
    if hex.len() == 32 && hex.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')) {
        return Ok(text.to_owned());
    }
    Err("act_ and 32 lower-case hex digits".to_owned())
}
