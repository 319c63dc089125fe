//! What can be typed. Parsing only: nothing here reads the database, and a wrong argument ends
//! with 2 before anything is tried. Secrets are never arguments: a process list shows those.

mod action;
mod booking;
mod consumer;
mod dead;
mod endpoint;
mod erase;
mod finding;
mod object;
mod parked;
mod retention;
mod secrets;
mod sweep;

pub(crate) use action::{ActionCommand, ActionList};
pub(crate) use booking::{BookingAccept, BookingAmend, BookingAudit, BookingCommand, BookingList};
pub(crate) use consumer::{ConsumerChange, ConsumerCommand};
pub(crate) use dead::{DeadCommand, DeadDecide, DeadGroups, DeadList, DeadReplay, Letter};
pub(crate) use endpoint::{EndpointCommand, EndpointEnsure, EndpointShow, StripeAccess};
pub(crate) use erase::{EraseArgs, Person};
pub(crate) use finding::{FindingClose, FindingCommand, FindingList};
pub(crate) use object::{AssignmentOptions, ObjectAssign, ObjectCommand, ObjectUnassign};
pub(crate) use parked::{ParkedCommand, ParkedList, ParkedRelease, ParkedSkip};
pub(crate) use retention::{RetentionCommand, RetentionDetach};
pub(crate) use secrets::{SecretsCommand, SecretsRoll, SecretsStatus};
pub(crate) use sweep::{
    SweepCertificates, SweepCommand, SweepFindings, SweepList, SweepPlans, SweepRepair,
};

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::parser::ValueSource;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use shared::clock::{Clock as _, SystemClock};
use shared::config::{Deployment, KafkaArgs};
use shared::ids::{AccountId, BookingId, EventId, ObjectId};

use crate::cursor::{self, Cursor};
use crate::output::Form;
use crate::refold::RefoldArgs;
use crate::replay::args::ReplayArgs;

/// Looks into Bookend's ledger and bookings, and carries out what operators decide.
///
/// What writes is a dry run until --execute and --reason are given.
#[derive(Parser, Debug)]
#[command(name = "bookend", version, propagate_version = true, after_long_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 ok, 1 failed, 2 usage, 3 nothing matched, 4 not allowed, 5 in part, \
6 precondition, 7 does not add up, 78 configuration, 124 timed out, 130 interrupted.";

/// Options of every command.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// The form of the answer.
    #[arg(short, long, value_enum, default_value_t = Form::Table, global = true)]
    pub(crate) output: Form,
    /// Give up after this time, with exit code 124.
    #[arg(long, value_parser = timeout, default_value = "30s", global = true)]
    pub(crate) timeout: Duration,
    /// Nobody said how long: a command that takes its time may take more.
    #[arg(skip)]
    pub(crate) timeout_is_default: bool,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Events and observations in the ledger.
    Event {
        #[command(subcommand)]
        command: EventCommand,
    },
    /// Bookings: their state and its causes, their expected amounts, and whether the money adds up.
    Booking {
        #[command(subcommand)]
        command: BookingCommand,
    },
    /// Stripe objects, and the booking that each belongs to.
    Object {
        #[command(subcommand)]
        command: ObjectCommand,
    },
    /// Findings: contradictions and gaps that a person should decide about.
    Finding {
        #[command(subcommand)]
        command: FindingCommand,
    },
    /// Dead letters: events that were given up on.
    Dead {
        #[command(subcommand)]
        command: DeadCommand,
    },
    /// Queues of events that wait behind one that could not be applied.
    Parked {
        #[command(subcommand)]
        command: ParkedCommand,
    },
    /// Who applies which partition, and whether they should.
    Consumer {
        #[command(subcommand)]
        command: ConsumerCommand,
    },
    /// What the reconciler compared, found, proved and repaired.
    Sweep {
        #[command(subcommand)]
        command: SweepCommand,
    },
    /// Our webhook endpoint at Stripe.
    Endpoint {
        #[command(subcommand)]
        command: EndpointCommand,
    },
    /// The endpoints' signing secrets: which still sign, and rolling one.
    Secrets {
        #[command(subcommand)]
        command: SecretsCommand,
    },
    /// What was done by hand: who, when, why, and what came of it.
    Action {
        #[command(subcommand)]
        command: ActionCommand,
    },
    /// Show how far the processor is behind the log, and what else waits.
    ///
    /// Progress is what Postgres says: the consumer group's offsets are only a hint. The end of
    /// the log is read first, so that a record is never called applied before it is.
    #[command(after_long_help = "\
