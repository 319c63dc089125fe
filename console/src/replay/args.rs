//! What can be typed after `bookend replay`, in the words of `kafka-consumer-groups
//! --reset-offsets`, and what it comes to.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;
use shared::ids::{AccountId, BookingId, EventId};

use super::filter::{Filter, OWN, TypeFilter};
use super::find::{Request, Source};
use super::start::{Scope, Start, offsets};
use super::times::{iso_duration, moment};
use crate::action::Writing;
use crate::args::LogArgs;
use crate::failure::Failure;

/// Bytes of a file of offsets.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Where reading begins: one of these.
#[derive(Args, Debug, Default)]
#[group(id = "start", multiple = false)]
pub(crate) struct StartArgs {
    /// At the log's beginning (with `--source ledger`: the ledger's).
    #[arg(long)]
    pub(crate) to_earliest: bool,
    /// At this offset of each partition.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) to_offset: Option<i64>,
    /// So many records of each partition before our progress: a negative number.
    #[arg(long, value_name = "-N", allow_negative_numbers = true, value_parser = back)]
    pub(crate) shift_by: Option<i64>,
    /// At the first record that was received then or later; without a zone it is UTC.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) to_datetime: Option<DateTime<Utc>>,
    /// So long ago: ISO 8601, for instance PT1H30M.
    #[arg(long, value_name = "DURATION", value_parser = iso_duration)]
    pub(crate) by_duration: Option<chrono::TimeDelta>,
    /// At the offsets of this file: `topic,partition,offset` a line, as
    /// `kafka-consumer-groups --export` and `--export` here write it.
    #[arg(long, value_name = "FILE")]
    pub(crate) from_file: Option<PathBuf>,
    /// Refused: nothing lies behind the end.
    #[arg(long, hide = true, num_args = 0, default_missing_value = "", value_parser = latest)]
    to_latest: Option<String>,
    /// Refused: nothing that is applied lies behind our progress.
    #[arg(long, hide = true, num_args = 0, default_missing_value = "", value_parser = current)]
    to_current: Option<String>,
}

fn latest(_text: &str) -> Result<String, String> {
    Err("it selects nothing: reading would begin at the log's end".to_owned())
}

fn current(_text: &str) -> Result<String, String> {
    Err("it selects nothing: what follows our progress will be applied anyway".to_owned())
}

fn back(text: &str) -> Result<i64, String> {
    match text.parse::<i64>() {
        Ok(shift) if shift < 0 => Ok(shift.saturating_neg()),
        Ok(_) => Err("a replay goes back: give a negative number".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// What is replayed.
#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub(crate) start: StartArgs,
    /// Where reading ends: before the first record that was received then or later. Without it,
    /// the log's end as first seen.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<DateTime<Utc>>,
    /// The topic of events, or some of its partitions: `t` or `t:0,3`.
    #[arg(long, value_name = "TOPIC[:P,P]", value_parser = Scope::parse)]
    pub(crate) topic: Option<Scope>,
    /// Where to read from.
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) source: Source,
    /// Only this event, or observation; may be repeated.
    #[arg(long = "event-id", value_name = "ID", value_parser = subject)]
    pub(crate) event_ids: Vec<String>,
    /// Only this type, or family: `charge.refunded`, `charge.*`.
    #[arg(long, value_name = "TYPE", value_parser = TypeFilter::parse)]
    pub(crate) only_type: Option<TypeFilter>,
    /// Only events that concern this booking.
    #[arg(long, value_name = "ID", value_parser = booking)]
    pub(crate) only_booking: Option<String>,
    /// Only this connected account's events; `own`: our own account's.
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    pub(crate) only_account: Option<String>,
    /// Only what became of it; `absent`: the ledger does not have it.
    #[arg(long, value_parser = ["applied", "no_change", "ignored", "parked", "dead", "absent"])]
    pub(crate) disposition: Option<String>,
    /// Only dead letters of this group that were neither replayed nor ignored.
    #[arg(long, value_name = "FINGERPRINT", value_parser = fingerprint)]
    pub(crate) dead_group: Option<String>,
    /// Refuse more than this many events.
    #[arg(long, value_name = "N", default_value_t = 100_000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) max: u32,
    /// Print where each partition's part begins, as CSV for `--from-file`, and do nothing.
    #[arg(long, conflicts_with = "execute")]
    pub(crate) export: bool,
    /// Records a second.
    #[arg(long, value_name = "N", default_value_t = 200,
        value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub(crate) rate: u32,
    /// Do not wait for the results.
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Go on with a replay that was interrupted: what it had not published yet.
    #[arg(long, value_name = "ACTION", value_parser = action, conflicts_with_all = [
        "start", "until", "topic", "source", "event_ids", "only_type", "only_booking",
        "only_account", "disposition", "dead_group", "max", "export", "expect", "execute", "reason",
    ])]
    pub(crate) resume: Option<String>,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

