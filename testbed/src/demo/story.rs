//! The bad day, hour by hour (here: second by second).

use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::BigInt;

use super::check::{Held, Seen, differences, unseen};
use super::stage::{FIRST_SECRET, NEW_SECRET, Stage};
use super::{DemoArgs, Stop, table};
use crate::stack::postgres::Mode;
use crate::stripe::Faults;
use crate::stripe::{Order, When};

/// How long the stories' beginnings are spread.
const DAY: Duration = Duration::from_secs(26);
/// How long the database is down.
const OUTAGE: Duration = Duration::from_secs(10);
/// How long both secrets sign.
const OVERLAP: Duration = Duration::from_secs(3);
/// After the day, until everything must be right.
const PATIENCE: Duration = Duration::from_secs(60);
const READY: Duration = Duration::from_secs(30);

struct Clock<'a> {
    started: Instant,
    stop: &'a Stop,
}

impl Clock<'_> {
    fn say(&self, what: &str) {
        println!("{:>5.1} s  {what}", self.started.elapsed().as_secs_f64());
    }

    /// Waits in small steps, so that Ctrl-C is noticed.
    fn wait(&self, how_long: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + how_long;
        while Instant::now() < until {
            if self.stop.load(Ordering::Relaxed) {
                bail!("interrupted");
            }
            thread::sleep(
                Duration::from_millis(20).min(until.saturating_duration_since(Instant::now())),
            );
        }
        Ok(())
    }
}

/// Plays the day; whether all came right and each fault was seen.
pub(super) fn play(args: DemoArgs, stop: &Stop) -> anyhow::Result<bool> {
    let clock = Clock {
        started: Instant::now(),
        stop,
    };
    clock.say("starting Kafka, Postgres, the three services and a fake Stripe");
    let faults = Faults {
        lost: 0.05,
        duplicated: 0.05,
        reordered: 0.5,
        reorder_window_ms: 2_000,
        ..Faults::default()
    };
    let mut stage = Stage::set(args.seed, faults)?;
    let bookings = stage.fake.create_bookings(&Order {
        count: args.bookings,
        over_ms: u64::try_from(DAY.as_millis())?,
        when: When::Held,
        ..Order::default()
    });
    // Most know what they expect before anything is paid; the rest learn it afterwards.
    let early = bookings.len() - bookings.len() / 5;
    let (before, after) = bookings.split_at(early);
    stage.register(before)?;
    clock.say(&format!(
        "{} bookings registered; {} more will be after their payment",
        before.len(),
        after.len()
    ));
    stage.fake.play();
    clock
        .say("the day begins: 5 % of deliveries lost for good, 5 % duplicated, the order shuffled");
    let seen = bad_luck(&mut stage, &clock)?;
    stage.register(after)?;
    let settled = settle(&stage, &clock)?;
    let held = Held::read(&stage.database)?;
    let stats = stage.fake.stats();
    let mut problems = unseen(&held, &stats, &seen);
    problems.extend(settled.problems);
    table::print(
        &held,
        &stats,
        &seen,
        settled.after_day,
        clock.started.elapsed(),
    );
    table::verdict(&problems);
    Ok(problems.is_empty())
}

