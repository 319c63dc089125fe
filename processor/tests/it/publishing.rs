//! Many records at once, and a load that goes on until it is told to stop.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use testbed::testing::eventually;

use crate::harness::{Harness, paid};

const SENDERS: usize = 16;
/// Between two records of a load: hundreds a second, well below what one processor applies.
const PACE: Duration = Duration::from_millis(2);

/// Appends them all under their keys, many in flight; each sender its share in order.
pub(crate) fn publish_all(harness: &Harness, records: &[(String, Vec<u8>)]) {
    thread::scope(|scope| {
        for share in records.chunks(records.len().div_ceil(SENDERS)) {
            scope.spawn(move || {
                for (key, body) in share {
                    harness.publish_under(key, body);
                }
            });
        }
    });
}

/// Publishes one paid booking after the other while `work` runs; returns how many.
pub(crate) fn under_load(harness: &Harness, work: impl FnOnce(&AtomicI64)) -> i64 {
    let (stop, published) = (AtomicBool::new(false), AtomicI64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let n = published.load(Ordering::Relaxed);
                let (event, intent, booking) =
                    (format!("evt_{n}"), format!("pi_{n}"), format!("b-{n}"));
                harness.publish(&paid(&event, &intent, &booking, 500));
                published.store(n + 1, Ordering::Relaxed);
                thread::park_timeout(PACE);
            }
        });
        // Also when `work` fails: the sender must end for the failure to be seen.
        let stopper = Stopper(&stop);
        work(&published);
        drop(stopper);
    });
    published.load(Ordering::Relaxed)
}

struct Stopper<'a>(&'a AtomicBool);

impl Drop for Stopper<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Lets the load go on for so long.
pub(crate) fn load_for(span: Duration) {
    let start = Instant::now();
    eventually(span * 2, "time passes", || start.elapsed() >= span);
}

/// Every published booking is confirmed by exactly one transition, every event is there once.
pub(crate) fn assert_each_once(harness: &Harness, published: i64) {
    harness.eventually_number(
        published,
        "SELECT count(*) FROM bookings WHERE status = 'confirmed' AND amount_paid = 500",
    );
    harness.eventually_number(
        published,
        "SELECT count(*) FROM events WHERE disposition = 'applied'",
    );
    for (wanted, sql) in [
        (published, "SELECT count(*) FROM events"),
        (published, "SELECT count(*) FROM booking_transitions"),
        (0, "SELECT count(*) FROM bookings WHERE version <> 1"),
        (0, "SELECT count(*) FROM dead_letters"),
        (0, "SELECT count(*) FROM log_holes"),
    ] {
        assert_eq!(harness.number(sql), wanted, "{sql}");
    }
}
