//! Finds what would be replayed: looks at the bounds, decides on the source, reads it through the
//! filters.
//!
//! *Invariants:* nothing is written anywhere. No Kafka call happens inside a transaction: the log
//! is read in batches, and each is looked up in a short transaction of its own.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::kafka::KafkaSettings;

use super::candidate::{self, Candidate, Origin};
use super::filter::Filter;
use super::ledger::{self, Wanted};
use super::log::Log;
use super::plan::{Collector, Plan};
use super::ranges::{self, Look, Range, Ranges};
use super::start::{Scope, Start};
use super::times::shown;
use crate::database::Writer;
use crate::failure::Failure;
use crate::kafka::Reader;
use crate::ledger::progress;

/// Records that are looked up together.
const BATCH: usize = 500;

/// Where to read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Source {
    /// The log where it still has the asked range, else the ledger.
    Auto,
    /// The log.
    Log,
    /// The ledger, and the dead letters for what has no ledger row.
    Ledger,
}

/// What is asked for; times are absolute.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) filter: Filter,
    pub(crate) start: Option<Start>,
    pub(crate) until: Option<DateTime<Utc>>,
    pub(crate) scope: Option<Scope>,
    pub(crate) source: Source,
    /// Most events of a plan.
    pub(crate) max: usize,
}

/// How the log is reached.
pub(crate) struct Place<'a> {
    /// The topic of events.
    pub(crate) topic: &'a str,
    /// Asked for only where the log is needed.
    pub(crate) kafka: &'a dyn Fn() -> Result<KafkaSettings, Failure>,
    /// Whether an operator wants it to end.
    pub(crate) stopped: &'a dyn Fn() -> bool,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) plan: Plan,
    pub(crate) origin: Origin,
    /// What was read of the log.
    pub(crate) ranges: Vec<Range>,
    /// What was done otherwise than asked.
    pub(crate) notes: Vec<String>,
    pub(crate) not_applied: i64,
}

/// Finds what fits.
///
/// # Errors
/// 2 when the options make no sense together, 6 when more than the bound fits or the topic is not
/// there, 124, 130, 1.
pub(crate) fn find(
    request: &Request,
    session: &mut Writer,
    place: &Place<'_>,
) -> Result<Found, Failure> {
    let Some(start) = &request.start else {
        return without_start(request, session);
    };
    let topic = request
        .scope
        .as_ref()
        .map_or(place.topic, |scope| scope.topic.as_str());
    if request.source == Source::Ledger {
        return from_ledger_since(request, start, session, topic);
    }
    if topic != place.topic {
        return usage(format!(
            "only the topic of events, {}, is read: not {topic} (dead letters: --dead-group)",
            place.topic
        ));
    }
    let settings = (place.kafka)()?;
    let mut log = Log::new(&settings, topic, session.limit())?;
    let looks = look(request, start, session, &settings, (&log, topic))?;
    if request.source == Source::Auto
        && let Some(lacking) = lacking(start, session, topic, &looks)?
    {
        let mut found = from_ledger_since(request, start, session, topic)?;
        found.notes.insert(0, lacking);
        return Ok(found);
    }
    let ranges = ranges::ranges(start, &looks);
    scan(request, session, &mut log, ranges, place.stopped)
}

fn usage<T>(what: String) -> Result<T, Failure> {
    Err(Failure::Usage { what })
}

fn without_start(request: &Request, session: &mut Writer) -> Result<Found, Failure> {
    if request.source == Source::Log {
        return usage("reading the log needs a start, for instance --to-datetime".to_owned());
    }
    if !request.filter.is_enough_for_the_ledger() {
        return usage(
            "say where to begin (--to-earliest, --to-offset, --shift-by, --to-datetime, \
             --by-duration, --from-file), or name what is meant (--event-id, --dead-group, \
             --only-booking, --disposition other than absent)"
                .to_owned(),
        );
    }
    let wanted = Wanted {
        filter: request.filter.clone(),
        scope: request.scope.clone(),
        until: request.until,
        ..Wanted::default()
    };
    from_ledger(&wanted, request.max, session)
}

/// The ledger keeps the coordinates that each event's record had, so it knows offsets, too.
fn from_ledger_since(
    request: &Request,
    start: &Start,
    session: &mut Writer,
    topic: &str,
) -> Result<Found, Failure> {
    let rows = session.read("replay_progress", |db| progress::of_topic(db, topic))?;
    let looks: BTreeMap<i32, Look> = rows
        .iter()
        .map(|row| {
            let look = Look {
                end: row.next_offset,
                next_offset: Some(row.next_offset),
                ..Look::default()
            };
            (row.partition, look)
        })
        .collect();
    let scope = request.scope.clone().unwrap_or_else(|| Scope {
        topic: topic.to_owned(),
        partitions: None,
    });
    let wanted = Wanted {
        filter: request.filter.clone(),
        scope: Some(scope),
        since: match start {
            Start::Since(at) => Some(*at),
            Start::Earliest | Start::Offset(_) | Start::Back(_) | Start::Offsets(_) => None,
        },
        until: request.until,
        first_offsets: ranges::first_offsets(start, &looks),
    };
    from_ledger(&wanted, request.max, session)
}

fn from_ledger(wanted: &Wanted, max: usize, session: &mut Writer) -> Result<Found, Failure> {
    let limit = i64::try_from(max).unwrap_or(i64::MAX).saturating_add(1);
    let rows = session.read("replay_ledger", |db| ledger::matching(db, wanted, limit))?;
    let mut collector = Collector::new(max);
    for (candidate, known) in rows {
        collector.add(candidate, &known).map_err(too_many)?;
    }
    Ok(Found {
        plan: collector.finish(),
        origin: Origin::Ledger,
        ranges: Vec::new(),
        notes: Vec::new(),
        not_applied: 0,
    })
}

