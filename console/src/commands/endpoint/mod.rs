//! `bookend endpoint show | ensure`.

pub(crate) mod books;
mod ensure;
pub(crate) mod key;
mod setup;

use serde::Serialize;

use super::millisecond;
use crate::args::{EndpointCommand, EndpointShow, Global};
use crate::database::read;
use crate::failure::Failure;
use crate::ledger::sender::{self, AlarmRow, EndpointRow};
use crate::output::{self, Form, columns, or_dash};

pub(crate) fn run(global: &Global, command: EndpointCommand) -> Result<(), Failure> {
    match command {
        EndpointCommand::Show(args) => show(global, &args),
        EndpointCommand::Ensure(args) => ensure::run(global, &args),
    }
}

#[derive(Serialize)]
struct Shown {
    alarms: Vec<AlarmRow>,
    endpoints: Vec<EndpointRow>,
}

fn show(global: &Global, args: &EndpointShow) -> Result<(), Failure> {
    let shown = read(global.timeout, "endpoint_show", |db| {
        Ok(Shown {
            alarms: sender::alarms(db, args.all)?,
            endpoints: sender::endpoints(db, args.all)?,
        })
    })?;
    if shown.alarms.is_empty() && shown.endpoints.is_empty() {
        return Err(Failure::NothingMatched {
            what: "no endpoint was seen yet and no alarm stands: the reconciler looks at Stripe"
                .to_owned(),
        });
    }
    match global.output {
        Form::Json => output::json(&shown),
        Form::Table => {
            let alarms = if shown.alarms.is_empty() {
                "no alarm stands\n".to_owned()
            } else {
                alarms_table(shown.alarms)
            };
            output::text(&format!("{alarms}\n{}", endpoints_table(&shown.endpoints)))
        }
    }
}

fn alarms_table(rows: Vec<AlarmRow>) -> String {
    columns(
        ["ALARM", "SUBJECT", "SINCE", "LAST SEEN", "OVER", "DETAIL"],
        rows.into_iter().map(|row| {
            [
                row.alarm,
                or_dash(Some(row.subject).filter(|subject| !subject.is_empty())),
                millisecond(row.since),
                millisecond(row.seen_at),
                or_dash(row.cleared_at.map(millisecond)),
                row.detail,
            ]
        }),
    )
}

fn endpoints_table(rows: &[EndpointRow]) -> String {
    columns(
        [
            "ENDPOINT",
            "OURS",
            "STATUS",
            "LIVE",
            "VERSION",
            "TYPES",
            "NOT AS ACCEPTED",
            "SEEN",
            "GONE",
            "URL",
        ],
        rows.iter().map(|row| {
            [
                row.id.clone(),
                yes(row.ours),
                row.status.clone(),
                yes(row.livemode),
                or_dash(row.api_version.clone()),
                types(&row.enabled_events),
                or_dash(differing(row)),
                millisecond(row.seen_at),
                or_dash(row.gone_at.map(millisecond)),
                row.url.clone(),
            ]
        }),
    )
}

fn yes(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

/// Few types are named, many are counted; JSON names all.
fn types(all: &[String]) -> String {
    const NAMED: usize = 3;
    if all.len() <= NAMED {
        all.join(",")
    } else {
        format!("{} types", all.len())
    }
}

/// What is not as it was accepted; none: nothing, or nothing was accepted yet.
fn differing(row: &EndpointRow) -> Option<String> {
    let url = row.accepted_url.as_ref()?;
    let mut differing = Vec::new();
    if *url != row.url {
        differing.push("url");
    }
    if row.accepted_version != row.api_version {
        differing.push("version");
    }
    let set = |types: &[String]| {
        let mut types = types.to_vec();
        types.sort_unstable();
        types
    };
    let accepted = row.accepted_events.as_deref().unwrap_or_default();
    if set(accepted) != set(&row.enabled_events) {
        differing.push("types");
    }
    (!differing.is_empty()).then(|| differing.join(" "))
}
