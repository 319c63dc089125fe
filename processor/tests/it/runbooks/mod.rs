//! The commands of docs/runbooks/, run as they are written, in the situation that each page is for.
//!
//! A page's `sh` blocks run in order in one situation; a block that is tagged (```` ```sh skip ````)
//! runs in one of its own. A test at the end sees that no block is left out.

mod page;
mod situations;

use page::{Page, Situation};
use testbed::stripe::{Fake, FakeConfig};

use crate::harness::{Harness, PATIENCE, paid};
use crate::parking::{block, step, unblock};
use crate::stalled;

fn parked(harness: &Harness) {
    harness.publish(&step("b-13", 0, "requires_payment_method"));
    harness.publish(&step("b-13", 10, "succeeded"));
    harness.eventually_number(1, "SELECT count(*) FROM parked_events");
}

#[test]
fn the_page_about_parked_bookings_works_as_written() {
    let page = Page::read("parked-booking");
    let harness = Harness::new();
    block(&harness, "b-13");
    let _processor = situations::slow_to_retry(&harness);
    parked(&harness);
    let here = Situation::new(&harness).with("BOOKING", "b-13");
    let blocks = page.blocks("");
    here.run(&blocks[0]);
    unblock(&harness);
    for block in &blocks[1..] {
        here.run(block);
    }
    harness.eventually_status("b-13", "confirmed");
    assert_eq!(
        harness.number("SELECT count(*) FROM operator_actions WHERE verb = 'parked release'"),
        1
    );
}

#[test]
fn a_parked_event_is_skipped_as_the_page_says() {
    let page = Page::read("parked-booking");
    let harness = Harness::new();
    block(&harness, "b-13");
    let _processor = situations::slow_to_retry(&harness);
    parked(&harness);
    Situation::new(&harness)
        .with("BOOKING", "b-13")
        .run_all(&page.blocks("skip"));
    harness.eventually_number(0, "SELECT count(*) FROM parked_events");
    assert_eq!(
        harness.number("SELECT count(*) FROM dead_letters WHERE status = 'ignored'"),
        1
    );
}

#[test]
fn the_page_about_dead_letters_works_as_written() {
    let page = Page::read("dead-letters");
    let harness = Harness::new();
    let _processor = harness.start();
    harness.publish(b"{\"object\":\"charge\",\"id\":\"evt_odd1\"}");
    harness.publish(b"{\"object\":\"charge\",\"id\":\"evt_odd2\"}");
    harness.eventually_number(
        2,
        "SELECT coalesce(max(occurrences), 0) FROM dead_letter_groups",
    );
    let group = harness
        .text("SELECT fingerprint FROM dead_letter_groups")
        .unwrap();
    let here = Situation::new(&harness)
        .with("GROUP", &group)
        .with("EVENT", "evt_odd1");
    for block in page.blocks("") {
        // Nothing was fixed: what is sent again is dead again, which the command must say.
        let dead_again = block.contains("dead replay") && block.contains("--execute");
        if dead_again {
            here.run_line_by_line(
                &block,
                &[("dead replay --group \"$GROUP\" --execute", &[1, 5])],
            );
        } else {
            here.run(&block);
        }
    }
    harness.eventually_number(
        1,
        "SELECT count(*) FROM dead_letter_groups WHERE status = 'ignored'",
    );
    assert!(harness.number("SELECT count(*) FROM operator_actions") >= 4);
}

#[test]
fn the_page_about_the_brake_works_as_written() {
    let page = Page::read("brake");
    let harness = Harness::new();
    let processor = situations::quick_to_hold(&harness);
    for n in 0..60 {
        harness.publish_under("same", format!("not json {n}").as_bytes());
    }
    harness.eventually_number(5, "SELECT count(*) FROM dead_letters");
    let held = "SELECT count(*) FROM partition_progress WHERE held_since IS NOT NULL";
    harness.eventually_number(1, held);
    let here = Situation::new(&harness);
    here.run_all(&page.blocks(""));
    harness.eventually_number(10, "SELECT count(*) FROM dead_letters");
    here.run_all(&page.blocks("pause"));
    harness.eventually_number(
        1,
        "SELECT count(*) FROM operator_actions WHERE verb = 'consumer pause'",
    );
    drop(processor);
}

