//! The faults that a bad day must really have had.

use super::{Held, Seen};
use crate::stripe::Stats;

/// Every fault that the day should have had and had not; empty: all were seen.
#[must_use]
pub fn unseen(held: &Held, stats: &Stats, seen: &Seen) -> Vec<String> {
    let facts = [
        (
            stats.events >= 3_000,
            format!("only {} events happened", stats.events),
        ),
        (
            stats.types >= 12,
            format!("only {} types of events", stats.types),
        ),
        (stats.lost > 0, "no event was lost".to_owned()),
        (stats.duplicated > 0, "no event was duplicated".to_owned()),
        (stats.reordered > 0, "no event was reordered".to_owned()),
        (
            stats.illegal_steps == 0,
            format!("the fake took {} illegal steps", stats.illegal_steps),
        ),
        (
            is_replaced(seen.ingestor_pids),
            "the ingestor was not killed".to_owned(),
        ),
        (
            is_replaced(seen.processor_pids),
            "the processor was not killed".to_owned(),
        ),
        (
            seen.open_transactions > 0,
            "the processor had no open transaction when it was killed".to_owned(),
        ),
        (
            seen.answered_while_down >= 100,
            format!(
                "only {} answers of 200 while the database was down",
                seen.answered_while_down
            ),
        ),
        (
            held.verified_by("new") > 0,
            "no request was verified by the new secret".to_owned(),
        ),
        (
            held.verified_by("first") > 0,
            "no request was verified by the first secret".to_owned(),
        ),
    ];
    facts
        .into_iter()
        .filter(|(fine, _)| !fine)
        .map(|(_, what)| what)
        .collect()
}

fn is_replaced((before, after): (i32, i32)) -> bool {
    before > 0 && after > 0 && before != after
}
