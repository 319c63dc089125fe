//! The way to Postgres breaks in the middle of something, and Postgres itself.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use testbed::faults::{Direction, Fault, Proxy};
use testbed::services::Service;
use testbed::stack::postgres::{Mode, Postgres};
use testbed::testing::eventually;

use crate::harness::{Harness, PATIENCE};
use crate::publishing::{assert_each_once, load_for, under_load};

const BOOKINGS: &str = "SELECT count(*) FROM bookings";

/// A processor whose connections to the database lead through the proxy.
pub(crate) fn behind_proxy(harness: &Harness, settings: &[(&str, &str)]) -> (Service, Proxy) {
    let url = harness.database.url_as("bookend_processor");
    let (scheme, rest) = url.split_once('@').unwrap();
    let (address, database) = rest.split_once('/').unwrap();
    let proxy = Proxy::start(address.parse::<SocketAddr>().unwrap()).unwrap();
    let through = format!("{scheme}@{}/{database}", proxy.address());
    let builder = harness.builder().env("DATABASE_URL", through);
    let builder = settings
        .iter()
        .fold(builder, |builder, (name, value)| builder.env(name, *value));
    let mut service = builder.spawn(harness.dir()).unwrap();
    service.wait_ready(PATIENCE).unwrap();
    (service, proxy)
}

fn eventually_more(harness: &Harness, than: i64) {
    eventually(PATIENCE, &format!("more than {than} bookings"), || {
        harness.number(BOOKINGS) > than
    });
}

#[test]
fn a_commit_whose_reply_is_lost_is_applied_once() {
    let harness = Harness::new();
    let (mut service, proxy) = behind_proxy(&harness, &[]);
    let published = under_load(&harness, |_| {
        eventually_more(&harness, 50);
        for _ in 0..4 {
            let (held, before) = (proxy.held(), harness.number(BOOKINGS));
            proxy.set(Fault::HoldReplyAfter(b"COMMIT"));
            eventually(PATIENCE, "a COMMIT is held", || proxy.held() > held);
            // It was carried out all the same, as far as the server is concerned.
            eventually_more(&harness, before);
            proxy.set(Fault::Reset);
            load_for(Duration::from_millis(200));
            proxy.set(Fault::None);
            eventually_more(&harness, before + 100);
        }
    });
    assert_each_once(&harness, published);
    assert!(service.is_running());
}

#[test]
fn a_database_that_falls_silent_in_mid_query_and_is_cut_off_later_costs_nothing() {
    let harness = Harness::new();
    let (mut service, proxy) = behind_proxy(&harness, &[]);
    let published = under_load(&harness, |_| {
        for way in [Direction::Both, Direction::ToClient, Direction::ToServer] {
            let before = harness.number(BOOKINGS);
            proxy.set(Fault::Blackhole(way));
            // Longer than the server lets a transaction idle.
            load_for(Duration::from_secs(6));
            proxy.set(Fault::Reset);
            load_for(Duration::from_millis(200));
            proxy.set(Fault::None);
            eventually_more(&harness, before + 100);
        }
    });
    assert_each_once(&harness, published);
    assert!(service.is_running());
}

#[test]
fn a_database_that_refuses_or_resets_is_waited_for() {
    let harness = Harness::new();
    let (mut service, proxy) = behind_proxy(&harness, &[]);
    let published = under_load(&harness, |_| {
        for fault in [Fault::Refuse, Fault::Reset] {
            let before = harness.number(BOOKINGS);
            proxy.set(fault);
            load_for(Duration::from_secs(2));
            proxy.set(Fault::None);
            eventually_more(&harness, before + 100);
        }
    });
    assert_each_once(&harness, published);
    assert!(service.is_running());
}

#[test]
fn a_postgres_restarted_and_killed_under_load_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut postgres = Postgres::start(dir.path()).unwrap();
    let harness = Harness::in_database(postgres.url("postgres"));
    let mut service = harness.start();
    let published = under_load(&harness, |published| {
        for kill in [false, true, false] {
            let mark = published.load(Ordering::Relaxed);
            if kill {
                postgres.kill().unwrap();
            } else {
                postgres.stop(Mode::Fast).unwrap();
            }
            let down = Instant::now();
            load_for(Duration::from_millis(500));
            // What a killed server leaves behind must be gone before the next may start.
            eventually(PATIENCE, "Postgres is back", || {
                postgres.start_again().is_ok()
            });
            assert!(down.elapsed() < PATIENCE);
            eventually_more(&harness, mark + 100);
        }
    });
    assert_each_once(&harness, published);
    assert!(service.is_running());
}
