//! Fuzzing of the signature's header and of its check, on stable Rust, as ordinary tests: each
//! corpus file is bent in thousands of ways, and a second parser and a second HMAC, both written
//! here, must say the same.
//!
//! A failure prints the bytes; put them into `shared/tests/headers/` so that they are tried for
//! ever. `FUZZ_ROUNDS` makes it longer.

use crate::corpus::{corpus, rounds};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use shared::signature::{Secrets, SignatureHeader, verify};

use crate::reference::{hmac_sha256, v1};

const ROUNDS: u64 = 400;
const NOW: i64 = 1_700_000_000;
const MAIN: &str = "whsec_main_0123456789abcdef0123456789";
const OLD: &str = "whsec_old_0123456789abcdef0123456789";
const BODY: &[u8] = b"{\"id\":\"evt_1\"}";
/// What headers are made of, and what programs stumble over.
const PARTS: &[&str] = &[
    "t",
    "v1",
    "v0",
    "V1",
    "=",
    ",",
    "t=",
    "v1=",
    "t=1700000000",
    "t=1699999700",
    "t=1700000301",
    "0",
    "-",
    "+",
    " ",
    "\t",
    "\0",
    "é",
    "\u{ff11}",
    "9223372036854775807",
    "9223372036854775808",
    "v1=potato",
    "=junk",
    ",,,,,,,,,,,,,,,",
];

/// Bytes changed, cut, doubled; or a part of a header put in.
fn bend(header: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut bytes = header.to_vec();
    for _step in 0..random.random_range(1..4_u32) {
        let at = random.random_range(0..=bytes.len());
        let end = random.random_range(at..=bytes.len().min(at + 80));
        match random.random_range(0..7_u32) {
            0 if at < bytes.len() => bytes[at] = random.random(),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let doubled = bytes[at..end].to_vec();
                bytes.splice(at..at, doubled);
            }
            4 => {
                let mut items: Vec<&[u8]> = bytes.split(|byte| *byte == b',').collect();
                let (one, other) = (random.random_range(0..items.len()), items.len() - 1);
                items.swap(one, other);
                bytes = items.join(&b',');
            }
            _ => {
                let part = PARTS[random.random_range(0..PARTS.len())];
                bytes.splice(at..at, part.bytes());
            }
        }
    }
    bytes
}

fn each_bent(mut check: impl FnMut(&[u8], &mut StdRng)) {
    for (name, header) in corpus("headers") {
        for round in 0..rounds(ROUNDS) {
            // The first round is the file itself.
            let mut random = StdRng::seed_from_u64(round);
            let bytes = if round == 0 {
                header.clone()
            } else {
                bend(&header, &mut random)
            };
            let tried = std::panic::AssertUnwindSafe(|| check(&bytes, &mut random));
            let tried = std::panic::catch_unwind(tried);
            assert!(
                tried.is_ok(),
                "{name}, round {round}: {}",
                bytes.escape_ascii()
            );
        }
    }
}

/// What a header says: its time and its MACs.
type Said = (i64, Vec<[u8; 32]>);

/// A second parser, byte by byte, from the description alone.
fn naive(header: &[u8]) -> Option<Said> {
    if header.len() > 4096 || header.iter().any(|byte| !(33..127).contains(byte)) {
        return None;
    }
    let mut items: Vec<(Vec<u8>, Option<Vec<u8>>)> = vec![(Vec::new(), None)];
    for byte in header {
        let (key, value) = items.last_mut().unwrap();
        match (byte, value) {
            (b',', _) => items.push((Vec::new(), None)),
            (_, Some(value)) => value.push(*byte),
            (b'=', None) => items.last_mut().unwrap().1 = Some(Vec::new()),
            (_, None) => key.push(*byte),
        }
    }
    let (mut times, mut macs) = (Vec::new(), Vec::new());
    for (key, value) in &items {
        match (key.as_slice(), value) {
            (b"t" | b"v1", None) => return None,
            (b"t", Some(value)) => times.push(number(value)?),
            (b"v1", Some(value)) => macs.extend(hex_digits(value)),
            _ => {}
        }
    }
    let fits = items.len() <= 16 && times.len() == 1 && !macs.is_empty();
    fits.then(|| (times[0], macs))
}

fn number(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text[0] == b'0' {
        return None;
    }
    text.iter().try_fold(0_i64, |sum, byte| {
        let digit = i64::from(byte.checked_sub(b'0').filter(|digit| *digit < 10)?);
        sum.checked_mul(10)?.checked_add(digit)
    })
}

fn hex_digits(text: &[u8]) -> Option<[u8; 32]> {
    const DIGITS: &[u8] = b"0123456789abcdef";
    if text.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, digit) in text.iter().enumerate() {
        let value = DIGITS.iter().position(|known| known == digit)?;
        bytes[at / 2] = bytes[at / 2] << 4 | u8::try_from(value).unwrap();
    }
    Some(bytes)
}

