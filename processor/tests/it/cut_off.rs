//! One of two processors loses its way to the database, and only it.

use std::net::SocketAddr;

use testbed::faults::{Direction, Fault, Proxy};
use testbed::testing::eventually;

use crate::harness::{Harness, PATIENCE};
use crate::publishing::{assert_each_once, under_load};

#[test]
fn a_processor_that_is_cut_off_from_the_database_gives_its_partitions_to_the_other() {
    let harness = Harness::new();
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
    let (cut, _other) = (start(&through), start(&url));
    let shared = "SELECT count(*) FROM processor_instances WHERE cardinality(partitions) = 6";
    harness.eventually_number(2, shared);
    let published = under_load(&harness, |published| {
        for fault in [Fault::Refuse, Fault::Blackhole(Direction::Both)] {
            proxy.set(fault);
            eventually(PATIENCE, "it says that it is cut off", || {
                cut.get("/readyz")
                    .is_some_and(|(status, body)| status == 503 && body.contains("cut off"))
            });
            // Everything that was published until now is applied without it.
            let mark = published.load(std::sync::atomic::Ordering::Relaxed);
            let behind = format!(
                "SELECT count(*) FROM generate_series(0, {mark}) AS n \
                 WHERE NOT EXISTS (SELECT FROM events WHERE id = 'evt_' || n)"
            );
            harness.eventually_number(0, &behind);
            proxy.set(Fault::Reset);
            proxy.set(Fault::None);
            harness.eventually_number(2, shared);
        }
    });
    assert_each_once(&harness, published);
}
