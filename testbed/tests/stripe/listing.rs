//! `GET /v1/events` as Stripe documents it (docs.stripe.com/api/events/list, /api/pagination).

use std::collections::BTreeSet;

use serde_json::json;
use testbed::stripe::{FakeConfig, FakeHandle, Faults, NewObjectEvent, Story, When};

use crate::support::{Answer, config, get, get_with, lot, one, start};

/// A fake with this many events in each of these seconds before now, ids in order.
fn with_events(seconds_ago: &[(i64, usize)]) -> (FakeHandle, i64, Vec<String>) {
    let fake = start(config());
    let now = now_s();
    let mut ids = Vec::new();
    for (ago, count) in seconds_ago {
        for _ in 0..*count {
            ids.push(fake.add_event(&NewObjectEvent {
                kind: "charge.succeeded".to_owned(),
                object: json!({"id": format!("ch_{}", ids.len()), "object": "charge"}),
                created: Some(now - ago),
                ..NewObjectEvent::default()
            }));
        }
    }
    (fake, now, ids)
}

fn now_s() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_secs() as i64
}

async fn walk(fake: &FakeHandle, cursor: &str, mut from: String) -> Vec<Answer> {
    let mut pages: Vec<Answer> = Vec::new();
    loop {
        let page = get(fake, &format!("/v1/events?limit=7{from}")).await;
        let more = page.more();
        let ids = page.ids();
        let edge = if cursor == "starting_after" {
            ids.last()
        } else {
            ids.first()
        };
        if let Some(edge) = edge {
            from = format!("&{cursor}={edge}");
        }
        pages.push(page);
        if !more {
            return pages;
        }
    }
}

#[tokio::test]
async fn events_are_listed_newest_first_ten_at_a_time() {
    let (fake, _, ids) = with_events(&[(9, 8), (5, 8)]);
    let page = get(&fake, "/v1/events").await;
    let newest: Vec<String> = ids.iter().rev().take(10).cloned().collect();
    assert_eq!((page.status, page.ids(), page.more()), (200, newest, true));
    assert_eq!(
        (&page.body["object"], &page.body["url"]),
        (&json!("list"), &json!("/v1/events"))
    );
}

#[tokio::test]
async fn starting_after_walks_backwards_over_everything_once() {
    let (fake, _, mut ids) = with_events(&[(9, 20), (5, 25), (4, 3)]);
    let walked: Vec<String> = walk(&fake, "starting_after", String::new())
        .await
        .iter()
        .flat_map(Answer::ids)
        .collect();
    ids.reverse();
    assert_eq!(walked, ids);
}

#[tokio::test]
async fn ending_before_walks_forwards_in_pages_that_are_newest_first() {
    let (fake, _, ids) = with_events(&[(9, 20), (5, 25), (4, 3)]);
    let pages = walk(&fake, "ending_before", format!("&ending_before={}", ids[0])).await;
    assert_eq!(
        pages[0].ids(),
        ids[1..8].iter().rev().cloned().collect::<Vec<_>>()
    );
    let walked: Vec<String> = pages
        .iter()
        .flat_map(|page| page.ids().into_iter().rev().collect::<Vec<_>>())
        .collect();
    assert_eq!(walked, ids[1..]);
}

#[tokio::test]
async fn more_than_a_hundred_events_of_one_second_are_all_listed() {
    let (fake, now, ids) = with_events(&[(9, 250)]);
    let path = format!("/v1/events?limit=100&created={}", now - 9);
    let mut seen = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let page = get(&fake, &format!("{path}{cursor}")).await;
        seen.extend(page.ids());
        if !page.more() {
            break;
        }
        cursor = format!("&starting_after={}", page.ids().last().unwrap());
    }
    assert_eq!(seen.len(), ids.len());
}

#[tokio::test]
async fn created_bounds_are_inclusive_or_exclusive_as_named() {
    let (fake, now, _) = with_events(&[(9, 1), (8, 1), (7, 1), (6, 1)]);
    let second = now - 8;
    for (filter, count) in [
        (format!("created={second}"), 1),
        (format!("created[gte]={second}"), 3),
        (format!("created[gt]={second}"), 2),
        (format!("created[lt]={second}"), 1),
        (format!("created[lte]={second}"), 2),
        (
            format!("created%5Bgte%5D={second}&created%5Blt%5D={}", second + 1),
            1,
        ),
        (
            format!("created[gte]={}&created[lt]={second}", second + 1),
            0,
        ),
    ] {
        let page = get(&fake, &format!("/v1/events?{filter}")).await;
        assert_eq!(page.ids().len(), count, "{filter}");
    }
}

