//! Bad input, from the socket to the ledger or the dead letter: what docs/bad-input.md states for
//! each body is what happens, and the partitions go on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and sign with the time of day"
)]

mod cases;
mod document;
mod ground;

use std::collections::BTreeMap;

use crate::cases::Wire;
use crate::document::Fate;
use crate::ground::Ground;

#[test]
fn every_bad_body_ends_as_the_document_says_and_the_partitions_go_on() {
    let ground = Ground::new();
    let sent: Vec<(&str, Vec<u8>, String)> = cases::all()
        .into_iter()
        .map(|(name, wire)| {
            let answer = ground.send(&wire);
            let (Wire::Whole(body) | Wire::Stalled(body) | Wire::CutOff(body)) = wire;
            (name, body, answer)
        })
        .collect();
    // One of each key: with 60 of them, every partition has some after the bad ones.
    let good: Vec<String> = (0..60).map(|number| format!("good_{number}")).collect();
    for name in &good {
        let body = cases::good(name).into_bytes();
        assert_eq!(ground.send(&Wire::Whole(body)), "200");
    }
    ground.wait_until_applied();
    for name in &good {
        assert_eq!(ground.booking(&format!("bk_{name}")), "confirmed", "{name}");
    }
    let seen: BTreeMap<String, Fate> = sent
        .into_iter()
        .map(|(name, body, answer)| (name.to_owned(), ground.fate(name, &body, answer)))
        .collect();
    let stated = document::fates();
    let told = |fates: &BTreeMap<String, Fate>| {
        fates
            .iter()
            .map(|(name, f)| {
                format!(
                    "`{name}` | {} | {} | {} | {}",
                    f.answer, f.end, f.booking, f.reason
                )
            })
            .collect::<Vec<_>>()
    };
    let (seen, stated) = (told(&seen), told(&stated));
    let differ: Vec<&String> = seen.iter().filter(|row| !stated.contains(row)).collect();
    let unseen: Vec<&String> = stated.iter().filter(|row| !seen.contains(row)).collect();
    assert!(
        differ.is_empty() && unseen.is_empty(),
        "seen, not stated:\n{differ:#?}\nstated, not seen:\n{unseen:#?}"
    );
}
