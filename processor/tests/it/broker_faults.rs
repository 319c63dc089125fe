//! The way to the broker breaks: the processor waits, skips nothing, gives nothing up.

use std::time::Duration;

use testbed::faults::{Direction, Fault};
use testbed::stack::Kafka;
use testbed::testing::TestTopics;

use crate::harness::{Harness, PATIENCE};
use crate::publishing::{assert_each_once, load_for, under_load};

#[test]
fn a_broker_refused_blackholed_reset_or_silent_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (kafka, proxies) = Kafka::start_behind_proxies(dir.path(), 1).unwrap();
    let harness = Harness::on(TestTopics::on(kafka.brokers()));
    let proxy = &proxies[0];
    let builder = harness.builder();
    let builder = builder.env("KAFKA_BROKERS", proxy.address().to_string());
    let mut service = builder.spawn(harness.dir()).unwrap();
    service.wait_ready(PATIENCE).unwrap();
    let published = under_load(&harness, |published| {
        for fault in [
            Fault::Refuse,
            Fault::Reset,
            Fault::Silent,
            Fault::Blackhole(Direction::ToClient),
            Fault::Slice,
        ] {
            proxy.set(fault);
            load_for(Duration::from_secs(3));
            let mark = published.load(std::sync::atomic::Ordering::Relaxed);
            proxy.set(Fault::Reset);
            load_for(Duration::from_millis(100));
            proxy.set(Fault::None);
            let behind = format!(
                "SELECT count(*) FROM generate_series(0, {mark}) AS n \
                 WHERE NOT EXISTS (SELECT FROM events WHERE id = 'evt_' || n)"
            );
            harness.eventually_number(0, &behind);
        }
    });
    assert_each_once(&harness, published);
    assert!(service.is_running());
}
