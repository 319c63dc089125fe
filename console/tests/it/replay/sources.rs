//! The log, the ledger, the dead letters: which is read, and that all give the same record.

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{Offset, TopicPartitionList};
use sha2::{Digest as _, Sha256};

use super::{Logged, Stand, body};
use shared::kafka::headers::{RecordHeaders, Source};

/// Deletes the log of a partition before `offset`, as retention does.
fn retain_from(stand: &Stand, partition: i32, offset: i64) {
    let admin: AdminClient<DefaultClientContext> = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", &stand.topics.brokers)
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&stand.topics.events, partition, Offset::Offset(offset))
        .unwrap();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(admin.delete_records(&list, &AdminOptions::new()))
        .unwrap();
}

/// Three events of one partition, all in the ledger; the log has lost the first two.
fn past_retention() -> (Stand, Logged) {
    let mut stand = Stand::new();
    let records: Vec<Logged> = (0..3)
        .map(|n| stand.log(&format!("evt_{n}"), "charge.succeeded", "b-1"))
        .collect();
    for (n, record) in records.iter().enumerate() {
        stand.row(record, &format!("evt_{n}"), "applied");
    }
    stand.all_applied();
    retain_from(&stand, records[0].partition, 2);
    (stand, records[0].clone())
}

#[test]
fn what_the_log_has_lost_is_taken_from_the_ledger_and_that_is_said() {
    let (stand, _) = past_retention();
    for start in [
        ["--to-offset", "0"],
        ["--shift-by", "-3"],
        ["--to-datetime", "2020-01-01T00:00:00Z"],
    ] {
        let arguments = [start.as_slice(), &["-o", "json"]].concat();
        let answer = stand.replay(&arguments);
        assert_eq!(answer.code, 0, "{answer:?}");
        assert!(
            answer.err.contains("the ledger is read instead"),
            "{answer:?}"
        );
        let json = answer.json();
        assert_eq!(
            (&json["source"], &json["matched"]),
            (&"ledger".into(), &3.into())
        );
    }
}