fn subject(text: &str) -> Result<String, String> {
    if super::candidate::hash_of(text).is_some() {
        return Ok(text.to_owned());
    }
    EventId::parse(text)
        .map(String::from)
        .map_err(|error| error.to_string())
}

fn booking(text: &str) -> Result<String, String> {
    BookingId::parse(text)
        .map(String::from)
        .map_err(|error| error.to_string())
}

fn account(text: &str) -> Result<String, String> {
    if text == OWN {
        return Ok(text.to_owned());
    }
    match AccountId::parse(text) {
        Ok(account) if text.starts_with("acct_") => Ok(account.into()),
        Ok(_) => Err("acct_… or own".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn fingerprint(text: &str) -> Result<String, String> {
    let good = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    good.then(|| text.to_ascii_lowercase())
        .ok_or_else(|| "16 hex digits, as `bookend dead groups` shows them".to_owned())
}

fn action(text: &str) -> Result<String, String> {
    let hex = text.strip_prefix("act_").unwrap_or_default();
    let good = hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    good.then(|| text.to_owned())
        .ok_or_else(|| "act_ and 32 hex digits, as the interrupted replay printed it".to_owned())
}

impl ReplayArgs {
    /// What is asked for, with times made absolute.
    ///
    /// # Errors
    /// 2 when the file of offsets cannot be used.
    pub(crate) fn request(&self, now: DateTime<Utc>) -> Result<Request, Failure> {
        let topic = self
            .topic
            .as_ref()
            .map_or(self.log.kafka.events_topic.as_str(), |scope| {
                scope.topic.as_str()
            });
        let filter = Filter {
            event_ids: self.event_ids.iter().cloned().collect(),
            only_type: self.only_type.clone(),
            only_booking: self.only_booking.clone(),
            only_account: self.only_account.clone(),
            disposition: self.disposition.clone(),
            dead_group: self.dead_group.clone(),
        };
        Ok(Request {
            filter,
            start: self.start.start(topic, now)?,
            until: self.until,
            scope: self.topic.clone(),
            source: self.source,
            max: usize::try_from(self.max).unwrap_or(usize::MAX),
        })
    }
}

impl StartArgs {
    fn start(&self, topic: &str, now: DateTime<Utc>) -> Result<Option<Start>, Failure> {
        if self.to_earliest {
            return Ok(Some(Start::Earliest));
        }
        if let Some(length) = self.by_duration {
            let since = now.checked_sub_signed(length);
            return Ok(Some(Start::Since(since.unwrap_or(DateTime::UNIX_EPOCH))));
        }
        if let Some(path) = &self.from_file {
            let unusable = |what: String| Failure::Usage {
                what: format!("{}: {what}", path.display()),
            };
            let text = read_bounded(path).map_err(|error| unusable(error.to_string()))?;
            let offsets = offsets(&text, topic).map_err(|error| unusable(error.to_string()))?;
            return Ok(Some(Start::Offsets(offsets)));
        }
        let offset = self.to_offset.map(Start::Offset);
        let shifted = self.shift_by.map(Start::Back);
        let since = self.to_datetime.map(Start::Since);
        Ok(offset.or(shifted).or(since))
    }
}

fn read_bounded(path: &std::path::Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(MAX_FILE_BYTES)
        .read_to_string(&mut text)?;
    Ok(text)
}
