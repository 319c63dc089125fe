//! `bookend sweep list | findings | certificates | budget | plans | repair`.
//!
//! *Invariant:* what sweeps find and repair is written by the reconciler alone; a plan is approved
//! here, and carried out there.

mod budget;
mod found;
mod repair;

use serde::Serialize;

use super::{millisecond, second};
use crate::args::{Global, SweepCertificates, SweepCommand, SweepList, SweepPlans};
use crate::database::read;
use crate::failure::Failure;
use crate::ledger::page::More;
use crate::ledger::plan::{self, PlanRow};
use crate::ledger::sweep::{self, AccountRow, CertificateRow, SweepRow};
use crate::output::{self, Form, columns, or_dash};

pub(crate) fn run(global: &Global, command: SweepCommand) -> Result<(), Failure> {
    match command {
        SweepCommand::List(filter) => list(global, &filter),
        SweepCommand::Findings(filter) => found::run(global, &filter),
        SweepCommand::Certificates(filter) => certificates(global, &filter),
        SweepCommand::Budget => budget::run(global),
        SweepCommand::Plans(filter) => plans(global, &filter),
        SweepCommand::Repair(args) => repair::run(global, &args),
    }
}

#[derive(Serialize)]
struct Listed {
    accounts: Vec<AccountRow>,
    sweeps: Vec<SweepRow>,
    #[serde(flatten)]
    more: More,
}

fn list(global: &Global, filter: &SweepList) -> Result<(), Failure> {
    let (accounts, page) = read(global.timeout, "sweep_list", |db| {
        let page = sweep::sweeps(db, filter)?;
        let mut names: Vec<String> = page.rows.iter().map(|row| row.account.clone()).collect();
        names.dedup();
        let accounts = sweep::accounts(db, &names, filter.account.as_deref())?;
        Ok((accounts, page))
    })?;
    let (sweeps, more) = page.report("no sweep fits all filters")?;
    match global.output {
        Form::Json => output::json(&Listed {
            accounts,
            sweeps,
            more,
        }),
        Form::Table => {
            let accounts = accounts_table(&accounts);
            output::text(&format!("{accounts}\n{}", sweeps_table(sweeps)))
        }
    }
}

fn accounts_table(rows: &[AccountRow]) -> String {
    columns(
        [
            "ACCOUNT",
            "COMPLETE FROM",
            "COMPLETE UP TO",
            "AGE",
            "OPEN PLANS",
        ],
        rows.iter().map(|row| {
            [
                account(&row.account),
                or_dash(row.complete_from.map(second)),
                or_dash(row.complete_up_to.map(second)),
                or_dash(row.age_seconds.map(|age| format!("{age} s"))),
                row.open_plans.to_string(),
            ]
        }),
    )
}

fn sweeps_table(rows: Vec<SweepRow>) -> String {
    columns(
        [
            "SWEEP", "KIND", "ACCOUNT", "FROM", "TO", "STARTED", "LISTED", "MISSING", "REPAIRED",
            "OUTCOME", "ERROR",
        ],
        rows.into_iter().map(|row| {
            [
                row.id.to_string(),
                row.kind,
                account(&row.account),
                second(row.window_from),
                second(row.window_to),
                millisecond(row.started_at),
                row.listed.to_string(),
                row.missing.to_string(),
                row.repaired.to_string(),
                or_dash(row.outcome),
                or_dash(row.error),
            ]
        }),
    )
}

#[derive(Serialize)]
struct Certificates {
    certificates: Vec<CertificateRow>,
    #[serde(flatten)]
    more: More,
}

fn certificates(global: &Global, filter: &SweepCertificates) -> Result<(), Failure> {
    let page = read(global.timeout, "sweep_certificates", |db| {
        sweep::certificates(db, filter)
    })?;
    let (certificates, more) = page.report("no certificate fits all filters")?;
    match global.output {
        Form::Json => output::json(&Certificates { certificates, more }),
        Form::Table => output::text(&columns(
            [
                "FROM",
                "TO",
                "ACCOUNT",
                "WINDOWS",
                "STRIPE",
                "LEDGER",
                "COMPLETE",
                "ISSUED",
                "BY",
                "HASH AT STRIPE",
                "HASH OF THE LEDGER",
            ],
            certificates.into_iter().map(|row| {
                [
                    second(row.window_from),
                    second(row.window_to),
                    account(&row.account),
                    row.parts.to_string(),
                    row.stripe_count.to_string(),
                    row.ledger_count.to_string(),
                    if row.complete { "yes" } else { "NO" }.to_owned(),
                    millisecond(row.issued_at),
                    row.issued_by,
                    row.ids_hash,
                    row.ledger_hash,
                ]
            }),
        )),
    }
}

#[derive(Serialize)]
struct Plans {
    plans: Vec<PlanRow>,
    #[serde(flatten)]
    more: More,
}

fn plans(global: &Global, filter: &SweepPlans) -> Result<(), Failure> {
    let page = read(global.timeout, "sweep_plans", |db| plan::list(db, filter))?;
    let (plans, more) = page.report("no plan fits all filters")?;
    match global.output {
        Form::Json => output::json(&Plans { plans, more }),
        Form::Table => output::text(&columns(
            [
                "PLAN",
                "STATE",
                "ACCOUNT",
                "FROM",
                "TO",
                "MISSING",
                "CAP",
                "PUBLISHED",
                "CREATED",
                "ACTION",
                "ERROR",
            ],
            plans.into_iter().map(|row| {
                [
                    row.id,
                    row.state,
                    account(&row.account),
                    second(row.window_from),
                    second(row.window_to),
                    row.missing.to_string(),
                    row.cap.to_string(),
                    row.published.to_string(),
                    millisecond(row.created_at),
                    or_dash(row.action_id),
                    or_dash(row.error),
                ]
            }),
        )),
    }
}

/// An account for people.
fn account(name: &str) -> String {
    if name.is_empty() { "own" } else { name }.to_owned()
}
