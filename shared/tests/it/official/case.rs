//! Cases by a seeded generator: most are as Stripe makes them, the others are bent in one to
//! three ways that a header, a body or a secret can be bent.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::reference::v1;

/// What a receiver has in hand when it verifies.
#[derive(Clone)]
pub(super) struct Case {
    /// The header's bytes; none: there is no header.
    pub(super) header: Option<Vec<u8>>,
    pub(super) body: Vec<u8>,
    pub(super) secret: String,
    /// Seconds since 1970.
    pub(super) now: i64,
}

impl Case {
    /// For the libraries: bytes as hex, for JSON holds text only.
    pub(super) fn as_json(&self) -> Value {
        json!({
            "header": self.header.as_ref().map(hex::encode),
            "body": hex::encode(&self.body),
            "secret": self.secret,
            "now": self.now,
        })
    }
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let header = self.header.as_ref().map(|header| header.escape_ascii());
        let header = header.map_or_else(|| "none".to_owned(), |text| text.to_string());
        write!(
            f,
            "header: {header}\nbody: {}\nsecret: {:?}\nnow: {}",
            self.body.escape_ascii(),
            self.secret,
            self.now
        )
    }
}

fn pick<'a, T>(random: &mut ChaCha8Rng, from: &'a [T]) -> &'a T {
    &from[random.random_range(0..from.len())]
}

fn letters(random: &mut ChaCha8Rng, many: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    (0..many)
        .map(|_| char::from(*pick(random, ALPHABET)))
        .collect()
}

fn secret(random: &mut ChaCha8Rng) -> String {
    let many = random.random_range(26..64);
    let text = letters(random, many);
    match random.random_range(0..60_u32) {
        0 => String::new(),
        1 => pick(random, &[" ", "\n", "\t \r\n", "\u{a0}"]).to_string(),
        2 => format!("whsec_{text}\n"),
        3 => format!("whsec_ {text}"),
        4 => format!("secret{text}"),
        5 => format!("whsec_{}", &text[..25]),
        _ => format!("whsec_{text}"),
    }
}

fn body(random: &mut ChaCha8Rng) -> Vec<u8> {
    let many = random.random_range(0..120);
    let text = letters(random, many);
    match random.random_range(0..40_u32) {
        0 => Vec::new(),
        1 => [b"\xef\xbb\xbf{}", text.as_bytes()].concat(),
        2 => [text.as_bytes(), b"\xff\x00\xfe"].concat(),
        3 => [b"\xc3", text.as_bytes()].concat(),
        4 => format!("{{\"name\":\"größe 🎫 {text}\"}}").into_bytes(),
        5 => format!("{{\r\n\"a\": \"{text}\"\r\n}}\r\n").into_bytes(),
        _ => format!("{{\"id\":\"evt_{text}\"}}").into_bytes(),
    }
}

/// The time that is signed: mostly within the tolerance, often at its edges.
fn time(random: &mut ChaCha8Rng, now: i64) -> i64 {
    const EDGES: [i64; 10] = [0, -280, -299, -300, -301, -302, 290, 299, 300, -100_000];
    match random.random_range(0..20_u32) {
        0 => now + random.random_range(301..400_000),
        1..=9 => now + pick(random, &EDGES),
        _ => now + random.random_range(-300..=300_i64),
    }
}

/// `t` written in a way that Stripe does not.
fn odd_time(random: &mut ChaCha8Rng, t: i64) -> String {
    match random.random_range(0..16_u32) {
        0 => format!("+{t}"),
        1 => format!("-{t}"),
        2 => format!("0{t}"),
        3 => format!(" {t}"),
        4 => format!("{t}\t"),
        5 => format!("{t}abc"),
        6 => format!("{t}.0"),
        7 => format!("{t}=5"),
        8 => format!("1_{t}"),
        9 => String::new(),
        10 => format!("0x{t:x}"),
        11 => format!("{t}0000000000000"),
        12 => "9223372036854775808".to_owned(),
        13 => "0".to_owned(),
        14 => format!("-{}", random.random_range(0..200_u32)),
        _ => "NaN".to_owned(),
    }
}

