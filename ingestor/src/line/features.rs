//! What is told of a request's outside: classes and buckets, never the text of a stranger.
//!
//! Pure. Invariant: every value is of a closed set, a number, or a hash.

use std::net::IpAddr;
use std::time::Duration;

use actix_http::header::{self, HeaderMap};
use sha2::{Digest, Sha256};

/// The network of an address: its first 24 bits, or 48 of IPv6.
pub(super) fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    }
}

/// Which headers there are, whatever their order and values: eight hex digits.
pub(super) fn header_set(headers: &HeaderMap) -> String {
    let mut names: Vec<&str> = headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    let hash = Sha256::digest(names.join("\n"));
    hex::encode(hash.get(..4).unwrap_or_default())
}

/// What kind of client it says it is.
pub(super) fn agent(headers: &HeaderMap) -> &'static str {
    let Some(agent) = text(headers, header::USER_AGENT) else {
        return "none";
    };
    let says = |word: &str| agent.contains(word);
    if says("Stripe/") {
        "stripe"
    } else if says("Mozilla") {
        "browser"
    } else if ["curl", "python", "Go-http", "wget", "okhttp"]
        .into_iter()
        .any(says)
    {
        "script"
    } else {
        "other"
    }
}

/// What kind of content it says it has.
pub(super) fn content_type(headers: &HeaderMap) -> &'static str {
    match text(headers, header::CONTENT_TYPE) {
        None => "none",
        Some(kind) if kind.starts_with("application/json") => "json",
        Some(_) => "other",
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The power of four that a size does not exceed, bytes: 1,024 to 4,194,304; larger: 0.
pub(super) fn size_bucket(bytes: usize) -> usize {
    let mut bucket = 1024_usize;
    while bucket < bytes && bucket != 0 {
        bucket = if bucket >= 4 * 1024 * 1024 {
            0
        } else {
            bucket.saturating_mul(4)
        };
    }
    bucket
}

/// Milliseconds with three decimals.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    u32::try_from(duration.as_micros()).map_or(f64::from(u32::MAX), f64::from) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_http::header::{HeaderName, HeaderValue};

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn an_address_is_told_as_its_network() {
        assert_eq!(network("3.18.12.63".parse().unwrap()), "3.18.12.0/24");
        assert_eq!(
            network("::ffff:3.18.12.63".parse().unwrap()),
            "3.18.12.0/24"
        );
        assert_eq!(
            network("2001:db8:7:1::5".parse().unwrap()),
            "2001:db8:7::/48"
        );
    }

    #[test]
    fn the_header_set_is_blind_to_values_and_order() {
        let one = headers(&[("host", "a"), ("accept", "b")]);
        let two = headers(&[("accept", "c"), ("host", "d")]);
        assert_eq!(header_set(&one), header_set(&two));
        assert_ne!(header_set(&one), header_set(&headers(&[("host", "a")])));
        assert_eq!(header_set(&one).len(), 8);
    }

    #[test]
    fn clients_and_contents_are_told_by_class() {
        let agent = |text| agent(&headers(&[("user-agent", text)]));
        assert_eq!(
            agent("Stripe/1.0 (+https://stripe.com/docs/webhooks)"),
            "stripe"
        );
        assert_eq!(agent("Mozilla/5.0"), "browser");
        assert_eq!(agent("curl/8.5"), "script");
        assert_eq!(agent("evil"), "other");
        assert_eq!(super::agent(&headers(&[])), "none");
        let kind = |text| content_type(&headers(&[("content-type", text)]));
        assert_eq!(kind("application/json; charset=utf-8"), "json");
        assert_eq!(kind("text/plain"), "other");
        assert_eq!(content_type(&headers(&[])), "none");
    }

    #[test]
    fn sizes_fall_into_few_buckets() {
        for (bytes, bucket) in [
            (0, 1024),
            (1024, 1024),
            (1025, 4096),
            (1_048_576, 1_048_576),
            (4_194_304, 4_194_304),
            (4_194_305, 0),
            (usize::MAX, 0),
        ] {
            assert_eq!(size_bucket(bytes), bucket, "{bytes}");
        }
    }
}
