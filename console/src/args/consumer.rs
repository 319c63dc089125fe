//! `bookend consumer …`.

use clap::{Args, Subcommand};

use super::LogArgs;
use crate::action::Writing;

#[derive(Subcommand, Debug)]
pub(crate) enum ConsumerCommand {
    /// Show each partition, each processor, and what operators want of them.
    ///
    /// Where Kafka does not answer, the ends of the partitions are missing and the rest is shown.
    #[command(after_long_help = "\
Example: which partitions does the brake hold?
  bookend consumer status -o json | jq '.partitions[] | select(.held_since)'")]
    Status(Box<LogArgs>),
    /// Stop applying records. Webhooks are still accepted, and wait in the log.
    ///
    /// No record is published: each processor looks every second what is wanted of it.
    #[command(after_long_help = "\
Example: before a repair by hand, and not before every processor says it stands still
  bookend consumer pause --wait --execute --reason \"INC-7\"")]
    Pause(ConsumerChange),
    /// Apply records again. Partitions that the brake holds are let go, too.
    #[command(after_long_help = "\
Example:
  bookend consumer resume --wait --execute --reason \"INC-7 is over\"")]
    Resume(ConsumerChange),
}

/// How consumption is paused and resumed.
#[derive(Args, Debug)]
pub(crate) struct ConsumerChange {
    /// Topic of the events.
    #[arg(long, env = "EVENTS_TOPIC", default_value = "stripe.events")]
    pub(crate) events_topic: String,
    /// Wait, at most --timeout, until every processor says so.
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) writing: Writing,
}