fn bad_luck(stage: &mut Stage, clock: &Clock<'_>) -> anyhow::Result<Seen> {
    let mut seen = Seen::default();
    clock.wait(Duration::from_secs(3))?;
    let before = stage.ingestor.pid();
    stage.ingestor.kill9()?;
    clock.say("ingestor killed (SIGKILL) under load; Stripe will send again");
    stage.ingestor.start_again()?;
    stage.ingestor.wait_ready(READY)?;
    seen.ingestor_pids = (before, stage.ingestor.pid());

    clock.wait(Duration::from_secs(2))?;
    let before = stage.processor.pid();
    seen.open_transactions = kill_inside_transaction(stage, clock)?;
    clock.say(&format!(
        "processor killed (SIGKILL) with {} transaction(s) open",
        seen.open_transactions
    ));
    stage.processor.start_again()?;
    seen.processor_pids = (before, stage.processor.pid());

    clock.wait(Duration::from_secs(2))?;
    stage.postgres.stop(Mode::Immediate)?;
    let answered = stage.fake.stats().ok_answers;
    clock.say("database stopped for 10 s; the ingestor goes on answering");
    clock.wait(OUTAGE)?;
    seen.answered_while_down = stage.fake.stats().ok_answers.saturating_sub(answered);
    stage.postgres.start_again()?;
    clock.say(&format!(
        "database back; {} answers of 200 meanwhile",
        seen.answered_while_down
    ));

    write_secrets(
        &stage.secrets,
        &format!("first={FIRST_SECRET}\nnew={NEW_SECRET}\n"),
    )?;
    clock.wait(Duration::from_secs(2))?;
    stage.fake.roll_secret(NEW_SECRET, OVERLAP);
    clock.say("signing secret rolled: both sign for 3 s, then the new one only");
    clock.wait(OVERLAP + Duration::from_secs(1))?;
    write_secrets(&stage.secrets, &format!("new={NEW_SECRET}\n"))?;
    clock.say("the old secret is gone from the configuration");
    Ok(seen)
}

fn write_secrets(path: &Path, text: &str) -> anyhow::Result<()> {
    let beside = path.with_extension("next");
    std::fs::write(&beside, text).context("cannot write the secrets")?;
    std::fs::rename(&beside, path).context("cannot replace the secrets")
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// Holds the bookings until the processor waits for them inside a transaction, and kills it
/// there. How many of its transactions were open.
fn kill_inside_transaction(stage: &mut Stage, clock: &Clock<'_>) -> anyhow::Result<i64> {
    let mut holder = PgConnection::establish(&stage.database)?;
    let mut watcher = PgConnection::establish(&stage.database)?;
    holder.batch_execute("BEGIN; LOCK TABLE bookings IN EXCLUSIVE MODE")?;
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut open = 0;
    while open == 0 && Instant::now() < deadline {
        clock.wait(Duration::from_millis(20))?;
        let row: Number = sql_query(
            "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'bookend-processor' \
             AND xact_start IS NOT NULL AND wait_event_type = 'Lock'",
        )
        .get_result(&mut watcher)?;
        open = row.n;
    }
    stage.processor.kill9()?;
    holder.batch_execute("ROLLBACK")?;
    Ok(open)
}

struct Settled {
    problems: Vec<String>,
    after_day: Duration,
}

/// Waits until the day is over and everything is right, or patience ends.
fn settle(stage: &Stage, clock: &Clock<'_>) -> anyhow::Result<Settled> {
    while !stage.fake.is_idle() {
        clock.wait(Duration::from_secs(1))?;
        let stats = stage.fake.stats();
        let held = Held::read(&stage.database)?;
        let applied: u64 = held.by_disposition().values().sum();
        clock.say(&format!(
            "{} events so far, {} accepted, {applied} in the ledger, {} found by the reconciler",
            stats.events,
            stats.accepted,
            held.found_by_reconciler()
        ));
        if clock.started.elapsed() > Duration::from_secs(150) {
            bail!("the fake Stripe is still delivering after 150 s");
        }
    }
    clock.say("the day is over: everything was delivered or lost; waiting until all is right");
    let over = Instant::now();
    loop {
        let held = Held::read(&stage.database)?;
        let problems = differences(&held, &stage.fake.truth(), &stage.fake.deliveries());
        if problems.is_empty() || over.elapsed() > PATIENCE {
            return Ok(Settled {
                problems,
                after_day: over.elapsed(),
            });
        }
        if over.elapsed().as_millis() % 3_000 < 500 {
            clock.say(&format!("{} differences left", problems.len()));
        }
        clock.wait(Duration::from_millis(500))?;
    }
}