#[test]
fn the_page_about_a_wedged_partition_works_as_written() {
    let page = Page::read("wedged-partition");
    let harness = Harness::new();
    let mut processor = stalled::start(&harness);
    stalled::refuse(&harness, "evt_13");
    let stuck = harness.publish(&paid("evt_13", "pi_13", "b-13", 500));
    stalled::eventually_stalled(&processor, stuck.partition(), stuck.offset());
    let here = Situation::new(&harness).with("OWNER_DATABASE_URL", &harness.database.url());
    here.run_all(&page.blocks(""));
    stalled::permit(&harness);
    processor.wait_ready(PATIENCE).unwrap();
    harness.eventually_status("b-13", "confirmed");
    here.run_all(&page.blocks("after"));
}

#[test]
fn the_page_about_a_busy_booking_works_as_written() {
    let page = Page::read("busy-booking");
    let harness = Harness::new();
    let _processor = harness.start();
    for n in 0..1_002 {
        harness.publish_under(
            "busy",
            &paid(&format!("evt_{n}"), &format!("pi_{n}"), "busy", 1),
        );
    }
    let open =
        "SELECT count(*) FROM findings WHERE kind = 'too_many_payments' AND closed_at IS NULL";
    harness.eventually_number(1, open);
    harness.eventually_number(
        1_002,
        "SELECT count(*) FROM events WHERE applied_at IS NOT NULL",
    );
    let here = Situation::new(&harness)
        .with("BOOKING", "busy")
        .with("PAYMENT", "pi_7");
    here.run_all(&page.blocks(""));
    harness.eventually_number(
        1_001,
        "SELECT sum(captured)::bigint FROM object_shares WHERE booking_id = 'busy'",
    );
}

#[test]
fn the_page_about_replay_works_as_written() {
    let page = Page::read("replay");
    let harness = Harness::new();
    let _processor = harness.start();
    situations::pay(&harness, 0..30);
    harness.eventually_number(0, "SELECT count(*) FROM outbox WHERE published_at IS NULL");
    let facts = harness.number("SELECT count(*) FROM outbox");
    Situation::new(&harness)
        .with("BOOKING", "b-3")
        .with("SINCE", "2020-01-01T00:00:00Z")
        .run_all(&page.blocks(""));
    harness.eventually_number(
        30,
        "SELECT count(*) FROM operator_action_items WHERE state = 'no_change'",
    );
    assert_eq!(harness.number("SELECT count(*) FROM outbox"), facts);
}

#[test]
fn the_page_about_refolds_works_as_written() {
    let page = Page::read("refold");
    let harness = Harness::new();
    let _processor = harness.start();
    situations::pay(&harness, 0..10);
    let wrong = "UPDATE bookings SET amount_paid = 1, status = 'amount_mismatch' WHERE id IN ('b-3', 'b-4')";
    harness.execute(wrong);
    let here = Situation::new(&harness).with("BOOKING", "b-3");
    here.run_all(&page.blocks(""));
    harness.eventually_status("b-3", "confirmed");
    assert_eq!(harness.status("b-4").as_deref(), Some("amount_mismatch"));
    here.run("bookend refold --all");
    let run = harness
        .text("SELECT id FROM refold_runs ORDER BY started_at DESC LIMIT 1")
        .unwrap();
    here.with("RUN", &run).run_all(&page.blocks("promote"));
    harness.eventually_status("b-4", "confirmed");
    assert_eq!(
        harness.number("SELECT count(*) FROM bookings WHERE amount_paid <> 500"),
        0
    );
}

#[test]
fn the_pages_where_nothing_is_to_be_done_show_that_nothing_is() {
    let harness = Harness::new();
    let _processor = harness.start();
    situations::pay(&harness, 0..10);
    for name in ["database-restored", "group-reset"] {
        Situation::new(&harness).run_all(&Page::read(name).blocks(""));
    }
}

#[test]
fn the_page_about_a_hole_in_the_log_works_as_written() {
    let page = Page::read("log-hole");
    let harness = Harness::new();
    let _processor = harness.start();
    let stripe = situations::stripe_with_lost_events();
    harness.execute(&format!(
        "INSERT INTO log_holes (topic, partition, from_offset, to_offset, kind) VALUES ('{}', 0, 0, 1, 'hole')",
        harness.topics.events
    ));
    Situation::new(&harness).run_all(&page.blocks(""));
    situations::reconciling(&harness, &stripe).run_all(&page.blocks("sweep"));
    let events = i64::try_from(stripe.events().len()).unwrap();
    harness.eventually_number(
        events,
        "SELECT count(*) FROM events WHERE record_kind = 'event'",
    );
}