fn too_many(error: super::plan::TooMany) -> Failure {
    Failure::Precondition {
        what: error.to_string(),
    }
}

/// The bounds first, then progress: what arrives between the two looks is below neither.
fn look(
    request: &Request,
    start: &Start,
    session: &mut Writer,
    settings: &KafkaSettings,
    (log, topic): (&Log, &str),
) -> Result<BTreeMap<i32, Look>, Failure> {
    let mut bounds = Reader::new(settings, topic, session.limit())?.bounds()?;
    if let Some(scope) = &request.scope {
        for wanted in scope.partitions.iter().flatten() {
            if !bounds.contains_key(wanted) {
                return Err(Failure::Precondition {
                    what: format!("topic {topic} has no partition {wanted}"),
                });
            }
        }
        bounds.retain(|partition, _| scope.holds(*partition));
    }
    let partitions: Vec<i32> = bounds.keys().copied().collect();
    let at_start = match start {
        Start::Since(at) => log.at_time(&partitions, *at)?,
        Start::Earliest | Start::Offset(_) | Start::Back(_) | Start::Offsets(_) => BTreeMap::new(),
    };
    let at_until = match request.until {
        Some(at) => log.at_time(&partitions, at)?,
        None => BTreeMap::new(),
    };
    let rows = session.read("replay_progress", |db| progress::of_topic(db, topic))?;
    let next: BTreeMap<i32, i64> = rows
        .iter()
        .map(|row| (row.partition, row.next_offset))
        .collect();
    let looks = bounds.iter().map(|(partition, bounds)| {
        let look = Look {
            first: bounds.first,
            end: bounds.end,
            next_offset: next.get(partition).copied(),
            at_start: at_start.get(partition).copied(),
            at_until: at_until.get(partition).copied(),
        };
        (*partition, look)
    });
    Ok(looks.collect())
}

/// Why the ledger must be read instead, if it must.
fn lacking(
    start: &Start,
    session: &mut Writer,
    topic: &str,
    looks: &BTreeMap<i32, Look>,
) -> Result<Option<String>, Failure> {
    for (partition, look) in looks.iter().filter(|(_, look)| look.first > 0) {
        let lost = session.read("replay_lost", |db| {
            ledger::lost(db, topic, *partition, look.first)
        })?;
        if ranges::lacks(start, *partition, look, lost) {
            return Ok(Some(format!(
                "the log no longer has all of the asked range (partition {partition} begins at \
                 {}): the ledger is read instead",
                look.first
            )));
        }
    }
    Ok(None)
}

fn scan(
    request: &Request,
    session: &mut Writer,
    log: &mut Log,
    ranges: Ranges,
    stopped: &dyn Fn() -> bool,
) -> Result<Found, Failure> {
    let mut collector = Collector::new(request.max);
    let mut batch = Vec::with_capacity(BATCH);
    log.scan(&ranges.ranges, stopped, &mut |record| {
        let place = (record.partition, record.offset);
        match candidate::of_record(&record.headers, &record.value, record.at, place) {
            None => collector.commands = collector.commands.saturating_add(1),
            Some(one) if request.filter.may_hold(&one) => batch.push(one),
            Some(_) => {}
        }
        if batch.len() >= BATCH {
            sift(&request.filter, session, &mut collector, &mut batch)?;
        }
        Ok(())
    })?;
    if stopped() {
        return Err(Failure::Interrupted {
            what: "stopped while looking; nothing was changed".to_owned(),
        });
    }
    sift(&request.filter, session, &mut collector, &mut batch)?;
    Ok(Found {
        plan: collector.finish(),
        origin: Origin::Log,
        ranges: ranges.ranges,
        notes: ranges.notes.iter().map(ToString::to_string).collect(),
        not_applied: ranges.not_applied,
    })
}

/// Looks a batch up and keeps what fits.
fn sift(
    filter: &Filter,
    session: &mut Writer,
    collector: &mut Collector,
    batch: &mut Vec<Candidate>,
) -> Result<(), Failure> {
    if batch.is_empty() {
        return Ok(());
    }
    let subjects: Vec<&str> = batch.iter().map(|one| one.subject.as_str()).collect();
    let mut known = session.read("replay_known", |db| ledger::known(db, &subjects))?;
    for one in batch.drain(..) {
        let facts = known.entry(one.subject.clone()).or_default();
        if filter.holds(&one, facts) {
            collector.add(one, facts).map_err(too_many)?;
        }
    }
    Ok(())
}

/// What was asked for, with times resolved, as it is recorded.
#[derive(Serialize)]
pub(crate) struct Asked<'a> {
    start: Option<String>,
    until: Option<String>,
    topic: Option<&'a str>,
    partitions: Option<&'a [i32]>,
    #[serde(flatten)]
    filter: &'a Filter,
}

impl Request {
    /// As it is recorded and shown.
    pub(crate) fn asked(&self) -> Asked<'_> {
        let start = self.start.as_ref().map(|start| match start {
            Start::Earliest => "to-earliest".to_owned(),
            Start::Offset(offset) => format!("to-offset {offset}"),
            Start::Back(count) => format!("shift-by -{count}"),
            Start::Since(at) => format!("to-datetime {}", shown(*at)),
            Start::Offsets(offsets) => format!("from-file {offsets:?}"),
        });
        Asked {
            start,
            until: self.until.map(shown),
            topic: self.scope.as_ref().map(|scope| scope.topic.as_str()),
            partitions: self
                .scope
                .as_ref()
                .and_then(|scope| scope.partitions.as_deref()),
            filter: &self.filter,
        }
    }
}