/// Bends one thing in the list of items.
fn bend(random: &mut ChaCha8Rng, items: &mut Vec<String>, t: i64, mac: &str) {
    let at = random.random_range(0..=items.len());
    let zeros = "0".repeat(64);
    let good = format!("v1={mac}");
    let item = match random.random_range(0..26_u32) {
        0 => format!("v0={mac}"),
        1 => format!("v2={zeros}"),
        2 => format!("v1={zeros}"),
        3 => "v1=potato".to_owned(),
        4 => "v1=".to_owned(),
        5 => "v1".to_owned(),
        6 => "t".to_owned(),
        7 => String::new(),
        8 => "nonsense".to_owned(),
        9 => "x=a=b".to_owned(),
        10 => format!("t={t}"),
        11 => format!("t={}", t + 1),
        12 => format!("V1={mac}"),
        13 => format!(" v1={mac}"),
        14 => format!("T={t}"),
        15 => format!("v1={mac}=junk"),
        16 => format!("v1={}é", &mac[1..]),
        17 => ["x=é", " x", "x=a b", "\tx"][random.random_range(0..4)].to_owned(),
        18 => return items.extend(std::iter::repeat_n("x".to_owned(), 15)),
        19 => format!("x={}", "y".repeat(4_100)),
        _ => {
            // The good one itself is spoilt.
            let spoilt = match random.random_range(0..6_u32) {
                0 => mac.to_uppercase(),
                1 => mac[..63].to_owned(),
                2 => format!("{mac}ab"),
                3 => format!("{mac}=junk"),
                4 => format!(" {mac}"),
                _ => flipped(random, mac),
            };
            for item in items.iter_mut().filter(|item| **item == good) {
                *item = format!("v1={spoilt}");
            }
            return;
        }
    };
    items.insert(at, item);
}

/// One digit of the MAC changed.
fn flipped(random: &mut ChaCha8Rng, mac: &str) -> String {
    let at = random.random_range(0..mac.len());
    let digit = if &mac[at..=at] == "0" { "1" } else { "0" };
    format!("{}{digit}{}", &mac[..at], &mac[at + 1..])
}

/// The next case.
pub(super) fn next(random: &mut ChaCha8Rng) -> Case {
    let small = random.random_range(0..20_u32) == 0;
    let now = if small {
        random.random_range(301..600)
    } else {
        random.random_range(1_600_000_000..1_900_000_000)
    };
    let (secret, mut body) = (secret(random), body(random));
    let t = time(random, now).max(1);
    let odd = random.random_range(0..8_u32) == 0;
    let written = if odd {
        odd_time(random, t)
    } else {
        t.to_string()
    };
    // The libraries sign the number that they read, a forger may sign the text that stands there.
    let signed = match random.random_range(0..4_u32) {
        0 => written.clone(),
        _ if written.starts_with('-') => written.clone(),
        _ if odd && written.trim().bytes().all(|b| b.is_ascii_digit()) => {
            written.trim().trim_start_matches('0').to_owned()
        }
        _ => t.to_string(),
    };
    let other = format!("whsec_{}", letters(random, 32));
    let by = if random.random_range(0..12_u32) == 0 {
        &other
    } else {
        &secret
    };
    let mac = v1(by.as_bytes(), signed.as_bytes(), &body);
    let mut items = vec![format!("t={written}"), format!("v1={mac}")];
    for _ in 0..random.random_range(0..10_u32).saturating_sub(6) {
        bend(random, &mut items, t, &mac);
    }
    if random.random_range(0..8_u32) == 0 {
        items.reverse();
    }
    let header = items.join(",").into_bytes();
    Case {
        header: spoilt(random, header, &mut body),
        body,
        secret,
        now,
    }
}

/// Now and then bytes of header or body are changed at the end.
fn spoilt(random: &mut ChaCha8Rng, mut header: Vec<u8>, body: &mut Vec<u8>) -> Option<Vec<u8>> {
    match random.random_range(0..80_u32) {
        0 => return None,
        1 => header.clear(),
        2 => {
            let at = random.random_range(0..header.len());
            header[at] = random.random();
        }
        3 => {
            let at = random.random_range(0..=header.len());
            header.insert(at, random.random());
        }
        4 => header.truncate(random.random_range(0..header.len())),
        5 if !body.is_empty() => {
            let at = random.random_range(0..body.len());
            body[at] ^= 1 << random.random_range(0..8_u32);
        }
        6 => body.push(b'\n'),
        _ => {}
    }
    Some(header)
}
