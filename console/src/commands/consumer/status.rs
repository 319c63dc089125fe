//! `bookend consumer status`: each partition, each processor, and what is wanted of them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::args::{Global, LogArgs};
use crate::commands::millisecond;
use crate::database::read;
use crate::failure::Failure;
use crate::kafka::{self, Bounds, Reader};
use crate::ledger::consumer::{self, InstanceRow, PartitionRow, Wanted};
use crate::output::{self, Form, columns, fields, or_dash};
use crate::text::printable;

#[derive(Debug, PartialEq, Serialize)]
struct Partition {
    partition: i32,
    /// First offset that is not applied; null: no processor has ever owned it.
    next_offset: Option<i64>,
    /// One past the last record of the log; null: Kafka did not answer.
    end_offset: Option<i64>,
    /// Records that wait.
    lag: Option<i64>,
    /// Since when the brake holds it.
    held_since: Option<DateTime<Utc>>,
    held_reason: Option<String>,
    /// The processor that reads it.
    owner: Option<String>,
}

#[derive(Serialize)]
struct Status {
    topic: String,
    wanted: Wanted,
    partitions: Vec<Partition>,
    instances: Vec<InstanceRow>,
}

pub(super) fn run(global: &Global, log: &LogArgs) -> Result<(), Failure> {
    let topic = &log.kafka.events_topic;
    let settings = kafka::settings(&log.kafka, log.deployment)?;
    // Half of the time each: the database's part is what counts when Kafka is away.
    let half = global.timeout / 2;
    let bounds = match Reader::new(&settings, topic, half).and_then(|reader| reader.bounds()) {
        Ok(bounds) => bounds,
        Err(failure) => {
            eprintln!("bookend: {}", printable(&failure.explain()));
            BTreeMap::new()
        }
    };
    let (progress, instances, wanted) = read(global.timeout, "consumer_status", |db| {
        Ok((
            consumer::partitions(db, topic)?,
            consumer::instances(db)?,
            consumer::wanted(db, topic)?,
        ))
    })?;
    let status = Status {
        topic: topic.clone(),
        wanted,
        partitions: joined(&bounds, progress, &instances),
        instances,
    };
    match global.output {
        Form::Json => output::json(&status),
        Form::Table => output::text(&describe(status)),
    }
}

fn joined(
    bounds: &BTreeMap<i32, Bounds>,
    progress: Vec<PartitionRow>,
    instances: &[InstanceRow],
) -> Vec<Partition> {
    let mut known: BTreeMap<i32, PartitionRow> = progress
        .into_iter()
        .map(|row| (row.partition, row))
        .collect();
    let all: BTreeSet<i32> = bounds.keys().chain(known.keys()).copied().collect();
    let row = |partition: i32| {
        let progress = known.remove(&partition);
        let bounds = bounds.get(&partition);
        let next_offset = progress.as_ref().map(|row| row.next_offset);
        let lag = bounds.map(|bounds| {
            let from = next_offset.unwrap_or(bounds.first).max(bounds.first);
            bounds.end.saturating_sub(from).max(0)
        });
        let (held_since, held_reason) =
            progress.map_or((None, None), |row| (row.held_since, row.held_reason));
        // The one seen last comes first: after a move the old owner may still be listed.
        let owner = instances
            .iter()
            .find(|row| row.is_live() && row.partitions.contains(&partition));
        Partition {
            partition,
            next_offset,
            end_offset: bounds.map(|bounds| bounds.end),
            lag,
            held_since,
            held_reason,
            owner: owner.map(|row| row.instance.clone()),
        }
    };
    all.into_iter().map(row).collect()
}

fn describe(status: Status) -> String {
    let mut text = fields([
        ("topic", Some(status.topic)),
        ("wanted", Some(status.wanted.state)),
        ("since", status.wanted.changed_at.map(millisecond)),
        ("by action", status.wanted.action_id),
    ]);
    text.push('\n');
    text.push_str(&columns(
        [
            "PARTITION",
            "NEXT",
            "END",
            "LAG",
            "OWNER",
            "HELD SINCE",
            "HELD BECAUSE",
        ],
        status.partitions.into_iter().map(|row| {
            [
                row.partition.to_string(),
                or_dash(row.next_offset.map(|offset| offset.to_string())),
                or_dash(row.end_offset.map(|offset| offset.to_string())),
                or_dash(row.lag.map(|lag| lag.to_string())),
                or_dash(row.owner),
                or_dash(row.held_since.map(millisecond)),
                or_dash(row.held_reason),
            ]
        }),
    ));
    if status.instances.is_empty() {
        text.push_str("\nno processor has been seen\n");
        return text;
    }
    text.push('\n');
    text.push_str(&columns(
        [
            "PROCESSOR",
            "STATE",
            "SEEN",
            "VERSION",
            "STARTED",
            "PARTITIONS",
            "REASON",
        ],
        status.instances.into_iter().map(|row| {
            let gone = row.state != "stopped" && !row.is_live();
            let state = if gone {
                format!("{} (not seen for {} s)", row.state, row.seen_seconds)
            } else {
                row.state
            };
            let partitions: Vec<String> = row.partitions.iter().map(i32::to_string).collect();
            [
                row.instance,
                state,
                millisecond(row.seen_at),
                row.version,
                millisecond(row.started_at),
                or_dash((!partitions.is_empty()).then(|| partitions.join(","))),
                or_dash(row.reason),
            ]
        }),
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(name: &str, seen_seconds: i64, state: &str) -> InstanceRow {
        InstanceRow {
            instance: name.to_owned(),
            version: "1".to_owned(),
            started_at: DateTime::UNIX_EPOCH,
            seen_at: DateTime::UNIX_EPOCH,
            seen_seconds,
            state: state.to_owned(),
            reason: None,
            partitions: vec![3],
        }
    }

    #[test]
    fn the_owner_is_who_was_seen_last_and_is_there() {
        let rows = [
            instance("stopped", 0, "stopped"),
            instance("new", 1, "running"),
            instance("old", 2, "running"),
        ];
        let bounds = BTreeMap::from([(3, Bounds { first: 0, end: 5 })]);
        let joined = joined(&bounds, Vec::new(), &rows);
        let owner = joined.first().and_then(|row| row.owner.as_deref());
        assert_eq!(owner, Some("new"));
        assert_eq!(joined.first().and_then(|row| row.lag), Some(5));
    }

    #[test]
    fn without_kafka_the_partitions_are_those_of_the_database() {
        let row = PartitionRow {
            partition: 1,
            next_offset: 9,
            held_since: Some(DateTime::UNIX_EPOCH),
            held_reason: Some("20 in a row".to_owned()),
        };
        let joined = joined(
            &BTreeMap::new(),
            vec![row],
            &[instance("gone", 11, "running")],
        );
        let shown = joined
            .first()
            .map(|row| (row.next_offset, row.lag, row.owner.clone()));
        assert_eq!(shown, Some((Some(9), None, None)));
    }
}