#[tokio::test]
async fn types_are_names_or_groups() {
    let fake = start(config());
    fake.create_bookings(&one(Story::RefundFailed));
    let count = |kind: &'static str| {
        fake.events()
            .iter()
            .filter(|e| e["type"].as_str().unwrap().starts_with(kind))
            .count()
    };
    for (filter, expected) in [
        ("type=charge.succeeded", 1),
        ("type=charge.*", count("charge.")),
        ("type=*", count("")),
        ("type=charge.refund.*", 2),
        ("type=refund.created", 1),
        ("type=refund", 0),
        ("types[]=refund.failed&types[]=charge.succeeded", 2),
        ("types[0]=refund.failed&types[1]=charge.succeeded", 2),
        ("types%5B0%5D=refund.*", count("refund.")),
    ] {
        let page = get(&fake, &format!("/v1/events?limit=100&{filter}")).await;
        assert_eq!(page.ids().len(), expected, "{filter}");
    }
}

#[tokio::test]
async fn what_stripe_refuses_is_refused() {
    let (fake, _, ids) = with_events(&[(9, 2)]);
    let many = "types[]=a&".repeat(21);
    for bad in [
        "limit=0".to_owned(),
        "limit=101".to_owned(),
        "limit=ten".to_owned(),
        "created=yesterday".to_owned(),
        "created[above]=1".to_owned(),
        "type=a&types[]=b".to_owned(),
        many,
        "colour=red".to_owned(),
        "starting_after=evt_nothing".to_owned(),
        format!("starting_after={0}&ending_before={0}", ids[0]),
    ] {
        let page = get(&fake, &format!("/v1/events?{bad}")).await;
        assert_eq!(page.status, 400, "{bad}");
        assert_eq!(page.body["error"]["type"], "invalid_request_error", "{bad}");
    }
}

#[tokio::test]
async fn events_are_kept_thirty_days_and_an_older_cursor_is_told_so() {
    let (fake, _, ids) = with_events(&[(31 * 86_400, 1), (29 * 86_400, 1)]);
    assert_eq!(get(&fake, "/v1/events").await.ids(), ids[1..]);
    let old = get(&fake, &format!("/v1/events/{}", ids[0])).await;
    assert_eq!(
        (old.status, &old.body["error"]["code"]),
        (404, &json!("resource_missing"))
    );
    for cursor in ["starting_after", "ending_before"] {
        let page = get(&fake, &format!("/v1/events?{cursor}={}", ids[0])).await;
        assert_eq!(page.status, 400);
        assert!(page.message().contains("aged out of our retention policy"));
    }
    fake.advance(std::time::Duration::from_secs(2 * 86_400));
    assert!(get(&fake, "/v1/events").await.ids().is_empty());
}

#[tokio::test]
async fn an_event_can_become_visible_late_behind_newer_ones() {
    let faults = Faults {
        visible_late: 0.5,
        visible_late_ms: 3_600_000,
        ..Faults::default()
    };
    let fake = start(FakeConfig { faults, ..config() });
    fake.create_bookings(&lot(5, When::JustNow));
    let early = get(&fake, "/v1/events?limit=100").await.ids();
    fake.advance(std::time::Duration::from_secs(3_600));
    let all = get(&fake, "/v1/events?limit=100").await.ids();
    assert!(early.len() > 5 && early.len() < all.len());
    let hidden = all.iter().position(|id| !early.contains(id)).unwrap();
    assert!(
        all[hidden..].iter().any(|id| early.contains(id)),
        "older ones were visible"
    );
}

#[tokio::test]
async fn each_account_has_its_own_list() {
    let fake = start(config());
    fake.create_bookings(&one(Story::Abandoned));
    let mut order = one(Story::Abandoned);
    order.account = Some("acct_1Connected".to_owned());
    fake.create_bookings(&order);
    let own = get(&fake, "/v1/events").await;
    let theirs = get_with(
        &fake,
        "/v1/events",
        &[("stripe-account", "acct_1Connected")],
    )
    .await;
    let nobody = get_with(&fake, "/v1/events", &[("stripe-account", "acct_1Nobody")]).await;
    assert_eq!(
        (own.ids().len(), theirs.ids().len(), nobody.ids().len()),
        (1, 1, 0)
    );
    assert_eq!(theirs.body["data"][0]["account"], "acct_1Connected");
    assert!(own.body["data"][0].get("account").is_none());
    let id = &theirs.ids()[0];
    assert_eq!(get(&fake, &format!("/v1/events/{id}")).await.status, 404);
}

#[tokio::test]
async fn delivery_success_tells_what_was_acknowledged() {
    let sink = crate::support::Sink::ok();
    let fake = start(FakeConfig {
        target: Some(sink.url()),
        faults: Faults {
            lost: 0.4,
            ..Faults::default()
        },
        ..config()
    });
    fake.create_bookings(&lot(6, When::JustNow));
    crate::support::eventually("idle", || fake.is_idle()).await;
    let count = |page: Answer| page.ids().len() as u64;
    let failed = count(get(&fake, "/v1/events?limit=100&delivery_success=false").await);
    let succeeded = count(get(&fake, "/v1/events?limit=100&delivery_success=true").await);
    assert_eq!(
        (failed, succeeded),
        (fake.stats().lost, fake.stats().accepted)
    );
}