#[test]
fn who_insists_on_the_log_gets_what_it_has_and_is_told() {
    let (stand, _) = past_retention();
    let answer = stand.replay(&["--to-offset", "0", "--source", "log", "-o", "json"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(answer.json()["matched"], 1);
    assert!(answer.err.contains("the log begins at 2"), "{answer:?}");
    // What the log still has, the log gives.
    let newer = stand.replay(&["--to-offset", "2", "-o", "json"]).json();
    assert_eq!(
        (&newer["source"], &newer["matched"]),
        (&"log".into(), &1.into())
    );
    let earliest = stand.replay(&["--to-earliest", "-o", "json"]).json();
    assert_eq!(
        (&earliest["source"], &earliest["matched"]),
        (&"log".into(), &1.into())
    );
}

#[test]
fn the_ledger_makes_the_same_record_as_the_log() {
    let (stand, first) = past_retention();
    let answer = stand.execute(&["--event-id", "evt_0", "--no-wait"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let again = &stand.replayed()[0];
    assert_eq!((&again.key, &again.value), (&first.key, &first.value));
    assert_eq!(again.partition, first.partition);
    let headers = &again.headers;
    assert_eq!(headers.ce_id, "evt_0");
    assert_eq!(headers.ce_type, "com.stripe.charge.succeeded");
    assert_eq!(headers.source, Source::Replay);
    assert_eq!(headers.verified_by.as_deref(), Some("first"));
    assert!(headers.stripe_signature.is_some() && headers.received_at.is_some());
    assert_eq!(
        stand.text("SELECT source_partition IS NULL FROM operator_action_items"),
        "true"
    );
}

#[test]
fn what_was_lost_between_plan_and_publication_is_taken_from_the_ledger() {
    let mut stand = Stand::new();
    let record = stand.log("evt_0", "charge.succeeded", "b-1");
    stand.row(&record, "evt_0", "applied");
    stand.log("evt_1", "charge.succeeded", "b-1");
    stand.all_applied();
    let answer = stand.execute(&["--to-earliest", "--event-id", "evt_0", "--no-wait"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    stand.ledger.rewrite(
        "UPDATE operator_action_items SET state = 'planned', published_at = NULL;
         UPDATE operator_actions SET state = 'interrupted'",
    );
    retain_from(&stand, record.partition, 1);
    let answer = stand.replay(&["--resume", &stand.action(), "--no-wait"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let last = stand.replayed().pop().unwrap();
    assert_eq!((last.key, last.value), (record.key, record.value));
}

fn dead_letter(stand: &mut Stand, id: Option<&str>, payload: &[u8], status: &str) {
    let id = id.map_or("NULL".to_owned(), |id| format!("'{id}'"));
    let headers = serde_json::json!([
        ["stripe-signature", hex::encode("t=1,v1=00")],
        ["x-verified-by", hex::encode("main")],
        ["x-odd", hex::encode([0xff, 0xfe])],
    ]);
    stand.ledger.execute(&format!(
        "INSERT INTO dead_letters (event_id, payload, payload_sha256, key, topic, partition,
             \"offset\", stage, error_class, error, attempts, first_failed_at, last_failed_at,
             status, headers, fingerprint)
         VALUES ({id}, decode('{}', 'hex'), decode('{}', 'hex'), 'the key', '{}', 0, 0, 'decode',
             'poison', 'x', 1, now(), now(), '{status}', '{headers}', '00ff00ff00ff00ff')",
        hex::encode(payload),
        hex::encode(Sha256::digest(payload)),
        stand.topics.events,
    ));
}

#[test]
fn dead_letters_without_a_ledger_row_are_replayed_with_the_headers_they_kept() {
    let mut stand = Stand::new();
    dead_letter(&mut stand, None, b"not json", "open");
    dead_letter(&mut stand, None, b"not worth it", "ignored");
    dead_letter(&mut stand, None, b"done before", "replayed");
    let answer = stand.execute(&["--dead-group", "00FF00ff00ff00ff", "--no-wait"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let replayed = stand.replayed();
    assert_eq!(replayed.len(), 1, "neither the ignored nor the replayed");
    assert_eq!(replayed[0].value, b"not json");
    assert_eq!(replayed[0].key, "the key");
    assert_eq!(replayed[0].headers.verified_by.as_deref(), Some("main"));
    let subject = format!("sha256:{}", hex::encode(Sha256::digest(b"not json")));
    assert_eq!(
        stand.text("SELECT subject FROM operator_action_items"),
        subject
    );
    let by_hash = stand.replay(&["--event-id", &subject, "-o", "json"]).json();
    assert_eq!(by_hash["by_disposition"], serde_json::json!({"dead": 1}));
}

#[test]
fn a_dead_row_and_its_dead_letter_are_one_event() {
    let mut stand = Stand::new();
    let bytes = body("evt_1", "charge.succeeded", "b-1");
    let record = stand.append("b-1", bytes.clone(), RecordHeaders::default());
    stand.row(&record, "evt_1", "dead");
    dead_letter(&mut stand, Some("evt_1"), &bytes, "open");
    stand.all_applied();
    for start in [vec![], vec!["--to-earliest"]] {
        let arguments = [start.as_slice(), &["--disposition", "dead", "-o", "json"]].concat();
        let json = stand.replay(&arguments).json();
        assert_eq!(json["matched"], 1, "{json}");
        let group = ["--dead-group", "00ff00ff00ff00ff", "-o", "json"];
        let arguments = [start.as_slice(), &group].concat();
        let json = stand.replay(&arguments).json();
        assert_eq!(json["matched"], 1, "{json}");
    }
    let answer = stand.execute(&["--event-id", "evt_1", "--no-wait"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(stand.replayed()[0].key, "the key");
}

#[test]
fn bookings_and_dispositions_are_found_in_the_ledger_without_a_start() {
    let (stand, _) = past_retention();
    let json = stand
        .replay(&["--only-booking", "b-1", "-o", "json"])
        .json();
    assert_eq!(
        (&json["source"], &json["matched"]),
        (&"ledger".into(), &3.into())
    );
    stand
        .replay(&["--only-booking", "b-2"])
        .failed(3, "no event fits");
    stand
        .replay(&["--disposition", "parked"])
        .failed(3, "no event fits");
    let until = [
        "--disposition",
        "applied",
        "--until",
        "2020-01-01T00:00:00Z",
    ];
    stand.replay(&until).failed(3, "no event fits");
}