fn said(header: &[u8]) -> Option<Said> {
    let parsed = SignatureHeader::parse(header).ok()?;
    Some((parsed.timestamp(), parsed.signatures().to_vec()))
}

#[test]
fn a_header_of_any_bytes_says_what_a_second_parser_reads_in_it() {
    let (mut proper, mut improper) = (0, 0);
    each_bent(|bytes, _| {
        let read = said(bytes);
        assert_eq!(read, naive(bytes));
        let Some((t, macs)) = read else {
            improper += 1;
            return;
        };
        proper += 1;
        assert!(bytes.split(|byte| *byte == b',').count() <= 16 && macs.len() <= 15 && t > 0);
        let macs_text: String = macs
            .iter()
            .map(|mac| format!(",v1={}", hex::encode(mac)))
            .collect();
        let rendered = format!("t={t}{macs_text}");
        assert_eq!(said(rendered.as_bytes()), Some((t, macs)));
    });
    assert!(proper > 500 && improper > 1_000, "{proper} {improper}");
}

/// Whether a secret signed this body, in time, by the second parser and the second HMAC.
fn genuine(header: &[u8], body: &[u8], secrets: &[&str], now: i64) -> bool {
    let Some((t, macs)) = naive(header) else {
        return false;
    };
    let signed = [t.to_string().as_bytes(), b".", body].concat();
    let by = |secret: &&str| macs.contains(&hmac_sha256(secret.as_bytes(), &signed));
    !body.is_empty() && (i128::from(now) - i128::from(t)).abs() <= 300 && secrets.iter().any(by)
}

/// The header with its `t` and its first MAC made anew, so that what was bent elsewhere counts.
fn signed_anew(header: &[u8], body: &[u8], random: &mut StdRng) -> Vec<u8> {
    let t = NOW + random.random_range(-310..=310_i64);
    let t = t.to_string();
    let secret = if random.random() { MAIN } else { OLD };
    let mac = v1(secret.as_bytes(), t.as_bytes(), body);
    let mut done = (false, false);
    let items = header.split(|byte| *byte == b',').map(|item| {
        if item.starts_with(b"t=") && !done.0 {
            done.0 = true;
            format!("t={t}").into_bytes()
        } else if item.starts_with(b"v1=") && !done.1 {
            done.1 = true;
            format!("v1={mac}").into_bytes()
        } else {
            item.to_vec()
        }
    });
    items.collect::<Vec<_>>().join(&b',')
}

#[test]
fn a_body_is_accepted_exactly_when_a_second_hmac_accepts_it() {
    let both = Secrets::parse(&format!("main={MAIN}\nold={OLD}")).unwrap();
    let one = Secrets::parse(MAIN).unwrap();
    let (mut accepted, mut refused) = (0, 0);
    each_bent(|bytes, random| {
        let mut body = BODY.to_vec();
        if random.random_range(0..4_u32) == 0 {
            body = (0..random.random_range(0..40_u32))
                .map(|_| random.random())
                .collect();
        }
        let header = match random.random_range(0..4_u32) {
            0 => bytes.to_vec(),
            _ => signed_anew(bytes, &body, random),
        };
        if random.random_range(0..6_u32) == 0 && !body.is_empty() {
            let at = random.random_range(0..body.len());
            body[at] ^= 1 << random.random_range(0..8_u32);
        }
        let (secrets, texts): (_, &[&str]) = match random.random_range(0..4_u32) {
            0 => (&one, &[MAIN]),
            _ => (&both, &[MAIN, OLD]),
        };
        let found = verify(secrets, &[&header], &body, NOW);
        assert_eq!(
            found.is_ok(),
            genuine(&header, &body, texts, NOW),
            "{found:?}"
        );
        if let Ok(verified) = &found {
            assert_eq!(
                (verified.body(), verified.signature().as_bytes()),
                (&&body, &*header)
            );
        }
        *if found.is_ok() {
            &mut accepted
        } else {
            &mut refused
        } += 1;
    });
    assert!(accepted > 1_000 && refused > 1_000, "{accepted} {refused}");
}

#[test]
fn every_flipped_bit_of_body_or_mac_is_refused_and_no_other_secret_makes_up_for_it() {
    let secrets = Secrets::parse(&format!("main={MAIN}\nold={OLD}")).unwrap();
    let t = NOW.to_string();
    for secret in [MAIN, OLD] {
        let mac = hmac_sha256(secret.as_bytes(), &[t.as_bytes(), b".", BODY].concat());
        let check = |mac: &[u8], body: &[u8]| {
            let header = format!("t={t},v1={}", hex::encode(mac));
            verify(&secrets, &[header.as_bytes()], body, NOW).is_ok()
        };
        assert!(check(&mac, BODY));
        for bit in 0..mac.len() * 8 {
            let mut other = mac;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!check(&other, BODY), "bit {bit} of the MAC");
        }
        for bit in 0..BODY.len() * 8 {
            let mut other = BODY.to_vec();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!check(&mac, &other), "bit {bit} of the body");
        }
    }
}
