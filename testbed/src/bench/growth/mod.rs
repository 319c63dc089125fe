//! Growth of the tables, and everything that must not become slower by it.
//!
//! One database grows to a million events, then to five, then to twenty. At each size the same bursts
//! are applied, the same two days are swept, and the console answers the same questions. From five
//! million on, every statement that a service sends by itself is timed, too.

mod burst;
mod figures;
mod generate;
mod lists;
mod own;
mod seeds;
mod swept;

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_query;
use serde_json::{Value, json};

use super::Part;
use super::drain::{Bed, Drain, Number};
use burst::Bursts;
use figures::Report;
use swept::Days;

/// The size from which on statements of services are timed.
const LARGE: u64 = 5_000_000;
/// Tables with less are not printed, in bytes an event.
const MIN_SHOWN: f64 = 0.5;
/// Characters of a statement that are printed.
const SHOWN: usize = 100;

/// The part's settings.
#[derive(Clone, Debug)]
pub(super) struct Growth {
    /// Events in the ledger, each more than the last.
    pub(super) sizes: Vec<u64>,
    /// Events of one burst.
    pub(super) burst: u64,
}

impl Growth {
    /// Runs; blocks.
    ///
    /// # Errors
    /// Something could not be started, or not everything was applied.
    pub(super) fn run(self) -> anyhow::Result<Part> {
        let bed = Bed::start("bench-growth")?;
        let drain = bed.prepare("growth")?;
        generate::prepare(&drain.url)?;
        seeds::plant(&bed, &drain)?;
        generate::capture(&drain.url)?;
        let (days, began) = (Days::start(&drain)?, now_s());
        let bursts = Bursts {
            bed: &bed,
            drain: &drain,
            events: self.burst,
        };
        let large = self.sizes.last().copied().unwrap_or(LARGE).min(LARGE);
        let (mut report, mut before) = (Report::default(), 0);
        let (mut bytes, mut own, mut kept) = (Value::Null, Vec::new(), true);
        for (number, size) in (0..).zip(self.sizes) {
            let took = generate::grow(&drain.url, size.saturating_sub(before), began)?;
            println!("{size} events after {:.0} s", took.as_secs_f64());
            before = size;
            bytes = print_bytes(&drain)?;
            let mut figures = bursts.measure(number)?;
            figures.extend(days.measure(&bed, &drain)?);
            figures.extend(lists::measure(&drain)?);
            report.add(size, figures);
            if size >= large {
                let found = own::measure(&bursts, &days, number)?;
                kept &= found.passed;
                own.push(json!({"events": size, "statements": found.result}));
            }
        }
        let passed = report.print() & kept;
        Ok(Part {
            name: "growth",
            passed,
            result: json!({
                "burst": self.burst, "growth": report.json(), "bytes_an_event": bytes,
                "own": own, "passed": passed,
            }),
        })
    }
}

/// Prints the bytes an event of each table.
fn print_bytes(drain: &Drain) -> anyhow::Result<Value> {
    let mut conn = PgConnection::establish(&drain.url)?;
    let events: Number = sql_query("SELECT count(*) AS n FROM events").get_result(&mut conn)?;
    let events = f64::from(u32::try_from(events.n)?).max(1.0);
    println!("  bytes an event, of {events:.0}         rows   indexes");
    let (mut all, mut total) = (Vec::new(), (0.0, 0.0));
    for table in generate::sizes(&mut conn)? {
        let of =
            |bytes: i64| anyhow::Ok(f64::from(u32::try_from(bytes / 1_024)?) * 1_024.0 / events);
        let (rows, indexes) = (of(table.rows)?, of(table.indexes)?);
        total = (total.0 + rows, total.1 + indexes);
        if rows + indexes >= MIN_SHOWN {
            println!("  {:<32} {rows:>9.1} {indexes:>9.1}", table.name);
            all.push(json!({"table": table.name, "rows": rows, "indexes": indexes}));
        }
    }
    println!("  {:<32} {:>9.1} {:>9.1}", "all tables", total.0, total.1);
    Ok(json!({"events": events, "tables": all, "rows": total.0, "indexes": total.1}))
}

/// The first words of a statement, on one line.
fn shown(sql: &str) -> String {
    let words: Vec<&str> = sql.split_whitespace().collect();
    words.join(" ").chars().take(SHOWN).collect()
}

/// The median; zero of none.
fn middle(durations: &[Duration]) -> Duration {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "events must be of the last days")]
fn now_s() -> i64 {
    chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now()).timestamp()
}
