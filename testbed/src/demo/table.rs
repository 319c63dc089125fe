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
    println!("{}", statuses(held));
    println!(
        "all right {:.1} s after the last delivery; {:.0} s in all",
        after_day.as_secs_f64(),
        total.as_secs_f64()
    );
}

/// Bookings by status.
fn statuses(held: &Held) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_header(["bookings", "how many", "which means"]);
    for (status, number) in held.by_status() {
        let meaning = meaning(&status).to_owned();
        table.add_row([status, number.to_string(), meaning]);
    }
    table
}

fn meaning(status: &str) -> &'static str {
    match status {
        "amount_mismatch" => "paid, and not what was expected",
        "authorized" => "held on a card, no money yet",
        "canceled" => "every attempt to pay has ended",
        "confirmed" => "the expected amount is there, net",
        "disputed" => "a dispute is open, or has cost money",
        "partially_refunded" => "paid in full, a part given back",
        "payment_failed" => "the last attempt to pay failed",
        "pending" => "not paid yet",
        "processing" => "a debit is on its way",
        "refunded" => "all of the money was given back",
        "requires_action" => "waits for the customer",
        _ => "",
    }
}

pub(super) fn verdict(problems: &[String]) {
    const SHOWN: usize = 20;
    if problems.is_empty() {
        println!(
            "\nEvery booking equals the fake Stripe's truth in its status and each of its amounts, every event"
        );
        println!("answered 200 is in the ledger exactly once, and each fault was really seen.");
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
