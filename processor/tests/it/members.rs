//! Several processors in one group: they share, one takes over, they come and go.

use std::sync::atomic::Ordering;
use std::time::Duration;

use testbed::services::Service;
use testbed::testing::eventually;

use crate::harness::{Harness, PATIENCE};
use crate::publishing::{assert_each_once, load_for, under_load};

/// Partitions that a processor says it reads; none while it does not answer.
fn claimed(service: &Service) -> Option<i64> {
    let (_, metrics) = service.get("/metrics")?;
    let line = metrics
        .lines()
        .find(|line| line.starts_with("bookend_partitions_claimed"))?;
    line.rsplit(' ').next()?.parse().ok()
}

fn eventually_claimed(services: &[&Service], wanted: &[i64]) {
    eventually(PATIENCE, &format!("claimed {wanted:?}"), || {
        let now: Vec<i64> = services.iter().filter_map(|one| claimed(one)).collect();
        now == wanted
    });
}

#[test]
fn two_processors_share_the_partitions_and_one_takes_over_from_the_killed() {
    let harness = Harness::new();
    let (mut one, two) = (harness.start(), harness.start());
    eventually_claimed(&[&one, &two], &[6, 6]);
    let published = under_load(&harness, |published| {
        let applied = || harness.number("SELECT count(*) FROM bookings");
        eventually(PATIENCE, "both work", || applied() > 300);
        one.kill9().unwrap();
        let before = published.load(Ordering::Relaxed);
        eventually_claimed(&[&two], &[12]);
        eventually(PATIENCE, "the other goes on", || applied() > before + 300);
    });
    assert_each_once(&harness, published);
}

#[test]
fn members_that_come_and_go_every_three_seconds_for_a_minute_lose_nothing_and_double_nothing() {
    let harness = Harness::new();
    let _constant = harness.start();
    let published = under_load(&harness, |_| {
        let mut guest: Option<Service> = None;
        for turn in 0..20 {
            match guest.take() {
                None => guest = Some(harness.builder().spawn(harness.dir()).unwrap()),
                Some(mut there) if turn % 4 == 1 => there.kill9().unwrap(),
                Some(mut there) => assert_eq!(there.terminate().unwrap(), Some(0)),
            }
            load_for(Duration::from_secs(3));
        }
    });
    println!("{published} bookings while members came and went");
    assert_each_once(&harness, published);
}
