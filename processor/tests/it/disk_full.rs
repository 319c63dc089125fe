//! Postgres has no room left: nothing is lost, nothing is given up on, and it goes on by itself.

use std::fs;
use std::sync::atomic::Ordering;
use std::time::Duration;

use testbed::stack::postgres::{Postgres, execute};
use testbed::testing::{SmallDisk, eventually};

use crate::harness::{Harness, PATIENCE};
use crate::publishing::{assert_each_once, load_for, under_load};

#[test]
fn a_database_whose_disk_is_full_loses_nothing_and_goes_on_when_there_is_room() {
    let disk = SmallDisk::mount(384);
    let mut postgres = Postgres::start(disk.path()).unwrap();
    let harness = Harness::in_database(postgres.url("postgres"));
    let mut service = harness.start();
    let bookings = || {
        // While it is full the server may be down.
        let url = harness.database.url();
        execute(&url, "SELECT 1").is_ok() && harness.number("SELECT count(*) FROM bookings") > 0
    };
    let published = under_load(&harness, |published| {
        eventually(PATIENCE, "bookings are applied", bookings);
        disk.fill();
        let log = disk.path().join("postgres.log");
        eventually(PATIENCE, "the server says that its disk is full", || {
            fs::read_to_string(&log).is_ok_and(|log| log.contains("No space left on device"))
                || execute(&harness.database.url(), "SELECT 1").is_err()
        });
        load_for(Duration::from_secs(3));
        disk.free();
        let mark = published.load(Ordering::Relaxed);
        eventually(PATIENCE, "Postgres answers again", || {
            execute(&harness.database.url(), "SELECT 1").is_ok() || postgres.start_again().is_ok()
        });
        eventually(PATIENCE, "what came meanwhile is applied", || {
            harness.number("SELECT count(*) FROM bookings") > mark
        });
    });
    assert_each_once(&harness, published);
    assert!(service.is_running());
}