Example: how many records wait, as JSON
  bookend lag --output json | jq .records")]
    Lag(LogArgs),
    /// Fold bookings or objects anew from the ledger, by today's rules.
    ///
    /// Without --execute nothing is written: a shadow is folded and the difference shown, field by
    /// field. With --execute --reason the processor is asked, through the log, to refold exactly
    /// what differs, and its results are waited for. --all folds everything into shadow tables; it
    /// can be interrupted and gone on with, and --promote makes right what it found.
    #[command(after_long_help = "\
Example: what a bug left behind in everything, and then its repair
  bookend refold --all --output json
  bookend refold --promote ref_00000000000000000000000000000001 --execute --reason 'refunds were halved'")]
    Refold(Box<RefoldArgs>),
    /// Publish events again, from the log or the ledger: what they are is looked at once more.
    ///
    /// Without --execute it only tells what would be done. Where reading begins is said in the
    /// words of kafka-consumer-groups; all filters must hold. An event that was applied already
    /// changes nothing, and no fact about it is sent twice. Commands are never replayed. Every
    /// execution is an action with its reason, its plan and the result of each event; it can be
    /// interrupted and gone on with by --resume. --timeout bounds publishing and waiting together;
    /// without it they may take an hour.
    #[command(after_long_help = "\
Example: what was given up on since noon, looked at, then done
  bookend replay --to-datetime 2026-11-01T12:00:00Z --disposition dead
  bookend replay --to-datetime 2026-11-01T12:00:00Z --disposition dead \\
    --execute --reason \"fixed in 1.4.2\" --expect 17")]
    Replay(Box<ReplayArgs>),
    /// Erase a person's data: blank the payloads that hold it.
    ///
    /// Without --execute it only tells what would go. Searched are all payloads of the ledger and of
    /// the dead letters; with an event go all events of the objects that it is about or that links
    /// tie to it. Ids, hashes, signatures, times and amounts stay, so money and audit trail are as
    /// before; `event verify` says that the evidence was erased. Erase the person at Stripe first: what
    /// Stripe sends later is stored again. Kafka forgets by itself: until when is said. --timeout
    /// bounds the search, which reads every payload.
    #[command(after_long_help = "\
Example: looked at, then done
  bookend erase --customer cus_9s6XKzkNRiz8i3 --email jenny.rosen@example.com --timeout 30m
  bookend erase --customer cus_9s6XKzkNRiz8i3 --email jenny.rosen@example.com --timeout 30m \\
    --execute --reason \"request 2026-117\" --expect 23")]
    Erase(Box<EraseArgs>),
    /// How long each table keeps its rows, and months that leave the ledger.
    Retention {
        #[command(subcommand)]
        command: RetentionCommand,
    },
    /// Check every setting and every dependency, one line each, with what to do about it.
    ///
    /// Settings are read from the environment, as the services read them. A check that cannot be
    /// made because another failed is named, too. Nothing is changed anywhere; Stripe is asked for
    /// one event. Ends with 0 when nothing failed, else with 1.
    #[command(after_long_help = "\
Example: what the ingestor needs, from where it runs
  bookend doctor --service ingestor")]
    Doctor(DoctorArgs),
}

