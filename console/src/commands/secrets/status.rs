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
    /// Names that verified something before the time that was asked for.
    earlier: Vec<String>,
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
    let mut sources = Sources {
        ledger,
        endpoints: endpoints.collect(),
        configured,
        told,
        earlier: Vec::new(),
        now: now.timestamp(),
    };
    sources.earlier = earlier(global, &sources)?;
    let answer = Answer {
        since,
        secrets: together(&sources),
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

/// Which of the names that nothing else is known of ever verified something. That takes long in a
/// large ledger; where it takes too long, none is known to have.
fn earlier(global: &Global, sources: &Sources) -> Result<Vec<String>, Failure> {
    let mut unseen = names(sources);
    unseen.retain(|name| !has_verified(sources, name));
    if unseen.is_empty() {
        return Ok(unseen.into_iter().map(str::to_owned).collect());
    }
    match read(global.timeout, "secrets_ever", |db| {
        secret::ever(db, &unseen)
    }) {
        Err(Failure::TimedOut { limit }) => {
            let limit = humantime::format_duration(limit);
            eprintln!(
                "bookend: whether {} ever verified anything was not found out within {limit}",
                unseen.join(", ")
            );
            Ok(Vec::new())
        }
        found => found,
    }
}

/// Every name that any source knows, those of the ledger first.
fn names(sources: &Sources) -> Vec<&str> {
    let mut names: Vec<&str> = sources.ledger.iter().map(|row| row.name.as_str()).collect();
    names.extend(sources.configured.iter().flatten().map(String::as_str));
    let told = sources.told.iter().flatten();
    names.extend(told.flat_map(BTreeMap::keys).map(String::as_str));
    let mut known = BTreeSet::new();
    names.retain(|name| known.insert(*name));
    names
}

/// One row for each name.
fn together(sources: &Sources) -> Vec<Shown> {
    let names = names(sources);
    let signing: BTreeSet<&str> = names
        .iter()
        .copied()
        .filter(|name| signs(sources, name))
        .collect();
    names
        .iter()
        .map(|name| one(sources, name, &signing, is_only(sources, name, &names)))
        .collect()
}

/// Whether no other could stay: of those that are configured, where that is known, else of those
/// that the ingestors have, else of all names that were heard of.
fn is_only(sources: &Sources, name: &str, all: &[&str]) -> bool {
    match (&sources.configured, &sources.told) {
        (Some(configured), _) => configured.iter().all(|other| other == name),
        (None, Some(told)) => told.iter().flat_map(BTreeMap::keys).all(|one| one == name),
        (None, None) => all.iter().all(|other| *other == name),
    }
}

/// Whether it is known to have verified something.
fn has_verified(sources: &Sources, name: &str) -> bool {
    let mut told = sources.told.iter().flatten();
    sources.ledger.iter().any(|row| row.name == name)
        || sources.earlier.iter().any(|known| known == name)
        || told.any(|told| told.get(name).is_some_and(|used| used.last_seen > 0))
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
        ever: has_verified(sources, name),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingestors::Used;

    fn row(name: &str, last_day: i64) -> SecretRow {
        SecretRow {
            name: name.to_owned(),
            last_hour: 0,
            last_day,
            first_seen: DateTime::UNIX_EPOCH,
            last_seen: DateTime::UNIX_EPOCH,
        }
    }

    fn sources(ledger: &[(&str, i64)], configured: Option<&[&str]>) -> Sources {
        let names = |all: &[&str]| all.iter().map(|&name| name.to_owned()).collect();
        Sources {
            ledger: ledger.iter().map(|(name, day)| row(name, *day)).collect(),
            endpoints: BTreeMap::new(),
            configured: configured.map(names),
            told: None,
            earlier: Vec::new(),
            now: 1_000_000,
        }
    }

    fn advice(sources: &Sources, name: &str) -> Removable {
        let all = together(sources);
        all.iter().find(|one| one.name == name).unwrap().removable
    }

    #[test]
    fn a_secret_that_never_verified_anything_is_not_said_to_be_removable() {
        let mut all = sources(&[("main", 5)], Some(&["main", "added"]));
        assert_eq!(advice(&all, "added"), Removable::Unknown);
        all.earlier = vec!["added".to_owned()];
        assert_eq!(advice(&all, "added"), Removable::Yes, "months ago");
        all.earlier.clear();
        let told = |last_seen| {
            let used = Used {
                verified: 0,
                last_seen,
            };
            Some(vec![Told::from([("added".to_owned(), used)])])
        };
        all.told = told(0);
        assert_eq!(advice(&all, "added"), Removable::Unknown, "just loaded");
        all.told = told(1);
        assert_eq!(advice(&all, "added"), Removable::Yes, "long ago, there");
    }

    #[test]
    fn the_only_one_that_is_configured_stays_whatever_the_ledger_remembers() {
        let ledger = [("gone", 5), ("main", 0)];
        let all = sources(&ledger, Some(&["main"]));
        assert_eq!(advice(&all, "main"), Removable::No, "the only one");
        let two = sources(&ledger, Some(&["main", "new"]));
        assert_eq!(advice(&two, "main"), Removable::Yes);
        let mut loaded = sources(&ledger, None);
        assert_eq!(advice(&loaded, "main"), Removable::Yes);
        loaded.told = Some(vec![Told::from([("main".to_owned(), Used::default())])]);
        assert_eq!(advice(&loaded, "main"), Removable::No, "all that is loaded");
    }
}
