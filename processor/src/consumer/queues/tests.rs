//! Moves, holds and pauses, without a broker.

use rdkafka::message::OwnedHeaders;
use shared::kafka::headers::RecordHeaders;

use super::*;

fn record(offset: i64) -> Record {
    Record {
        topic: "t".to_owned(),
        partition: 0,
        offset,
        key: String::new(),
        value: Vec::new(),
        headers: RecordHeaders::default(),
        raw_headers: OwnedHeaders::new(),
        timestamp_ms: None,
        arrived: Instant::now(),
    }
}

#[test]
fn what_arrives_between_a_move_and_the_seek_is_dropped_and_never_taken_for_a_jump() {
    let queues = Queues::new(QueueLimits {
        high: 10,
        high_bytes: 1_000,
        low: 1,
        batch: 10,
        linger: Duration::ZERO,
    });
    queues.open(0, 1, 5, false);
    queues.push(record(5));
    drop(queues.take());
    queues.lost(0, 1, Lost::Moved(6));
    // 6 and 7 were in the queue that the move has cleared; the client goes on with 8.
    queues.push(record(8));
    assert_eq!(queues.waiting(), 0);
    assert_eq!(queues.positions(), [(0, 6)]);
    assert!(queues.take_seek());
    queues.push(record(6));
    assert_eq!(queues.positions(), [(0, 7)]);
}

fn queues() -> Queues {
    Queues::new(QueueLimits {
        high: 10,
        high_bytes: 1_000,
        low: 1,
        batch: 10,
        linger: Duration::ZERO,
    })
}

#[test]
fn a_held_partition_deals_its_head_alone_until_it_is_let_go() {
    let queues = queues();
    queues.open(0, 1, 5, true);
    for offset in 5..8 {
        queues.push(record(offset));
    }
    let probe = queues
        .take()
        .map(|batch| (batch.probe, batch.records.len()));
    assert_eq!(probe, Some((Probe::MustSucceed, 1)));
    let held = |probe| Lost::Held {
        next_offset: 5,
        probe,
    };
    queues.lost(0, 1, held(true));
    assert_eq!(queues.held(), [(0, 1)]);
    assert!(queues.take_seek());
    for offset in 5..8 {
        queues.push(record(offset));
    }
    queues.let_go(0);
    let batch = queues
        .take()
        .map(|batch| (batch.probe, batch.records.len()));
    assert_eq!(batch, Some((Probe::No, 3)));
    assert!(queues.held().is_empty());
}

#[test]
fn a_paused_queue_deals_nothing_and_still_ends() {
    let queues = queues();
    queues.open(0, 1, 5, false);
    queues.push(record(5));
    queues.set_paused(true);
    std::thread::scope(|scope| {
        let taken = scope.spawn(|| queues.take().is_some());
        queues.stop();
        assert!(taken.join().is_ok_and(|taken| !taken));
    });
}

#[test]
fn a_row_behind_ours_is_a_restored_database_and_is_read_again_without_new_records() {
    let queues = queues();
    queues.open(0, 7, 50, false);
    queues.open(1, 7, 50, false);
    queues.open(2, 7, 50, false);
    let ours = queues.claims();
    let well = [(0, 50, 7), (1, 60, 7), (2, 50, 8)];
    assert_eq!(queues.compare(&ours, &well), [0_i32; 0]);
    let restored = [(0, 30, 7), (1, 30, 6), (2, 30, 8)];
    assert_eq!(queues.compare(&ours, &restored), [0, 1]);
    assert_eq!(queues.positions(), [(2, 50)]);
    assert_eq!(queues.take_reclaims(), [0, 1]);
    assert!(queues.take_reclaims().is_empty());
}

#[test]
fn a_partition_lost_to_another_is_not_claimed_again_at_once() {
    let queues = queues();
    queues.open(0, 7, 50, false);
    queues.lost(0, 7, Lost::Evicted);
    assert!(queues.positions().is_empty());
    assert!(queues.take_reclaims().is_empty());
}

