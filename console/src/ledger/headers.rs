//! A record's headers as the database keeps them: a JSON array of `[name, value]` in order, the
//! value as hex or null, because it may be any bytes. Pure.

use rdkafka::message::{Header, OwnedHeaders};
use serde::Serialize;

/// One header. `value`: as text where it is UTF-8, else null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Kept {
    pub(crate) name: String,
    pub(crate) value: Option<String>,
    #[serde(skip)]
    bytes: Option<Vec<u8>>,
}

/// What a replay says of itself, in place of what the record said.
const REPLACED: [&str; 2] = ["x-source", "x-action-id"];

/// The headers in their order; what is not of the shape is left out.
pub(crate) fn parse(json: &str) -> Vec<Kept> {
    let pairs: Vec<(String, Option<String>)> = serde_json::from_str(json).unwrap_or_default();
    let kept = |(name, value): (String, Option<String>)| {
        let bytes = value.and_then(|value| hex::decode(value).ok());
        let value = bytes
            .clone()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        Kept { name, value, bytes }
    };
    pairs.into_iter().map(kept).collect()
}

/// The same headers for the record of a replay by `action`: who published it is another, all else,
/// the evidence above all, is as it was.
pub(crate) fn replayed(kept: &[Kept], action: &str) -> OwnedHeaders {
    let original = kept
        .iter()
        .filter(|header| !REPLACED.contains(&header.name.as_str()))
        .fold(OwnedHeaders::new(), |headers, header| {
            headers.insert(Header {
                key: &header.name,
                value: header.bytes.as_deref(),
            })
        });
    original
        .insert(Header {
            key: "x-source",
            value: Some("replay"),
        })
        .insert(Header {
            key: "x-action-id",
            value: Some(action),
        })
}

#[cfg(test)]
mod tests {
    use rdkafka::message::Headers as _;

    use super::*;

    #[test]
    fn a_replay_keeps_every_header_but_who_published_it() {
        let json = r#"[["ce_id","6576745f31"],["x-source","776562686f6f6b"],["odd","ff00"],
            ["odd",null],["x-action-id","6f6c64"]]"#;
        let headers = replayed(&parse(json), "act_1");
        let all: Vec<(&str, Option<&[u8]>)> = headers
            .iter()
            .map(|header| (header.key, header.value))
            .collect();
        let expected: [(&str, Option<&[u8]>); 5] = [
            ("ce_id", Some(b"evt_1")),
            ("odd", Some(b"\xff\x00")),
            ("odd", None),
            ("x-source", Some(b"replay")),
            ("x-action-id", Some(b"act_1")),
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn what_is_no_header_list_is_none() {
        for text in ["", "{}", "[1]"] {
            assert_eq!(parse(text), [], "{text}");
        }
    }
}
