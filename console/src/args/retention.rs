//! `bookend retention …`.

use chrono::NaiveDate;
use clap::{Args, Subcommand};

use crate::action::Writing;

#[derive(Subcommand, Debug)]
pub(crate) enum RetentionCommand {
    /// Show how far each job has got: the reconciler keeps the lives by itself.
    #[command(after_long_help = "\
Example:
  bookend retention show --output json")]
    Show,
    /// Detach a month of the ledger, whose payloads are all gone, as a table of its own.
    ///
    /// Dedupe knows its ids for ever. The table stays in the database until it is archived and
    /// dropped: see docs/retention.md. A month that ended less than six months ago is refused.
    #[command(after_long_help = "\
Example: looked at, then done
  bookend retention detach 2024-01
  bookend retention detach 2024-01 --execute --reason \"archived as s3://…/2024-01\"")]
    Detach(RetentionDetach),
}

/// A month.
#[derive(Args, Debug)]
pub(crate) struct RetentionDetach {
    /// The month of the events' `created`, UTC: `2024-01`.
    #[arg(value_parser = month)]
    pub(crate) month: NaiveDate,
    #[command(flatten)]
    pub(crate) writing: Writing,
}

fn month(text: &str) -> Result<NaiveDate, String> {
    NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d")
        .map_err(|_error| "not a month like 2024-01".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_a_year_and_a_number() {
        assert_eq!(
            month("2024-02"),
            Ok(NaiveDate::from_ymd_opt(2024, 2, 1).unwrap())
        );
        for bad in ["", "2024", "2024-13", "2024-01-05", "January"] {
            assert!(month(bad).is_err(), "{bad}");
        }
    }
}
