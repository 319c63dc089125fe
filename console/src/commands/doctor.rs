//! `bookend doctor`: every setting and dependency, one line each, with what to do.

use serde::Serialize;

use crate::args::{DoctorArgs, Global};
use crate::doctor::{Check, Outcome, examine};
use crate::failure::Failure;
use crate::output::{self, Form, columns, or_dash};

#[derive(Serialize)]
struct Report {
    failed: usize,
    checks: Vec<Check>,
}

pub(crate) fn run(global: &Global, args: &DoctorArgs) -> Result<(), Failure> {
    let checks = examine(args.service, global.timeout)?;
    let is_failed = |check: &&Check| check.outcome == Outcome::Failed;
    let report = Report {
        failed: checks.iter().filter(is_failed).count(),
        checks,
    };
    match global.output {
        Form::Json => output::json(&report)?,
        Form::Table => output::text(&columns(
            ["OUTCOME", "CHECK", "FOUND", "WHAT TO DO"],
            report.checks.iter().map(|check| {
                [
                    check.outcome.as_str().to_owned(),
                    check.check.clone(),
                    check.found.clone(),
                    or_dash(check.fix.clone()),
                ]
            }),
        ))?,
    }
    if report.failed > 0 {
        return Err(Failure::Unwell {
            failed: report.failed,
            checks: report.checks.len(),
        });
    }
    Ok(())
}
