//! `bookend secrets status`: which signing secret still signs, and which may go.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use shared::clock::{Clock as _, SystemClock};

use super::super::millisecond;
use crate::args::{Global, SecretsStatus};
use crate::database::read;
use crate::failure::Failure;
use crate::ingestors::{Ingestors, Told};
use crate::ledger::secret::{self, SecretRow};
use crate::ledger::sender::{self, EndpointRow};
use crate::output::{self, Form, columns, or_dash};
use crate::roll::judge::{Known, Removable, judge};
use crate::secrets;

/// One name.
#[derive(Serialize)]
struct Shown {
    name: String,
    /// The endpoint at Stripe that the name tells, as the reconciler last saw it.
    endpoint_status: Option<String>,
    endpoint_since: Option<DateTime<Utc>>,
    /// Whether it is in the configuration that was given; null: none was.
    configured: Option<bool>,
    /// Ingestors that have loaded it, of those that were asked; null: none was.
    loaded_by: Option<usize>,
    asked: Option<usize>,
    /// Webhooks in the ledger whose first copy it verified.
    last_hour: i64,
    last_day: i64,
    first_seen: Option<DateTime<Utc>>,
    last_seen: Option<DateTime<Utc>>,
    /// Signatures that held at the ingestors that were asked, since each of them began.
    verified: Option<u64>,
    removable: Removable,
    because: &'static str,
}

#[derive(Serialize)]
struct Answer {
    since: DateTime<Utc>,
    secrets: Vec<Shown>,
}

/// Everything that is known, before it is put together.
struct Sources {
    ledger: Vec<SecretRow>,
    endpoints: BTreeMap<String, EndpointRow>,
    configured: Option<Vec<String>>,
    told: Option<Vec<Told>>,
    /// Seconds since 1970.
    now: i64,
}

pub(super) fn run(global: &Global, args: &SecretsStatus) -> Result<(), Failure> {
    let configured = secrets::names(args.secrets_file.as_deref())?;
    let ingestors = Ingestors::new(args.metrics.clone()).map_err(super::ingestors)?;
    let told = if ingestors.is_empty() {
        None
    } else {
        Some(ingestors.ask().map_err(super::ingestors)?)
    };
    let now = SystemClock.now();
    // The advice is about a day.
    let since = args.since.min(now - TimeDelta::days(1));
    let (ledger, endpoints) = read(global.timeout, "secrets_status", |db| {
        Ok((secret::since(db, since)?, sender::endpoints(db, true)?))
    })?;
    let endpoints = endpoints.into_iter().map(|row| (row.id.clone(), row));
    let answer = Answer {
        since,
        secrets: together(&Sources {
            ledger,
            endpoints: endpoints.collect(),
            configured,
            told,
            now: now.timestamp(),
        }),
    };
    if answer.secrets.is_empty() {
        return Err(Failure::NothingMatched {
            what: format!(
                "no webhook was verified since {}, and no configuration was given",
                millisecond(since)
            ),
        });
    }
    match global.output {
        Form::Json => output::json(&answer),
        Form::Table => output::text(&table(&answer.secrets)),
    }
}

/// One row for each name that any source knows, those of the ledger first.
fn together(sources: &Sources) -> Vec<Shown> {
    let mut names: Vec<&str> = sources.ledger.iter().map(|row| row.name.as_str()).collect();
    names.extend(sources.configured.iter().flatten().map(String::as_str));
    let told = sources.told.iter().flatten();
    names.extend(told.flat_map(BTreeMap::keys).map(String::as_str));
    let mut known = BTreeSet::new();
    names.retain(|name| known.insert(*name));
    let signing: BTreeSet<&str> = names
        .iter()
        .copied()
        .filter(|name| signs(sources, name))
        .collect();
    names
        .iter()
        .map(|name| one(sources, name, &signing, names.len() == 1))
        .collect()
}

/// Whether it verified something in the last day; the ingestors' own word counts as well.
fn signs(sources: &Sources, name: &str) -> bool {
    let day_ago = sources.now.saturating_sub(86_400);
    let in_ledger = sources.ledger.iter().find(|row| row.name == name);
    let told = sources.told.iter().flatten();
    in_ledger.is_some_and(|row| row.last_day > 0)
        || told
            .filter_map(|told| told.get(name))
            .any(|used| used.last_seen > day_ago)
}

fn one(sources: &Sources, name: &str, signing: &BTreeSet<&str>, is_only: bool) -> Shown {
    let row = sources.ledger.iter().find(|row| row.name == name);
    let endpoint = sources.endpoints.get(name);
    let there = endpoint.is_some_and(|row| row.gone_at.is_none() && row.status == "enabled");
    let used: Option<Vec<_>> = sources.told.as_ref().map(|told| {
        told.iter()
            .filter_map(|told| told.get(name).copied())
            .collect()
    });
    let told_last = used.iter().flatten().map(|used| used.last_seen).max();
    let told_last = told_last
        .filter(|at| *at > 0)
        .and_then(|at| DateTime::from_timestamp(at, 0));
    let (removable, because) = judge(Known {
        signs: signing.contains(name),
        enabled: there,
        others_sign: signing.iter().any(|other| *other != name),
        is_only,
    });
    Shown {
        name: name.to_owned(),
        endpoint_status: endpoint.map(|row| match row.gone_at {
            Some(_) => "gone".to_owned(),
            None => row.status.clone(),
        }),
        endpoint_since: endpoint.map(|row| row.first_seen_at),
        configured: sources
            .configured
            .as_ref()
            .map(|names| names.iter().any(|known| known == name)),
        loaded_by: used.as_ref().map(Vec::len),
        asked: sources.told.as_ref().map(Vec::len),
        last_hour: row.map_or(0, |row| row.last_hour),
        last_day: row.map_or(0, |row| row.last_day),
        first_seen: row.map(|row| row.first_seen),
        last_seen: row.map(|row| row.last_seen).max(told_last),
        verified: used.map(|used| used.iter().map(|used| used.verified).sum()),
        removable,
        because,
    }
}

fn table(rows: &[Shown]) -> String {
    columns(
        [
            "SECRET",
            "ENDPOINT",
            "ENDPOINT SINCE",
            "CONFIGURED",
            "LOADED BY",
            "LAST HOUR",
            "LAST DAY",
            "FIRST SEEN",
            "LAST SEEN",
            "REMOVABLE",
            "BECAUSE",
        ],
        rows.iter().map(|row| {
            let loaded = row.loaded_by.zip(row.asked);
            [
                row.name.clone(),
                or_dash(row.endpoint_status.clone()),
                or_dash(row.endpoint_since.map(millisecond)),
                or_dash(
                    row.configured
                        .map(|yes| if yes { "yes" } else { "no" }.to_owned()),
                ),
                or_dash(loaded.map(|(loaded, asked)| format!("{loaded} of {asked}"))),
                row.last_hour.to_string(),
                row.last_day.to_string(),
                or_dash(row.first_seen.map(millisecond)),
                or_dash(row.last_seen.map(millisecond)),
                row.removable.as_str().to_owned(),
                row.because.to_owned(),
            ]
        }),
    )
}
