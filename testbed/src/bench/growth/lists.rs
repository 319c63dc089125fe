//! The console's commands, each a process of its own, as an operator runs them.
//!
//! The time of a command's statements is measured between it and the server, so that neither the start
//! of the process nor the connection counts.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;

use super::figures::{Figure, ms};
use super::middle;
use crate::bench::drain::Drain;
use crate::services::binary;
use crate::testing::Recorder;

/// Most time of a command's statements, in milliseconds.
const MAX_MS: f64 = 100.0;
/// Runs of each command after a first that does not count.
const RUNS: usize = 5;
/// A first run that takes longer is the only one.
const MAX_FIRST: Duration = Duration::from_secs(3);

/// Commands; `{token}` is an old booking's. The first waits for nothing but one row.
const COMMANDS: [&str; 31] = [
    "event show evt_{token}_1",
    "event payload evt_{token}_1",
    "event list",
    "event list --booking bk_{token}",
    "event list --type charge.updated",
    "event list --type charge.*",
    "event list --type account.updated",
    "event list --disposition dead",
    "event list --disposition ignored",
    "event list --source refetch",
    "event list --since 1h",
    "event list --until 4000h --limit 1000",
    "booking show bk_{token}",
    "booking list",
    "booking list --after bk_{token}",
    "booking list --status processing",
    "booking list --status disputed",
    "booking list --hold parked",
    "dead list",
    "dead list --status open",
    "dead list --booking bk_{token}",
    "dead list --type charge.*",
    "dead groups",
    "parked list",
    "finding list",
    "finding list --kind paid_twice --limit 50",
    "finding list --booking bk_{token}",
    "sweep list",
    "sweep certificates",
    "action list --state failed",
    "action list --who operator-3",
];

#[derive(QueryableByName)]
struct Token {
    #[diesel(sql_type = Text)]
    token: String,
}

/// Runs all commands.
///
/// # Errors
/// One ends otherwise than with 0 (rows), 3 (none) or 124 (in no time).
pub(super) fn measure(drain: &Drain) -> anyhow::Result<Vec<Figure>> {
    let mut conn = PgConnection::establish(&drain.url)?;
    let old: Token = sql_query("SELECT token FROM growth.draw(1)").get_result(&mut conn)?;
    let mut figures = Vec::new();
    for command in COMMANDS {
        // A door of its own: its statements are those of this command.
        let recorder = Recorder::to(&drain.url);
        let url = recorder.url(&drain.url_as("bookend_console"));
        let words = command.replace("{token}", &old.token);
        let (mut statements, mut processes, mut slowest) = (Vec::new(), Vec::new(), None);
        for run in 0..=RUNS {
            let process = once(&words, &url)?;
            let timings = recorder.take_timings();
            let took = timings.total();
            slowest = timings.slowest();
            if run > 0 || process > MAX_FIRST {
                statements.push(took);
                processes.push(process);
            }
            if process > MAX_FIRST {
                break;
            }
        }
        let took = ms(middle(&statements));
        println!(
            "  bookend {command:<48} {took:>9.2} ms of {:.0} ms",
            ms(middle(&processes))
        );
        if let Some(sql) = slowest.filter(|_sql| took > MAX_MS) {
            let profile = recorder.profile(&sql).unwrap_or_else(|error| error);
            println!("{profile}");
        }
        figures.push(Figure::bounded(format!("bookend {command}"), took, MAX_MS));
    }
    Ok(figures)
}

fn once(words: &str, url: &str) -> anyhow::Result<Duration> {
    let program = binary("bookend");
    let began = Instant::now();
    let output = Command::new(&program)
        .args(words.split_whitespace())
        .env("DATABASE_URL", url)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let took = began.elapsed();
    ensure!(
        matches!(output.status.code(), Some(0 | 3 | 124)),
        "bookend {words}: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(took)
}
