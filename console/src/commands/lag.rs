//! `bookend lag`: how far the processor is behind the log, partition by partition.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::clock::{Clock as _, SystemClock};

use super::{millisecond, second};
use crate::args::{Global, LogArgs};
use crate::database::read;
use crate::failure::Failure;
use crate::kafka::{self, Bounds, Reader};
use crate::ledger::progress::{self, Progress, Waiting};
use crate::output::{self, Form, columns, or_dash};

/// One partition.
#[derive(Debug, PartialEq, Serialize)]
struct Partition {
    partition: i32,
    /// First offset that is not applied; null: no processor has ever owned it.
    next_offset: Option<i64>,
    /// One past the last record of the log.
    end_offset: i64,
    /// Records that wait.
    records: i64,
    /// Records that were deleted from the log before they were applied.
    lost: i64,
    /// When the first waiting record was appended.
    waiting_since: Option<DateTime<Utc>>,
    /// When progress last moved.
    moved_at: Option<DateTime<Utc>>,
}

#[derive(Serialize)]
struct Lag {
    topic: String,
    /// Records that wait, over all partitions.
    records: i64,
    /// Age of the oldest record that waits; null: none does, or it could not be read in time.
    seconds: Option<i64>,
    partitions: Vec<Partition>,
    waiting: Vec<Waiting>,
}

pub(crate) fn run(global: &Global, args: &LogArgs) -> Result<(), Failure> {
    let settings = kafka::settings(&args.kafka, args.deployment)?;
    let topic = &args.kafka.events_topic;
    let reader = Reader::new(&settings, topic, global.timeout)?;
    // The ends first: what arrives between the two looks is not called a backlog.
    let bounds = reader.bounds()?;
    let (progress, waiting) = read(global.timeout, "lag", |db| {
        Ok((progress::of_topic(db, topic)?, progress::waiting(db)?))
    })?;
    let mut partitions = compare(&bounds, &progress);
    let oldest = reader.appended_at(&first_waiting(&bounds, &partitions))?;
    for row in &mut partitions {
        let at = oldest.get(&row.partition).copied();
        row.waiting_since = at.and_then(DateTime::from_timestamp_millis);
    }
    let lag = summed(topic, partitions, waiting, SystemClock.now());
    match global.output {
        Form::Json => output::json(&lag),
        Form::Table => output::text(&describe(lag)),
    }
}

/// What waits in each partition. A partition that nobody ever owned waits as a whole.
fn compare(bounds: &BTreeMap<i32, Bounds>, progress: &[Progress]) -> Vec<Partition> {
    let of = |partition: i32| progress.iter().find(|row| row.partition == partition);
    let row = |(partition, bounds): (&i32, &Bounds)| {
        let known = of(*partition);
        let next = known.map(|row| row.next_offset);
        let from = next.unwrap_or(bounds.first).max(bounds.first);
        Partition {
            partition: *partition,
            next_offset: next,
            end_offset: bounds.end,
            records: bounds.end.saturating_sub(from).max(0),
            lost: next.map_or(0, |next| bounds.first.saturating_sub(next).max(0)),
            waiting_since: None,
            moved_at: known.map(|row| row.updated_at),
        }
    };
    bounds.iter().map(row).collect()
}

/// Where the first waiting record of each partition that is behind lies.
fn first_waiting(bounds: &BTreeMap<i32, Bounds>, rows: &[Partition]) -> BTreeMap<i32, i64> {
    let behind = rows.iter().filter(|row| row.records > 0);
    behind
        .filter_map(|row| {
            let first = bounds.get(&row.partition)?.first;
            Some((row.partition, row.next_offset.unwrap_or(first).max(first)))
        })
        .collect()
}

fn summed(
    topic: &str,
    partitions: Vec<Partition>,
    waiting: Vec<Waiting>,
    now: DateTime<Utc>,
) -> Lag {
    let oldest = partitions.iter().filter_map(|row| row.waiting_since).min();
    Lag {
        topic: topic.to_owned(),
        records: partitions
            .iter()
            .fold(0, |sum, row| i64::saturating_add(sum, row.records)),
        seconds: oldest.map(|at| now.signed_duration_since(at).num_seconds().max(0)),
        partitions,
        waiting,
    }
}

fn describe(lag: Lag) -> String {
    let oldest = lag.seconds.map(|s| format!(", the oldest for {s} s"));
    let mut text = format!(
        "{}: {} records wait{}\n\n",
        lag.topic,
        lag.records,
        oldest.unwrap_or_default()
    );
    text.push_str(&columns(
        [
            "PARTITION",
            "NEXT",
            "END",
            "RECORDS",
            "LOST",
            "WAITING SINCE",
            "MOVED",
        ],
        lag.partitions.into_iter().map(|row| {
            [
                row.partition.to_string(),
                or_dash(row.next_offset.map(|offset| offset.to_string())),
                row.end_offset.to_string(),
                row.records.to_string(),
                row.lost.to_string(),
                or_dash(row.waiting_since.map(millisecond)),
                or_dash(row.moved_at.map(millisecond)),
            ]
        }),
    ));
    text.push('\n');
    text.push_str(&columns(
        ["BESIDE THE LOG", "COUNT", "SINCE"],
        lag.waiting.into_iter().map(|row| {
            [
                row.what,
                row.count.to_string(),
                or_dash(row.since.map(second)),
            ]
        }),
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(first: i64, end: i64, next: Option<i64>) -> Partition {
        let progress: Vec<Progress> = next
            .map(|next_offset| Progress {
                partition: 3,
                next_offset,
                updated_at: DateTime::UNIX_EPOCH,
            })
            .into_iter()
            .collect();
        compare(&BTreeMap::from([(3, Bounds { first, end })]), &progress).remove(0)
    }

    #[test]
    fn what_lies_between_progress_and_the_end_waits() {
        assert_eq!(row(0, 10, Some(4)).records, 6);
        assert_eq!(row(0, 10, Some(10)).records, 0);
        assert_eq!(row(0, 10, None).records, 10);
    }

    #[test]
    fn records_deleted_before_they_were_applied_are_lost_and_do_not_wait() {
        let behind = row(7, 10, Some(4));
        assert_eq!((behind.records, behind.lost), (3, 3));
    }

    #[test]
    fn a_log_shorter_than_progress_is_no_negative_lag() {
        let shorter = row(0, 2, Some(4));
        assert_eq!((shorter.records, shorter.lost), (0, 0));
    }
}
