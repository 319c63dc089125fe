//! What happened, for somebody who sees it for the first time.

use std::time::Duration;

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};

use super::check::{Held, Seen};
use crate::stripe::Stats;

pub(super) fn print(held: &Held, stats: &Stats, seen: &Seen, after_day: Duration, total: Duration) {
    let dispositions = held.by_disposition();
    let of = |name: &str| dispositions.get(name).copied().unwrap_or(0);
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_header(["what", "how many", "which means"]);
    let rows = [
        (
            "events at Stripe",
            stats.events,
            format!("of {} types", stats.types),
        ),
        (
            "sent",
            stats.sent,
            format!("by {} requests", stats.attempts),
        ),
        (
            "accepted",
            stats.accepted,
            "answered 200: in Kafka, on disk or on its way there".to_owned(),
        ),
        (
            "refused",
            stats.refused_answers,
            "answered 4xx or 5xx, and sent again".to_owned(),
        ),
        (
            "unanswered",
            stats.unanswered,
            "the ingestor was just being killed; sent again".to_owned(),
        ),
        (
            "lost on the way",
            stats.lost,
            "never delivered, not once".to_owned(),
        ),
        (
            "duplicates",
            stats.duplicated,
            "delivered again although once was enough".to_owned(),
        ),
        (
            "found by the reconciler",
            u64::try_from(held.found_by_reconciler()).unwrap_or(u64::MAX),
            "came only from Stripe's own list".to_owned(),
        ),
        ("applied", of("applied"), "told us something".to_owned()),
        (
            "no change",
            of("no_change"),
            "told us nothing new; kept all the same".to_owned(),
        ),
        ("dead", of("dead"), "given up on".to_owned()),
        (
            "answers while the database was down",
            seen.answered_while_down,
            "all 200".to_owned(),
        ),
    ];
    for (what, number, meaning) in rows {
        table.add_row([what.to_owned(), number.to_string(), meaning]);
    }
    println!("\n{table}");
    let mut statuses = Table::new();
    statuses
        .load_style(UTF8_FULL_CONDENSED)
        .set_header(["bookings", "how many"]);
    for (status, number) in held.by_status() {
        statuses.add_row([status, number.to_string()]);
    }
    println!("{statuses}");
    println!(
        "all right {:.1} s after the last delivery; {:.0} s in all",
        after_day.as_secs_f64(),
        total.as_secs_f64()
    );
}

pub(super) fn verdict(problems: &[String]) {
    const SHOWN: usize = 20;
    if problems.is_empty() {
        println!(
            "\nEvery booking equals the fake Stripe's truth, every event answered 200 is in the ledger exactly once,"
        );
        println!("and each fault was really seen.");
    } else {
        println!("\nNOT RIGHT: {} problem(s)", problems.len());
        for problem in problems.iter().take(SHOWN) {
            println!("  - {problem}");
        }
    }
    println!(
        "\nLook around yourself: `make up`, then `. .bookend/env`, `target/release/testbed send`,"
    );
    println!(
        "`target/release/bookend event show ID`, `target/release/bookend booking show booking-1`."
    );
}