#[test]
fn the_page_about_repair_plans_works_as_written() {
    let page = Page::read("repair-plan");
    let harness = Harness::new();
    situations::too_much_is_missing(&harness, "plan_a");
    let here = Situation::new(&harness).with("PLAN", "plan_a");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let approved = "SELECT count(*) FROM repair_plans WHERE state = 'approved'";
            harness.eventually_number(1, approved);
            harness.execute(
                "UPDATE repair_plans SET state = 'done', published = missing, finished_at = now()",
            );
        });
        here.run_all(&page.blocks(""));
    });
    let repairs =
        "SELECT count(*) FROM operator_actions WHERE verb = 'sweep repair' AND state = 'done'";
    assert_eq!(harness.number(repairs), 1);
}

#[test]
fn the_page_about_the_endpoint_works_as_written() {
    let page = Page::read("endpoint");
    let harness = Harness::new();
    let stripe = Fake::start(FakeConfig::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("whsec");
    let here = Situation::new(&harness)
        .with("STRIPE_LIVEMODE", "false")
        .with("STRIPE_API_BASE", &stripe.url())
        .with("STRIPE_OPERATOR_KEY", stripe.api_key())
        .with("URL", "https://hooks.example.com/webhooks/stripe")
        .with("SECRET_FILE", &secret.display().to_string());
    here.run_all(&page.blocks("create"));
    let told = std::fs::read_to_string(&secret).unwrap();
    assert!(told.starts_with("whsec_"), "no secret in the file");
    let id = harness.text("SELECT id FROM webhook_endpoints").unwrap();
    situations::disabled(&stripe, &id);
    harness.execute("UPDATE webhook_endpoints SET status = 'disabled'");
    harness.execute(&format!(
        "INSERT INTO sender_alarms (alarm, subject, detail)
         VALUES ('endpoint_disabled', '{id}', 'Stripe says that it is disabled')"
    ));
    here.run_all(&page.blocks(""));
    let enabled = "SELECT count(*) FROM webhook_endpoints WHERE status = 'enabled'";
    assert_eq!(harness.number(enabled), 1);
}

#[test]
fn the_page_about_signing_secrets_works_as_written() {
    let page = Page::read("signing-secret");
    let harness = Harness::new();
    let _processor = harness.start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    let (ingestor, stripe) = situations::delivering(&harness, &file);
    let here = Situation::new(&harness)
        .with("STRIPE_LIVEMODE", "false")
        .with("STRIPE_API_BASE", &stripe.url())
        .with("STRIPE_OPERATOR_KEY", stripe.api_key())
        .with("ENDPOINT", "we_1MrgZlJDPojXS6LNrp4lFpKh")
        .with("FILE", &file.display().to_string())
        .with("INGESTORS", &ingestor.ops_url())
        .with("SETTLE", "5s")
        .with("OVERLAP", "0s");
    situations::while_it_happens(&stripe, || here.run_all(&page.blocks("")));
    let left = std::fs::read_to_string(&file).unwrap();
    assert!(left.starts_with("we_") && left.lines().count() == 1);
    let rolled =
        "SELECT count(*) FROM operator_actions WHERE verb = 'secrets roll' AND state = 'done'";
    assert_eq!(harness.number(rolled), 2);
    let refused = stripe.deliveries().iter().any(|d| d.answers.contains(&400));
    assert!(!refused, "a genuine delivery was refused");
}

#[test]
fn every_block_of_every_page_is_run_by_a_test() {
    let known = [
        ("brake", &["", "pause"][..]),
        ("busy-booking", &[""]),
        ("database-restored", &[""]),
        ("dead-letters", &[""]),
        ("endpoint", &["", "create"]),
        ("group-reset", &[""]),
        ("log-hole", &["", "sweep"]),
        ("parked-booking", &["", "skip"]),
        ("refold", &["", "promote"]),
        ("repair-plan", &[""]),
        ("replay", &[""]),
        ("signing-secret", &[""]),
        ("wedged-partition", &["", "after"]),
    ];
    let pages = page::names();
    assert_eq!(pages, known.map(|(name, _)| name.to_owned()));
    for (name, tags) in known {
        assert_eq!(Page::read(name).tags(), tags, "{name}");
    }
}
