//! One of two processors loses its way to the database, and only it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};

use shared::clock::{Clock as _, SystemClock};
use testbed::faults::{Direction, Fault, Proxy};
use testbed::services::Service;
use testbed::testing::eventually;

use crate::harness::{Harness, PATIENCE};
use crate::publishing::{assert_each_once, under_load};

/// The first of two processors, whose way to the database leads through the proxy, and the other.
fn two(harness: &Harness) -> (Service, Proxy, Service) {
    let url = harness.database.url_as("bookend_processor");
    let (scheme, rest) = url.split_once('@').unwrap();
    let (address, database) = rest.split_once('/').unwrap();
    let proxy = Proxy::start(address.parse::<SocketAddr>().unwrap()).unwrap();
    let through = format!("{scheme}@{}/{database}", proxy.address());
    let start = |url: &str| {
        let builder = harness
            .builder()
            .env("DATABASE_URL", url)
            .env("DATABASE_GIVE_UP_AFTER", "2s");
        let mut service = builder.spawn(harness.dir()).unwrap();
        service.wait_ready(PATIENCE).unwrap();
        service
    };
    let (cut, other) = (start(&through), start(&url));
    eventually_shared(harness);
    (cut, proxy, other)
}

/// Waits until each of them says that it has half of the partitions. What was said before counts for
/// nothing: a processor that is cut off cannot take back what it said while it was well.
fn eventually_shared(harness: &Harness) {
    let now = SystemClock.now().to_rfc3339();
    let halves = format!(
        "SELECT count(*) FROM processor_instances \
         WHERE cardinality(partitions) = 6 AND seen_at > '{now}'"
    );
    harness.eventually_number(2, &halves);
}

fn eventually_cut_off(cut: &Service) {
    eventually(PATIENCE, "it says that it is cut off", || {
        cut.get("/readyz")
            .is_some_and(|(status, body)| status == 503 && body.contains("cut off"))
    });
}

/// Everything that is published until now is applied.
fn eventually_applied(harness: &Harness, published: &AtomicI64) {
    let mark = published.load(Ordering::Relaxed);
    let behind = format!(
        "SELECT count(*) FROM generate_series(0, {mark}) AS n \
         WHERE NOT EXISTS (SELECT FROM events WHERE id = 'evt_' || n)"
    );
    harness.eventually_number(0, &behind);
}

#[test]
fn a_processor_that_is_cut_off_from_the_database_gives_its_partitions_to_the_other() {
    let harness = Harness::new();
    let (cut, proxy, _other) = two(&harness);
    let published = under_load(&harness, |published| {
        for fault in [Fault::Refuse, Fault::Blackhole(Direction::Both)] {
            proxy.set(fault);
            eventually_cut_off(&cut);
            eventually_applied(&harness, published);
            proxy.set(Fault::Reset);
            proxy.set(Fault::None);
            eventually_shared(&harness);
        }
    });
    assert_each_once(&harness, published);
}

#[test]
fn a_processor_whose_answer_was_swallowed_asks_to_be_replaced_while_the_other_goes_on() {
    let harness = Harness::new();
    let (mut cut, proxy, _other) = two(&harness);
    let published = under_load(&harness, |published| {
        // The way is well again, but whoever waits for an answer waits on a connection that lives.
        proxy.set(Fault::Blackhole(Direction::Both));
        eventually_cut_off(&cut);
        proxy.set(Fault::None);
        eventually(PATIENCE, "it gives no sign of life", || {
            cut.get("/livez").is_some_and(|(status, body)| {
                status == 503 && body.contains("watching the database")
            })
        });
        eventually_applied(&harness, published);
        // As an orchestrator does.
        cut.start_again().unwrap();
        cut.wait_ready(PATIENCE).unwrap();
        eventually_shared(&harness);
    });
    assert_each_once(&harness, published);
}
