//! Whether the time that a refusal takes tells how much of a forged MAC was right.
//!
//! Two classes of headers, one wrong at its MAC's first digit and one at its last, are checked in
//! random order; Welch's t says whether their times differ by more than chance. The same measurement
//! finds out a check that stops at the first byte that differs, so it can fail.
//!
//! Source: Reparaz, Balasch, Verbauwhede, "Dude, is my code constant time?" (2017): the slowest
//! tenth is cropped, and a |t| above 10 is a difference beyond doubt.

use std::hint::black_box;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use shared::signature::{Secrets, verify};

use crate::reference::{hmac_sha256, v1};

const RUNS: usize = 200_000;
const BEYOND_DOUBT: f64 = 10.0;
const NOW: i64 = 1_700_000_000;
const SECRET: &str = "whsec_main_0123456789abcdef0123456789";
const BODY: &[u8] = b"{\"id\":\"evt_1\"}";

fn signed() -> Vec<u8> {
    [NOW.to_string().as_bytes(), b".", BODY].concat()
}

/// The good header, and the place of its MAC's first digit.
fn genuine() -> (Vec<u8>, usize) {
    let begin = format!("t={NOW},v1=");
    let mac = v1(SECRET.as_bytes(), NOW.to_string().as_bytes(), BODY);
    ([begin.as_bytes(), mac.as_bytes()].concat(), begin.len())
}

/// Another digit in this place, of the same kind: how long a digit takes to be read depends on
/// whether it is a letter, and a forger knows what he wrote.
fn wrong_at(header: &[u8], place: usize) -> Vec<u8> {
    let mut wrong = header.to_vec();
    wrong[place] = match wrong[place] {
        b'9' => b'0',
        b'f' => b'a',
        digit => digit + 1,
    };
    wrong
}

fn mean_and_variance(times: &[f64]) -> (f64, f64, f64) {
    let count = f64::from(u32::try_from(times.len()).unwrap());
    let mean = times.iter().sum::<f64>() / count;
    let squares = times.iter().map(|time| (time - mean) * (time - mean));
    (mean, squares.sum::<f64>() / (count - 1.0), count)
}

/// Welch's t of the times of two classes.
fn welch(one: &[f64], other: &[f64]) -> f64 {
    let (mean, variance, count) = mean_and_variance(one);
    let (others_mean, others_variance, others_count) = mean_and_variance(other);
    (mean - others_mean) / (variance / count + others_variance / others_count).sqrt()
}

/// Welch's t of what `accepts` takes for headers wrong at the begin and at the end.
fn told_apart(accepts: impl Fn(&[u8]) -> bool, random: &mut StdRng) -> f64 {
    let (header, first) = genuine();
    assert!(accepts(&header), "the good one is accepted");
    let classes = [
        wrong_at(&header, first),
        wrong_at(&header, header.len() - 1),
    ];
    // Each lies in a place of its own: where bytes lie must not tell the classes apart.
    let places: Vec<(usize, Vec<u8>)> = (0..RUNS)
        .map(|_| random.random_range(0..2_usize))
        .map(|class| (class, classes[class].clone()))
        .collect();
    let mut times = Vec::with_capacity(RUNS);
    for (class, given) in &places {
        // It is near before the clock is read.
        black_box(given.iter().fold(0_u8, |sum, byte| sum ^ byte));
        let began = Instant::now();
        let accepted = black_box(accepts(black_box(given)));
        let took = began.elapsed().as_nanos();
        assert!(!accepted);
        times.push((*class, f64::from(u32::try_from(took).unwrap_or(u32::MAX))));
    }
    let mut sorted: Vec<f64> = times.iter().map(|(_, took)| *took).collect();
    sorted.sort_by(f64::total_cmp);
    let slowest = sorted[RUNS / 10 * 9];
    let of = |wanted: usize| -> Vec<f64> {
        let kept = times
            .iter()
            .filter(|(class, took)| *class == wanted && *took <= slowest);
        kept.map(|(_, took)| *took).collect()
    };
    welch(&of(0), &of(1))
}

#[test]
fn how_much_of_a_forged_mac_is_right_cannot_be_told_by_the_time() {
    let mut random = StdRng::seed_from_u64(9);
    let (_, first) = genuine();
    let naive = |given: &[u8]| {
        let made = hmac_sha256(SECRET.as_bytes(), &signed());
        let mut sent = [0; 32];
        hex::decode_to_slice(&given[first..], &mut sent).is_ok()
            && made
                .iter()
                .zip(&sent)
                .all(|(one, other)| black_box(one) == other)
    };
    let found_out = told_apart(naive, &mut random);
    assert!(
        found_out.abs() > BEYOND_DOUBT,
        "it finds nothing: {found_out}"
    );

    let secrets = Secrets::parse(SECRET).unwrap();
    let ours = |given: &[u8]| verify(&secrets, &[given], BODY, NOW).is_ok();
    // What the machine does meanwhile may look like a difference once; a real one shows each time.
    let seen: Vec<f64> = (0..3).map(|_| told_apart(ours, &mut random)).collect();
    assert!(seen.iter().any(|t| t.abs() < BEYOND_DOUBT), "{seen:?}");
}
