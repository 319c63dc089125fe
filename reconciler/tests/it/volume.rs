//! The list of any size and the ledger that is filled from it hold the same events.

use std::process::Command;

use testbed::services::binary;
use testbed::stripe::FakeConfig;
use testbed::stripe::volume::{Volume, VolumeServer, fill};

use crate::support::database::Database;
use crate::support::now;
use crate::support::topic::Topic;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_volume_serves_and_the_ledger_filled_from_it_differ_only_where_they_should() {
    let (database, topic) = tokio::join!(Database::new(), Topic::new());
    let volume = Volume {
        from: now() - 86_400,
        to: now() - 300,
        count: 2_500,
    };
    let url = database.url();
    fill(&url, volume, &topic.name, &[3, 1_777]).unwrap();
    assert_eq!(database.number("SELECT count(*) AS n FROM events"), 2_498);
    for number in [0, 1, 1_249, 2_499] {
        let sql = format!(
            "SELECT extract(epoch FROM created)::bigint AS n FROM events WHERE id = '{}'",
            Volume::id(number)
        );
        assert_eq!(database.number(&sql), volume.created(number), "{number}");
    }
    let server = VolumeServer::start(volume).unwrap();
    let verified = Command::new(binary("reconciler"))
        .arg("verify")
        .env("DEPLOYMENT", "development")
        .env("STRIPE_LIVEMODE", "false")
        .env("KAFKA_BROKERS", &topic.all.brokers)
        .env("EVENTS_TOPIC", &topic.name)
        .env("STATS_TOPIC", &topic.all.stats)
        .env("DATABASE_URL", database.reconciler_url())
        .env("STRIPE_API_BASE", server.url())
        .env("STRIPE_API_KEY", FakeConfig::default().api_key)
        .env("STRIPE_CALLS_PER_SECOND", "0")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert_eq!(verified.status.code(), Some(7), "{verified:?}");
    for number in [3, 1_777] {
        assert!(told.contains(&Volume::id(number)), "{told}");
    }
    assert!(!told.contains(&Volume::id(4)), "{told}");
}
