//! The list of any size, over HTTP as a reader meets it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::Value;
use testbed::stripe::volume::{Volume, VolumeServer};

const VOLUME: Volume = Volume {
    from: 1_700_000_000,
    to: 1_700_100_000,
    count: 1_234,
};

async fn get(server: &VolumeServer, query: &str) -> (u16, i64, Value) {
    let answer = reqwest::get(format!("{}{query}", server.url()))
        .await
        .expect("an answer");
    let date = answer.headers()["date"].to_str().expect("a date");
    let date = chrono::DateTime::parse_from_rfc2822(date).expect("a date");
    let (status, at) = (answer.status().as_u16(), date.timestamp());
    let body = answer.bytes().await.expect("a body");
    (status, at, serde_json::from_slice(&body).expect("JSON"))
}

fn ids(page: &Value) -> Vec<String> {
    let data = page["data"].as_array().expect("data").iter();
    data.map(|event| event["id"].as_str().expect("id").to_owned())
        .collect()
}

#[tokio::test]
async fn a_walk_over_http_meets_every_event_once_newest_first_in_either_direction() {
    let server = VolumeServer::start(VOLUME).expect("started");
    let (mut down, mut query) = (Vec::new(), "/v1/events?limit=100".to_owned());
    loop {
        let (status, _, page) = get(&server, &query).await;
        assert_eq!(status, 200);
        down.extend(ids(&page));
        query = format!(
            "/v1/events?limit=100&starting_after={}",
            down[down.len() - 1]
        );
        if page["has_more"] == false {
            break;
        }
    }
    let wanted: Vec<String> = (0..VOLUME.count).rev().map(Volume::id).collect();
    assert!(down == wanted, "{} events", down.len());
    let (mut up, mut query) = (vec![Volume::id(0)], String::new());
    while query.is_empty() || up.len() < wanted.len() {
        query = format!("/v1/events?limit=100&ending_before={}", up[up.len() - 1]);
        let (_, _, page) = get(&server, &query).await;
        up.extend(ids(&page).into_iter().rev());
    }
    up.reverse();
    assert!(up == wanted, "{} events", up.len());
    assert_eq!(server.served(), 2 * VOLUME.count - 1);
}

#[tokio::test]
async fn a_window_holds_what_was_created_in_it_and_the_answer_tells_its_second() {
    let server = VolumeServer::start(VOLUME).expect("started");
    let before = chrono::Utc::now().timestamp();
    let query = "/v1/events?limit=100&created%5Bgte%5D=1700000000&created%5Blt%5D=1700005000&delivery_success=true";
    let (_, at, page) = get(&server, query).await;
    assert!(
        (before..=chrono::Utc::now().timestamp()).contains(&at),
        "{at}"
    );
    let found = page["data"].as_array().expect("data");
    assert_eq!(found.len() as u64, VOLUME.before(1_700_005_000));
    for event in found {
        let created = event["created"].as_i64().expect("created");
        assert!((1_700_000_000..1_700_005_000).contains(&created));
        assert_eq!(event["livemode"], false);
        assert_eq!(event["pending_webhooks"], 0);
    }
}

#[tokio::test]
async fn what_is_not_there_or_not_understood_is_refused() {
    let server = VolumeServer::start(VOLUME).expect("started");
    for (query, wanted) in [
        ("/v1/events?limit=101", 400),
        ("/v1/events?starting_after=evt_vol_000001234", 400),
        ("/v1/events?colour=blue", 400),
        ("/v1/events/evt_vol_000001234", 404),
        ("/v1/charges", 404),
        ("/v1/events/evt_vol_000001233", 200),
    ] {
        let (status, _, body) = get(&server, query).await;
        assert_eq!(status, wanted, "{query}");
        assert_eq!(body["error"].is_object(), wanted != 200, "{query}");
    }
    let (_, _, endpoints) = get(&server, "/v1/webhook_endpoints").await;
    assert_eq!(endpoints["data"][0]["status"], "enabled");
}

/// Reads pages over one connection; how many events.
fn read_pages(server: &VolumeServer, pages: u64) -> u64 {
    let address = server.url().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(address).expect("connected");
    let (mut bytes, mut events) = (vec![0; 400_000], 0);
    for page in 1..=pages {
        let after = Volume::id(page * 100);
        let request = format!("GET /v1/events?limit=100&starting_after={after} HTTP/1.1\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let read = stream.read(&mut bytes[..1]).expect("a head");
            assert_eq!(read, 1);
            head.push(bytes[0]);
        }
        let head = String::from_utf8(head).expect("text").to_lowercase();
        let (_, length) = head.split_once("content-length: ").expect("a length");
        let length = length.split_whitespace().next().expect("a length");
        let length: usize = length.parse().expect("a length");
        stream.read_exact(&mut bytes[..length]).expect("a body");
        events += 100;
    }
    events
}

#[test]
fn several_connections_are_served_at_once() {
    let server = VolumeServer::start(Volume {
        count: 1_000_000,
        ..VOLUME
    })
    .expect("started");
    let began = Instant::now();
    let events: u64 = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| read_pages(&server, 300)))
            .collect();
        let ends = readers.into_iter();
        ends.map(|reader| reader.join().expect("read")).sum()
    });
    assert_eq!(events, server.served());
    // On an idle machine far more; a debug aid, not a floor: tests share their processors.
    let rate = events as f64 / began.elapsed().as_secs_f64();
    println!("{rate:.0} events/s over four connections");
}
