//! What Stripe's official Python client lists of a window is what the certificate says.

use std::process::Command;

use reconciler::store::sweeps::Kind;
use shared::windows::Window;
use testbed::stripe::{Order, When};
use testbed::testing::{official_python, run_tool};

use crate::support::{Rig, now};

/// Lists a window and prints how many events it holds, and the hash of their sorted ids.
const SCRIPT: &str = r#"
import hashlib, sys
from stripe import StripeClient
key, base, since, until = sys.argv[1:]
client = StripeClient(key, base_addresses={"api": base})
window = {"limit": 100, "created": {"gte": int(since), "lt": int(until)}}
ids = sorted(event.id for event in client.v1.events.list(window).auto_paging_iter())
print(len(ids), hashlib.sha256("".join(id + "\n" for id in ids).encode()).hexdigest())
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_official_python_clients_list_of_a_window_equals_the_certificates() {
    let rig = Rig::new().await;
    rig.stripe.create_bookings(&Order {
        count: 60,
        when: When::JustNow,
        ..Order::default()
    });
    let engine = rig.engine().await;
    // Not at the edges of what happened: some events lie outside.
    let window = Window::new(now() - 40, now() - 5).unwrap();
    engine
        .sweep(Kind::Window, None, window, None)
        .await
        .unwrap();
    rig.apply_log().await;
    engine
        .sweep(Kind::Window, None, window, None)
        .await
        .unwrap();
    let certified = rig
        .database
        .text(
            "SELECT stripe_count || ' ' || ids_hash || chr(10) AS t FROM certificates \
             WHERE complete AND ledger_count = stripe_count AND ledger_hash = ids_hash",
        )
        .unwrap();

    let (key, base) = (rig.stripe.api_key().to_owned(), rig.stripe.url());
    let listed = tokio::task::spawn_blocking(move || {
        let (from, to) = (window.from().to_string(), window.to().to_string());
        let mut python = Command::new(official_python());
        python.args(["-c", SCRIPT, &key, &base, &from, &to]);
        run_tool(&mut python, "the official client lists the window")
    })
    .await
    .unwrap();
    assert_eq!(listed, certified);
    let count: usize = listed.split(' ').next().unwrap().parse().unwrap();
    let all = rig.stripe.events().len();
    assert!(
        count > 100 && count < all,
        "{count} of {all}: it took several pages, and not all"
    );
}
