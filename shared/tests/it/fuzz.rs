//! Fuzzing of what reads strangers' bytes (envelope, routing, folding), on stable Rust, as ordinary
//! tests: each corpus file is bent in thousands of ways, at random, and the laws must hold.
//!
//! A failure prints the bytes; put them into `shared/tests/corpus/` so that they are tried for
//! ever. `FUZZ_ROUNDS` makes it longer.

use crate::corpus::{corpus, rounds};
use crate::told::rebuilt;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use shared::envelope::{decode, decode_observation};
use shared::folding::money::Policy;
use shared::folding::rebuild::{HumanInputs, LedgerReading};
use shared::folding::{ObjectState, read_event, read_observation};
use shared::routing::{booking_id_of, observation_key, record_key};

const ROUNDS: u64 = 400;
/// What JSON can hold and programs stumble over.
const ODD: &[&str] = &[
    "null",
    "true",
    "-0",
    "1e400",
    "9223372036854775807",
    "9223372036854775808",
    "0.5",
    "\"\"",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "[]",
    "{}",
    "[[[[[[]]]]]]",
    "{\"id\":{}}",
    "\"..\"",
    "[null]",
];

/// Bytes changed, cut, doubled; or a value inside replaced by an odd one.
fn bend(body: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut bytes = body.to_vec();
    for _step in 0..random.random_range(1..4_u32) {
        if bytes.is_empty() {
            return bytes;
        }
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..6_u32) {
            0 => bytes[at] = random.random(),
            1 => bytes.truncate(at),
            2 => bytes.insert(at, random.random()),
            3 => {
                let end = random.random_range(at..bytes.len().min(at + 64));
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            _ => bytes = replaced(&bytes, random),
        }
    }
    bytes
}

/// One value behind a colon or comma replaced by an odd one.
fn replaced(bytes: &[u8], random: &mut StdRng) -> Vec<u8> {
    let ends = |byte: u8| matches!(byte, b',' | b'}' | b']');
    let starts: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] == b':').collect();
    if starts.is_empty() {
        return bytes.to_vec();
    }
    let start = starts[random.random_range(0..starts.len())] + 1;
    let end = (start..bytes.len())
        .find(|at| ends(bytes[*at]))
        .unwrap_or(bytes.len());
    let odd = ODD[random.random_range(0..ODD.len())].as_bytes();
    [&bytes[..start], odd, &bytes[end..]].concat()
}

fn each_bent(check: impl Fn(&[u8]) + std::panic::RefUnwindSafe) {
    let rounds = rounds(ROUNDS);
    for (name, body) in corpus("corpus") {
        for round in 0..rounds {
            // The first round is the file itself.
            let mut random = StdRng::seed_from_u64(round);
            let bytes = if round == 0 {
                body.clone()
            } else {
                bend(&body, &mut random)
            };
            let tried = std::panic::catch_unwind(|| check(&bytes));
            assert!(
                tried.is_ok(),
                "{name}, round {round}: {}",
                bytes.escape_ascii()
            );
        }
    }
}

#[test]
fn any_bytes_have_an_envelope_or_a_reason() {
    each_bent(|bytes| {
        if let Ok(decoded) = decode(bytes) {
            let envelope = &decoded.envelope;
            assert!((0..=shared::envelope::MAX_CREATED).contains(&envelope.created));
            assert!(!envelope.event_type.is_empty() && envelope.event_type.len() <= 255);
            assert_eq!(envelope, &decode(bytes).unwrap().envelope);
        }
        drop(decode_observation(bytes).map(|observed| observed.value()));
    });
}

#[test]
fn any_bytes_have_a_key_that_depends_on_them_alone() {
    each_bent(|bytes| {
        let decoded = decode(bytes);
        let key = record_key(bytes, decoded.as_ref());
        assert!(!key.as_str().is_empty());
        assert_eq!(key, record_key(bytes, decode(bytes).as_ref()));
        if let Ok(decoded) = &decoded {
            if let Some(booking) = booking_id_of(decoded) {
                assert!(key.as_str().ends_with(booking.as_str()));
            }
        } else {
            assert!(key.as_str().starts_with("sha256:"));
        }
        if let Ok(observed) = decode_observation(bytes) {
            assert!(!observation_key(None, &observed).as_str().is_empty());
        }
    });
}

#[test]
fn whatever_can_be_read_folds_the_same_in_both_orders_and_can_be_stored() {
    let whole = corpus("corpus");
    each_bent(|bytes| {
        let Ok(decoded) = decode(bytes) else { return };
        let Some((object, snapshot)) = read_event(&decoded).object else {
            return;
        };
        // With every unbent snapshot of the same object.
        let (mut one, mut other) = (ObjectState::default(), ObjectState::default());
        one.join(snapshot.clone());
        for (_, body) in &whole {
            let Ok(known) = decode(body) else { continue };
            if let Some((same, told)) = read_event(&known).object
                && same == object
            {
                one.join(told.clone());
                other.join(told);
            }
        }
        other.join(snapshot);
        assert_eq!(one, other);
        let stored = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<ObjectState>(&stored).unwrap(), one);
        let told = LedgerReading {
            source_id: "evt_1".to_owned(),
            reading: read_event(&decoded),
            ..LedgerReading::default()
        };
        let rebuilt = rebuilt([&told], &HumanInputs::default(), Policy::default());
        assert!(rebuilt.objects.values().any(|it| !it.state.is_empty()));
    });
}

#[test]
fn an_observation_of_any_bytes_reads_or_is_refused() {
    each_bent(|bytes| {
        let object = serde_json::from_slice::<Value>(bytes)
            .ok()
            .and_then(|event| event.pointer("/data/object").map(Value::to_string));
        let body = object.map_or_else(|| bytes.to_vec(), String::into_bytes);
        if let Ok(observed) = decode_observation(&body) {
            let reading = read_observation(&observed, "obs_1", 1_790_000_000);
            assert!(
                reading
                    .object
                    .is_some_and(|(_, snapshot)| snapshot.observed)
            );
        }
    });
}