/// Reads what was typed.
pub(crate) fn parse() -> Cli {
    let matches = Cli::command().get_matches();
    let default = matches.value_source("timeout") == Some(ValueSource::DefaultValue);
    let mut cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    cli.global.timeout_is_default = default;
    cli
}

/// Where the log is.
#[derive(Args, Debug)]
pub(crate) struct LogArgs {
    /// `development` permits Kafka without TLS.
    #[arg(long, env = "DEPLOYMENT", value_enum, default_value = "production")]
    pub(crate) deployment: Deployment,
    #[command(flatten)]
    pub(crate) kafka: KafkaArgs,
}

/// Whose needs are checked.
#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// Only what this service needs; without it, what any of them does.
    #[arg(long, value_enum)]
    pub(crate) service: Option<Service>,
}

/// A service of Bookend's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Service {
    Ingestor,
    Processor,
    Reconciler,
}

#[derive(Subcommand, Debug)]
pub(crate) enum EventCommand {
    /// List ledger rows, newest first.
    ///
    /// Rows are sorted by the event's own time, then by id. Without a filter the newest are shown.
    /// One filter is answered by an index: --booking, --disposition parked or dead, a --source other
    /// than webhook, or a whole --type. The others are checked row by row, and a page examines 20000
    /// rows at most; standard error, and `next` in JSON, name the cursor to go on with.
    #[command(after_long_help = "\
Example: the last two hours' events that were given up on, as JSON
  bookend event list --disposition dead --since 2h --output json
Example: the page behind the last row of the one before
  bookend event list --after 2026-11-01T12:00:00Z/evt_1QxMdbLkdIwHu7ixFVbO2Q3a")]
    List(EventList),
    /// Show one ledger row: where it came from, where it lies, what it did.
    #[command(after_long_help = "\
Example:
  bookend event show evt_1QxMdbLkdIwHu7ixFVbO2Q3a")]
    Show {
        /// An event id (evt_…) or an observation's (obs_…).
        #[arg(value_parser = event_id)]
        id: EventId,
    },
    /// Write the stored body, byte for byte, to standard output.
    #[command(after_long_help = "\
Example: the body as it was signed, for another tool
  bookend event payload evt_1QxMdbLkdIwHu7ixFVbO2Q3a > body.json")]
    Payload {
        /// An event id (evt_…) or an observation's (obs_…).
        #[arg(value_parser = event_id)]
        id: EventId,
    },
    /// Check the stored bytes against the stored signature and the signing secrets given.
    ///
    /// The age of the signature is not judged: this is evidence, not a delivery. Secrets are read
    /// from STRIPE_WEBHOOK_SECRETS, from the file named by STRIPE_WEBHOOK_SECRETS_FILE, or from
    /// --secrets-file (`-` is standard input); exactly one of them. Ends with 0 when a secret
    /// verifies the row, 1 when none does or the bytes do not match their hash, 6 when the row
    /// carries no signature (observations, and what the reconciler found).
    #[command(after_long_help = "\
Example: with the secret from a password store
  pass show stripe/webhook | bookend event verify --secrets-file - evt_1QxMdbLkdIwHu7ixFVbO2Q3a")]
    Verify {
        /// An event id (evt_…).
        #[arg(value_parser = event_id)]
        id: EventId,
        /// A file of signing secrets, one a line, optionally `name=whsec_…`; `-` is standard input.
        #[arg(long, value_name = "PATH")]
        secrets_file: Option<PathBuf>,
    },
}

