#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use proptest::prelude::*;
use shared::stats::{Counts, Teller};

use super::*;

const NOW: i64 = 1_000_000;

fn window(from: i64, to: i64) -> Window {
    Window::new(from, to).unwrap()
}

/// An instance that tells at each of these seconds, the last time for ever when `ended`, and that
/// refuses and fails one request before each.
fn told(instance: &str, at: &[i64], ended: bool) -> Vec<Stats> {
    let mut teller = Teller::new(instance.to_owned(), at[0]);
    let mut records = Vec::new();
    for (number, second) in at.iter().enumerate() {
        let each = u64::try_from(number).unwrap();
        let counted = Counts::from([
            ("ok".to_owned(), 9 * each),
            ("no_header".to_owned(), each),
            ("overloaded".to_owned(), each),
        ]);
        let last = ended && number + 1 == at.len();
        let stats = teller.next(&counted, *second, last);
        teller.acknowledged(&stats, counted);
        records.push(stats);
    }
    records
}

fn is_complete(records: &[Stats], span: Window) -> bool {
    counted(records, span).complete
}

#[test]
fn records_that_touch_the_span_are_added_up_and_others_not() {
    let records = told("a", &[100, 160, 220, 280, 340, 400, 460], true);
    let found = counted(&records, window(230, 330));
    let wanted = Counted {
        refused: 2,
        unavailable: 2,
        complete: true,
        records: 2,
    };
    assert_eq!(found, wanted);
}

#[test]
fn instances_that_overlap_are_fine_and_add_up() {
    let mut records = told("a", &[100, 160, 220], true);
    records.extend(told("b", &[190, 250, 310], true));
    let found = counted(&records, window(100, 310));
    assert!(found.complete, "{found:?}");
    assert_eq!((found.refused, found.records), (4, 6));
}

#[test]
fn a_second_that_nobody_tells_is_noticed() {
    let mut records = told("a", &[100, 160], true);
    records.extend(told("b", &[161, 220], true));
    assert!(!is_complete(&records, window(100, 220)));
    assert!(is_complete(&records, window(100, 160)));
    assert!(!is_complete(&records, window(99, 160)));
    assert!(!is_complete(&[], window(99, 160)));
}

#[test]
fn whoever_ended_without_a_word_leaves_its_counts_unknown_though_others_tell() {
    let whole = told("a", &[0, 60, 120, 180, 240, 300, 360, 420], false);
    let killed = |at: &[i64]| [whole.clone(), told("b", at, false)].concat();
    let span = window(200, 400);
    assert!(is_complete(&whole, span));
    assert!(!is_complete(&killed(&[210, 270]), span), "within the span");
    assert!(!is_complete(&killed(&[210]), span), "as it began");
    assert!(!is_complete(&killed(&[100, 150]), span), "just before");
    assert!(is_complete(&killed(&[10, 70]), span), "long before");
    assert!(is_complete(&killed(&[300, 400]), span), "at its end");
    let ended = [whole, told("b", &[210, 270], true)].concat();
    assert!(is_complete(&ended, span));
}

#[test]
fn a_record_that_is_gone_is_noticed_though_others_tell() {
    let whole = told("a", &[0, 60, 120, 180, 240, 300], true);
    let other = told("b", &[0, 60, 120, 180, 240, 300], true);
    for gone in 0..whole.len() {
        let mut records = whole.clone();
        records.remove(gone);
        records.extend(other.clone());
        // The first record says only that it began: with another number first, it is missed too.
        let complete = is_complete(&records, window(0, 300));
        assert_eq!(complete, gone == 0, "without record {gone}");
    }
}

#[test]
fn what_is_not_told_yet_is_unknown() {
    let records = told("a", &[NOW - 300, NOW - 240, NOW - 180, NOW - 119], false);
    assert!(is_complete(&records, window(NOW - 300, NOW - 119)));
    assert!(!is_complete(&records, window(NOW - 300, NOW - 118)));
    assert!(!is_complete(&records, window(NOW - 100, NOW)));
}

#[test]
fn a_record_that_was_told_again_counts_once_and_at_its_longest() {
    let mut records = told("a", &[100, 160, 220], true);
    let mut shorter = records[1].clone();
    shorter.to = 130;
    shorter.counts = Counts::from([("no_header".to_owned(), 7)]);
    for place in [0, 3] {
        let mut both = records.clone();
        both.insert(place, shorter.clone());
        let found = counted(&both, window(100, 220));
        assert!(found.complete, "{found:?}");
        assert_eq!((found.refused, found.records), (2, 3));
    }
    records.remove(1);
    records.push(shorter);
    assert!(!is_complete(&records, window(100, 220)));
}

proptest! {
    /// Complete means: each asked-for second lies in a record, whatever the records are.
    #[test]
    fn complete_is_said_only_when_each_second_is_told(
        lives in prop::collection::vec((0i64..300, prop::collection::vec(1i64..60, 0..6), any::<bool>()), 0..6),
        gone in prop::collection::vec(any::<prop::sample::Index>(), 0..2),
        from in 0i64..300, len in 1i64..200,
    ) {
        let mut records = Vec::new();
        for (number, (begin, steps, ended)) in lives.iter().enumerate() {
            let mut at = vec![*begin];
            for step in steps {
                at.push(at.last().unwrap() + step);
            }
            records.extend(told(&format!("i{number}"), &at, *ended));
        }
        for index in gone {
            if !records.is_empty() {
                records.remove(index.index(records.len()));
            }
        }
        let span = window(from, from + len);
        let found = counted(&records, span);
        let second_is_told = |second: i64| records.iter().any(|r| r.from <= second && second < r.to);
        let covered = (span.from()..span.to()).all(second_is_told);
        prop_assert!(covered || !found.complete);
        // Nobody that told of a second of the span, and never that it ended, is silent before its end.
        for record in &records {
            let own = records.iter().filter(|r| r.instance == record.instance);
            let last = own.max_by_key(|r| r.seq).unwrap();
            let known = last.last || last.to >= span.to() || last.to + GRACE_S < span.from();
            prop_assert!(known || !found.complete);
        }
        // Never too small.
        let inside = records.iter().filter(|r| r.from >= span.from() && r.to <= span.to());
        let least: u64 = inside.map(|r| r.answered(Answered::Refused)).sum();
        prop_assert!(found.refused >= least);
    }
}
