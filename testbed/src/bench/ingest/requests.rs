//! Prepared requests: distinct events, each signed on its own, as whole HTTP requests.

use serde_json::{Map, Value, json};

use crate::stripe::{API_VERSION, signature_header};

/// The secret that signs them.
pub(in crate::bench) const SECRET: &str = "whsec_bench_5WYLQUyrb3vtCcPWxPqGSwHn";

/// How large the bodies are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Size {
    /// About 2.5 KB: a payment intent's event.
    Usual,
    /// About 40 KB: a long invoice's event.
    Large,
}

impl Size {
    pub(in crate::bench) const fn label(self) -> &'static str {
        match self {
            Self::Usual => "2.5 KB",
            Self::Large => "40 KB",
        }
    }

    /// Bytes of filling.
    const fn filling(self) -> usize {
        match self {
            Self::Usual => 1_900,
            Self::Large => 39_400,
        }
    }
}

/// `count` requests, signed at the second `now`: good for five minutes from then.
pub(in crate::bench) fn requests(
    size: Size,
    count: usize,
    keep_alive: bool,
    now: i64,
) -> Vec<Vec<u8>> {
    let connection = if keep_alive { "keep-alive" } else { "close" };
    (0..count)
        .map(|number| {
            let body = body(size, number);
            let signature = signature_header(&[SECRET], now, body.as_bytes(), false);
            let head = format!(
                "POST /webhooks/stripe HTTP/1.1\r\nHost: bench\r\nUser-Agent: Stripe/1.0\r\n\
                 Accept: */*\r\nContent-Type: application/json; charset=utf-8\r\n\
                 Stripe-Signature: {signature}\r\nConnection: {connection}\r\n\
                 Content-Length: {}\r\n\r\n",
                body.len()
            );
            [head.into_bytes(), body.into_bytes()].concat()
        })
        .collect()
}

fn body(size: Size, number: usize) -> String {
    let mut filling = Map::new();
    let mut bytes = 0_usize;
    // Ids and numbers, which compress about as badly as real payloads do.
    while bytes < size.filling() {
        let text = format!("{:x}", mixed(number, filling.len()));
        bytes = bytes.saturating_add(text.len()).saturating_add(16);
        filling.insert(format!("field_{:04}", filling.len()), Value::String(text));
    }
    json!({
        "id": format!("evt_bench{number}"), "object": "event", "api_version": API_VERSION,
        "created": 1_790_000_000, "livemode": false, "type": "payment_intent.succeeded",
        "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null},
        "data": {"object": {
            "id": format!("pi_bench{number}"), "object": "payment_intent", "status": "succeeded",
            "amount": 5_000, "amount_received": 5_000, "currency": "eur",
            "metadata": {"booking_id": format!("bench-{number}")}, "details": filling,
        }},
    })
    .to_string()
}

/// A number that looks random and is the same each time (the finaliser of SplitMix64).
fn mixed(number: usize, field: usize) -> u64 {
    let seed = u64::try_from(number).unwrap_or(0).wrapping_mul(1_000_003);
    let seed = seed.wrapping_add(u64::try_from(field).unwrap_or(0));
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_their_size_and_are_distinct() {
        let usual = requests(Size::Usual, 2, true, 1_790_000_000);
        assert!(
            (2_200..3_200).contains(&usual[0].len()),
            "{}",
            usual[0].len()
        );
        assert_ne!(usual[0], usual[1]);
        let large = requests(Size::Large, 1, true, 1_790_000_000);
        assert!(
            (37_000..43_000).contains(&large[0].len()),
            "{}",
            large[0].len()
        );
    }
}