#[test]
fn a_batch_that_commits_between_the_two_looks_is_no_restored_database() {
    let queues = queues();
    queues.open(0, 7, 50, false);
    let ours = queues.claims();
    queues.push(record(50));
    drop(queues.take());
    let rows = [(0, 50, 7)];
    queues.applied(0, 7, 51);
    assert_eq!(queues.compare(&ours, &rows), [0_i32; 0]);
    // Nor is a claim that was made between them.
    queues.open(0, 8, 51, false);
    assert_eq!(queues.compare(&ours, &[(0, 40, 6)]), [0_i32; 0]);
}

#[test]
fn a_probe_that_fails_after_a_person_resumed_does_not_hold_again() {
    let queues = queues();
    queues.open(0, 1, 5, true);
    queues.push(record(5));
    drop(queues.take());
    queues.let_go(0);
    let held = |probe| Lost::Held {
        next_offset: 5,
        probe,
    };
    queues.lost(0, 1, held(true));
    assert!(queues.held().is_empty());
    assert!(queues.take_seek());
    queues.push(record(5));
    drop(queues.take());
    queues.lost(0, 1, held(false));
    assert_eq!(queues.held(), [(0, 1)]);
}

fn stalled(queues: &Queues) -> Vec<(i32, i64)> {
    let stalled = queues.stalled(Duration::ZERO);
    stalled
        .iter()
        .map(|one| (one.partition, one.offset))
        .collect()
}

#[test]
fn a_partition_is_stalled_from_its_first_waiting_record_until_nothing_is_left() {
    let queues = queues();
    queues.open(0, 1, 5, false);
    assert_eq!(stalled(&queues), []);
    queues.push(record(5));
    queues.push(record(6));
    assert_eq!(stalled(&queues), [(0, 5)]);
    assert_eq!(queues.stalled(Duration::from_secs(3_600)), []);
    drop(queues.take());
    queues.trouble(0, 1, "refused".to_owned());
    let trouble = queues
        .stalled(Duration::ZERO)
        .pop()
        .and_then(|one| one.trouble);
    assert_eq!(trouble.as_deref(), Some("refused"));
    queues.progressed(0, 1, 6);
    assert_eq!(stalled(&queues), [(0, 6)]);
    assert_eq!(
        queues
            .stalled(Duration::ZERO)
            .pop()
            .and_then(|one| one.trouble),
        None
    );
    queues.applied(0, 1, 7);
    assert_eq!(stalled(&queues), []);
}

#[test]
fn reading_the_same_offset_again_does_not_hide_that_a_partition_is_stalled() {
    let queues = queues();
    queues.open(0, 1, 5, false);
    queues.push(record(5));
    drop(queues.take());
    queues.lost(0, 1, Lost::Moved(5));
    assert_eq!(stalled(&queues), [(0, 5)]);
    // Somebody applied it.
    queues.lost(0, 1, Lost::Moved(6));
    assert_eq!(stalled(&queues), []);
}

#[test]
fn what_is_held_or_paused_or_gone_is_not_stalled() {
    let queues = queues();
    queues.open(0, 1, 5, false);
    queues.push(record(5));
    queues.set_paused(true);
    assert_eq!(stalled(&queues), []);
    queues.set_paused(false);
    assert_eq!(stalled(&queues), [(0, 5)]);
    drop(queues.take());
    let held = Lost::Held {
        next_offset: 5,
        probe: false,
    };
    queues.lost(0, 1, held);
    assert!(queues.take_seek());
    queues.push(record(5));
    assert_eq!(stalled(&queues), []);
    queues.let_go(0);
    assert_eq!(stalled(&queues), [(0, 5)]);
    drop(queues.close(&[0], Duration::ZERO));
    assert_eq!(stalled(&queues), []);
}
