//! A record's headers as JSON text and back: what `parked_events` and `dead_letters` keep.
//!
//! Pure. Shape: an array of `[name, value]` in order, the value as lower-case hex or null. Hex,
//! because a header's value may be any bytes. Invariant: nothing is lost, doubles neither.

use rdkafka::message::{Header, Headers, OwnedHeaders};

/// Headers as JSON text.
#[must_use]
pub fn to_json(headers: &impl Headers) -> String {
    let pairs: Vec<(&str, Option<String>)> = headers
        .iter()
        .map(|header| (header.key, header.value.map(hex::encode)))
        .collect();
    serde_json::json!(pairs).to_string()
}

/// JSON text as headers; what is not of the shape is left out.
#[must_use]
pub fn from_json(text: &str) -> OwnedHeaders {
    let pairs: Vec<(String, Option<String>)> = serde_json::from_str(text).unwrap_or_default();
    pairs
        .into_iter()
        .fold(OwnedHeaders::new(), |headers, (key, value)| {
            let value = value.and_then(|value| hex::decode(value).ok());
            headers.insert(Header {
                key: &key,
                value: value.as_deref(),
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_come_back_in_order_with_doubles() {
        let headers = OwnedHeaders::new()
            .insert(Header {
                key: "a",
                value: Some(&[0xff_u8, 0x00, 0x7f][..]),
            })
            .insert(Header {
                key: "a",
                value: Some(&b""[..]),
            })
            .insert(Header {
                key: "ü\"",
                value: None::<&[u8]>,
            });
        let read = from_json(&to_json(&headers));
        let all = |headers: &OwnedHeaders| -> Vec<(String, Option<Vec<u8>>)> {
            headers
                .iter()
                .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
                .collect()
        };
        assert_eq!(all(&read), all(&headers));
    }

    #[test]
    fn what_is_no_header_list_is_none() {
        for text in ["", "{}", "[1]", "[[\"a\"]]"] {
            assert_eq!(from_json(text).count(), 0, "{text}");
        }
    }
}