/// Filters of `event list`; all must hold.
#[derive(Args, Debug, Default)]
pub(crate) struct EventList {
    /// Events of one booking.
    #[arg(long, value_parser = booking_id)]
    pub(crate) booking: Option<BookingId>,
    /// One event type, or a family with a star: `charge.refunded`, `charge.*`.
    #[arg(long, value_name = "TYPE")]
    pub(crate) r#type: Option<String>,
    /// What became of it.
    #[arg(long, value_parser = ["applied", "no_change", "ignored", "parked", "dead"])]
    pub(crate) disposition: Option<String>,
    /// How it came here.
    #[arg(long, value_parser = ["webhook", "reconciler", "refetch", "replay", "operator"])]
    pub(crate) source: Option<String>,
    /// Created at or after: RFC 3339, or a duration back from now (`2h`).
    #[arg(long, value_parser = moment, value_name = "TIME")]
    pub(crate) since: Option<DateTime<Utc>>,
    /// Created before: RFC 3339, or a duration back from now.
    #[arg(long, value_parser = moment, value_name = "TIME")]
    pub(crate) until: Option<DateTime<Utc>>,
    /// Only rows behind this cursor: `TIME/ID`, as the page before printed it.
    #[arg(long, value_name = "CURSOR", value_parser = cursor::with_text)]
    pub(crate) after: Option<Cursor<String>>,
    /// At most this many rows.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
}

pub(crate) fn event_id(text: &str) -> Result<EventId, String> {
    EventId::parse(text).map_err(|error| error.to_string())
}

pub(crate) fn booking_id(text: &str) -> Result<BookingId, String> {
    BookingId::parse(text).map_err(|error| error.to_string())
}

pub(crate) fn object_id(text: &str) -> Result<ObjectId, String> {
    ObjectId::parse(text).map_err(|error| error.to_string())
}

pub(crate) fn account_id(text: &str) -> Result<AccountId, String> {
    AccountId::parse(text).map_err(|error| error.to_string())
}

/// 1 ms to one hour: long enough for a full scan, short enough that nobody waits for ever.
fn timeout(text: &str) -> Result<Duration, String> {
    let limit = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if limit < Duration::from_millis(1) || limit > Duration::from_hours(1) {
        return Err("between 1ms and 1h".to_owned());
    }
    Ok(limit)
}

pub(crate) fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.with_timezone(&Utc));
    }
    let ago = humantime::parse_duration(text)
        .map_err(|_error| "neither an RFC 3339 time nor a duration like 2h".to_owned())?;
    let ago = chrono::TimeDelta::from_std(ago).map_err(|error| error.to_string())?;
    now()
        .checked_sub_signed(ago)
        .ok_or_else(|| "too far back".to_owned())
}

fn now() -> DateTime<Utc> {
    SystemClock.now()
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;

    #[test]
    fn the_command_tree_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        let told = |command: &clap::Command, example: &str| {
            let help = command.get_after_long_help().map(ToString::to_string);
            assert!(
                help.is_some_and(|help| help.contains(example)),
                "no example: {example}"
            );
        };
        for noun in Cli::command().get_subcommands() {
            let name = format!("bookend {}", noun.get_name());
            if noun.has_subcommands() {
                for verb in noun.get_subcommands() {
                    told(verb, &format!("{name} {}", verb.get_name()));
                }
            } else {
                told(noun, &name);
            }
        }
    }

    #[test]
    fn ids_that_cannot_exist_are_usage_errors() {
        for id in [
            "",
            "evt 1",
            "evt_1'; DROP TABLE events; --",
            "evt_\0",
            "évt",
        ] {
            assert!(
                Cli::try_parse_from(["bookend", "event", "show", id]).is_err(),
                "{id:?}"
            );
        }
    }

    #[test]
    fn times_are_rfc_3339_or_durations() {
        assert!(moment("2026-11-01T00:00:00Z").is_ok());
        assert!(moment("2h").is_ok_and(|time| time < now()));
        for bad in ["yesterday", "2026-11-01", "", "-2h", "99999999999y"] {
            assert!(moment(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_timeout_is_bounded() {
        assert!(timeout("30s").is_ok());
        for bad in ["0s", "2h", "soon", ""] {
            assert!(timeout(bad).is_err(), "{bad:?}");
        }
    }
}
