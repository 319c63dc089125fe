//! Everything random in the fake, from one seed.
//!
//! Invariant: a stream depends on the seed and on what it is for, never on the order in which
//! threads ask. Ids have the shape of Stripe's: a prefix and letters and digits.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use sha2::{Digest, Sha256};

pub(crate) type Random = ChaCha12Rng;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The stream for one purpose, for example `booking/17` or `delivery/evt_…`.
pub(crate) fn stream(seed: u64, purpose: &str) -> Random {
    let digest = Sha256::new()
        .chain_update(seed.to_be_bytes())
        .chain_update(purpose.as_bytes())
        .finalize();
    ChaCha12Rng::from_seed(digest.into())
}

/// `prefix` followed by `length` letters and digits.
pub(crate) fn id(random: &mut Random, prefix: &str, length: usize) -> String {
    let mut out = String::with_capacity(prefix.len() + length);
    out.push_str(prefix);
    for _ in 0..length {
        let at = random.random_range(0..ALPHABET.len());
        out.push(ALPHABET.get(at).map_or('0', |b| char::from(*b)));
    }
    out
}

/// True with the given probability; anything outside 0..=1 is clamped.
pub(crate) fn chance(random: &mut Random, probability: f64) -> bool {
    random.random_bool(probability.clamp(0.0, 1.0))
}

/// One of the weighted choices; `None` only if all weights are zero.
pub(crate) fn weighted<T: Copy>(random: &mut Random, choices: &[(u32, T)]) -> Option<T> {
    let total: u32 = choices.iter().map(|(weight, _)| *weight).sum();
    if total == 0 {
        return None;
    }
    let mut drawn = random.random_range(0..total);
    for (weight, choice) in choices {
        if drawn < *weight {
            return Some(*choice);
        }
        drawn -= *weight;
    }
    None
}
