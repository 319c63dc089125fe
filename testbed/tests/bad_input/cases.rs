//! Bodies that nobody should have sent, by the names that docs/bad-input.md gives them. Each is
//! about an intent and a booking of its own.

/// How a body is put on the wire.
pub(crate) enum Wire {
    /// Whole, signed.
    Whole(Vec<u8>),
    /// Announced whole, half of it sent, then nothing more.
    Stalled(Vec<u8>),
    /// Announced whole, half of it sent, then the connection ends.
    CutOff(Vec<u8>),
}

/// An event as it should be, with `change` made to its text.
fn event(name: &str, change: impl FnOnce(String) -> String) -> Wire {
    Wire::Whole(change(good(name)).into_bytes())
}

/// A paid intent of a booking, as Stripe would tell it.
pub(crate) fn good(name: &str) -> String {
    format!(
        r#"{{"id":"evt_{name}","object":"event","api_version":"2025-03-31.basil","created":1790000000,"livemode":false,"type":"payment_intent.succeeded","data":{{"object":{{"id":"pi_{name}","object":"payment_intent","amount":5000,"amount_received":5000,"currency":"eur","status":"succeeded","created":1790000000,"description":"d","metadata":{{"booking_id":"bk_{name}"}}}}}}}}"#
    )
}

fn swap(name: &str, from: &str, to: &str) -> Wire {
    event(name, |text| {
        assert!(text.contains(from), "{name}: nothing to change");
        text.replace(from, to)
    })
}

fn spliced(name: &str, at: &str, bytes: &[u8]) -> Wire {
    let text = good(name);
    let (before, after) = text.split_once(at).expect("the place is there");
    Wire::Whole([before.as_bytes(), bytes, after.as_bytes()].concat())
}

/// Every case, in the order of the document.
pub(crate) fn all() -> Vec<(&'static str, Wire)> {
    let id = |name: &str| format!(r#""id":"evt_{name}""#);
    let mut cases = sizes();
    cases.extend(encodings());
    cases.extend(shapes(&id));
    cases.extend(fields(&id));
    cases.extend(objects());
    cases
}

fn sizes() -> Vec<(&'static str, Wire)> {
    let padded = |name: &str, length: usize| {
        let text = good(name);
        Wire::Whole(format!("{text}{}", " ".repeat(length - text.len())).into_bytes())
    };
    vec![
        ("empty", Wire::Whole(Vec::new())),
        ("white_space", Wire::Whole(b" \r\n\t".to_vec())),
        ("one_mebibyte", padded("one_mebibyte", 1 << 20)),
        ("huge", padded("huge", (1 << 20) + 1)),
        ("stalled", Wire::Stalled(good("stalled").into_bytes())),
        ("cut_off", Wire::CutOff(good("cut_off").into_bytes())),
        (
            "half_of_it",
            Wire::Whole(good("half_of_it").into_bytes()[..200].to_vec()),
        ),
    ]
}

fn encodings() -> Vec<(&'static str, Wire)> {
    vec![
        (
            "bom",
            Wire::Whole([b"\xef\xbb\xbf", good("bom").as_bytes()].concat()),
        ),
        (
            "utf_16",
            Wire::Whole(
                good("utf_16")
                    .encode_utf16()
                    .flat_map(u16::to_le_bytes)
                    .collect(),
            ),
        ),
        ("bad_utf8", spliced("bad_utf8", r#""d""#, b"\"\xff\xfe\"")),
        (
            "overlong_utf8",
            spliced("overlong_utf8", r#""d""#, b"\"\xc0\xaf\""),
        ),
        (
            "raw_control",
            spliced("raw_control", r#""d""#, b"\"\x00\x1b\""),
        ),
        (
            "nul_in_text",
            swap("nul_in_text", r#""d""#, r#""a\u0000b""#),
        ),
        (
            "nul_in_metadata",
            swap(
                "nul_in_metadata",
                r#""metadata":{"#,
                r#""metadata":{"k":"\u0000","#,
            ),
        ),
        (
            "nul_in_status",
            swap(
                "nul_in_status",
                r#""status":"succeeded""#,
                r#""status":"succeeded\u0000""#,
            ),
        ),
        (
            "nul_in_currency",
            swap(
                "nul_in_currency",
                r#""currency":"eur""#,
                r#""currency":"e\u0000r""#,
            ),
        ),
        (
            "surrogate_in_currency",
            swap(
                "surrogate_in_currency",
                r#""currency":"eur""#,
                r#""currency":"e\ud800r""#,
            ),
        ),
        (
            "nul_in_kind",
            swap(
                "nul_in_kind",
                r#""object":"payment_intent""#,
                r#""object":"payment_intent\u0000""#,
            ),
        ),
        (
            "nul_in_link",
            swap(
                "nul_in_link",
                r#""description":"d""#,
                r#""latest_charge":"ch_\u0000""#,
            ),
        ),
        (
            "nul_in_reason",
            swap(
                "nul_in_reason",
                r#""description":"d""#,
                r#""cancellation_reason":"\u0000","last_payment_error":{"code":"\u0000"}"#,
            ),
        ),
        (
            "nul_in_booking_id",
            swap("nul_in_booking_id", "bk_nul_in_booking_id", r"bk_nul\u0000"),
        ),
        (
            "nul_in_id",
            swap("nul_in_id", "evt_nul_in_id", r"evt_nul\u0000"),
        ),
        (
            "surrogate_in_text",
            swap("surrogate_in_text", r#""d""#, r#""\ud800""#),
        ),
        (
            "surrogate_in_booking_id",
            swap(
                "surrogate_in_booking_id",
                "bk_surrogate_in_booking_id",
                r"bk_\udc00",
            ),
        ),
        (
            "surrogate_in_id",
            swap("surrogate_in_id", "evt_surrogate_in_id", r"evt_\ud800"),
        ),
    ]
}

fn shapes(id: &impl Fn(&str) -> String) -> Vec<(&'static str, Wire)> {
    let nested = |name: &str, depth: usize| {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        swap(name, r#""d""#, &deep)
    };
    vec![
        ("not_json", Wire::Whole(b"payment=paid&booking=1".to_vec())),
        ("json_null", Wire::Whole(b"null".to_vec())),
        ("json_list", event("json_list", |text| format!("[{text}]"))),
        (
            "bytes_after_the_end",
            event("bytes_after_the_end", |text| format!("{text}{{}}")),
        ),
        // The event, its data and the object around it are three levels.
        ("nested_64_deep", nested("nested_64_deep", 61)),
        ("nested_65_deep", nested("nested_65_deep", 62)),
        ("nested_100000_deep", nested("nested_100000_deep", 100_000)),
        ("unclosed_100000_deep", Wire::Whole(vec![b'['; 100_000])),
        (
            "id_twice",
            swap("id_twice", &id("id_twice"), r#""id":"evt_a","id":"evt_b""#),
        ),
        (
            "type_twice",
            swap(
                "type_twice",
                r#""type":"#,
                r#""type":"charge.failed","type":"#,
            ),
        ),
        (
            "status_twice",
            swap(
                "status_twice",
                r#""status":"#,
                r#""status":"canceled","status":"#,
            ),
        ),
        (
            "booking_id_twice",
            swap(
                "booking_id_twice",
                r#""metadata":{"#,
                r#""metadata":{"booking_id":"bk_other","#,
            ),
        ),
    ]
}

fn fields(id: &impl Fn(&str) -> String) -> Vec<(&'static str, Wire)> {
    let long = format!("evt_{}", "x".repeat(252));
    vec![
        ("no_id", swap("no_id", &format!("{},", id("no_id")), "")),
        (
            "id_a_number",
            swap("id_a_number", r#""evt_id_a_number""#, "7"),
        ),
        ("id_too_long", swap("id_too_long", "evt_id_too_long", &long)),
        (
            "id_with_a_space",
            swap("id_with_a_space", "evt_id_with_a_space", "evt_ 1"),
        ),
        (
            "no_type",
            swap("no_type", r#""type":"payment_intent.succeeded","#, ""),
        ),
        (
            "type_a_number",
            swap(
                "type_a_number",
                r#""type":"payment_intent.succeeded""#,
                r#""type":7"#,
            ),
        ),
        (
            "type_empty",
            swap(
                "type_empty",
                r#""type":"payment_intent.succeeded""#,
                r#""type":"""#,
            ),
        ),
        (
            "type_unknown",
            swap(
                "type_unknown",
                r#""type":"payment_intent.succeeded""#,
                r#""type":"payment_intent.beamed_up""#,
            ),
        ),
        ("no_object", swap("no_object", r#""object":"event","#, "")),
        (
            "object_unknown",
            swap(
                "object_unknown",
                r#""object":"event""#,
                r#""object":"evening""#,
            ),
        ),
        (
            "no_data",
            event("no_data", |text| {
                format!("{}}}", text.split_once(r#","data""#).expect("data").0)
            }),
        ),
        (
            "data_a_list",
            event("data_a_list", |text| {
                format!(
                    r#"{},"data":[]}}"#,
                    text.split_once(r#","data""#).expect("data").0
                )
            }),
        ),
        (
            "created_missing",
            swap(
                "created_missing",
                r#""created":1790000000,"livemode""#,
                r#""livemode""#,
            ),
        ),
        (
            "created_a_text",
            swap(
                "created_a_text",
                r#""created":1790000000,"livemode""#,
                r#""created":"soon","livemode""#,
            ),
        ),
        (
            "created_negative",
            swap(
                "created_negative",
                r#""created":1790000000,"livemode""#,
                r#""created":-1,"livemode""#,
            ),
        ),
        (
            "created_1e400",
            swap(
                "created_1e400",
                r#""created":1790000000,"livemode""#,
                r#""created":1e400,"livemode""#,
            ),
        ),
        (
            "livemode_a_text",
            swap(
                "livemode_a_text",
                r#""livemode":false"#,
                r#""livemode":"false""#,
            ),
        ),
        (
            "livemode_other",
            swap(
                "livemode_other",
                r#""livemode":false"#,
                r#""livemode":true"#,
            ),
        ),
        (
            "account_a_number",
            swap(
                "account_a_number",
                r#""livemode":false"#,
                r#""account":7,"livemode":false"#,
            ),
        ),
    ]
}

fn objects() -> Vec<(&'static str, Wire)> {
    let data = |name: &str, object: &str| {
        event(name, |text| {
            format!(
                r#"{},"data":{{{object}}}}}"#,
                text.split_once(r#","data""#).expect("data").0
            )
        })
    };
    vec![
        ("data_empty", data("data_empty", "")),
        ("object_null", data("object_null", r#""object":null"#)),
        ("object_a_text", data("object_a_text", r#""object":"pi_1""#)),
        (
            "object_without_id",
            swap("object_without_id", r#""id":"pi_object_without_id","#, ""),
        ),
        (
            "object_id_a_number",
            swap("object_id_a_number", r#""pi_object_id_a_number""#, "7"),
        ),
        (
            "object_kind_missing",
            swap("object_kind_missing", r#""object":"payment_intent","#, ""),
        ),
        (
            "amount_a_text",
            swap(
                "amount_a_text",
                r#""amount_received":5000"#,
                r#""amount_received":"5000""#,
            ),
        ),
        (
            "amount_1e400",
            swap(
                "amount_1e400",
                r#""amount_received":5000"#,
                r#""amount_received":1e400"#,
            ),
        ),
        (
            "amount_a_fraction",
            swap(
                "amount_a_fraction",
                r#""amount_received":5000"#,
                r#""amount_received":50.5"#,
            ),
        ),
        (
            "amount_beyond_64_bits",
            swap(
                "amount_beyond_64_bits",
                r#""amount_received":5000"#,
                r#""amount_received":99999999999999999999"#,
            ),
        ),
        (
            "amount_negative",
            swap(
                "amount_negative",
                r#""amount_received":5000"#,
                r#""amount_received":-5000"#,
            ),
        ),
        (
            "currency_a_number",
            swap(
                "currency_a_number",
                r#""currency":"eur""#,
                r#""currency":978"#,
            ),
        ),
        (
            "status_unknown",
            swap(
                "status_unknown",
                r#""status":"succeeded""#,
                r#""status":"levitating""#,
            ),
        ),
        (
            "status_a_list",
            swap("status_a_list", r#""status":"succeeded""#, r#""status":[]"#),
        ),
        (
            "metadata_a_list",
            event("metadata_a_list", |text| {
                text.replace(r#"{"booking_id":"bk_metadata_a_list"}"#, "[]")
            }),
        ),
        (
            "metadata_null",
            event("metadata_null", |text| {
                text.replace(r#"{"booking_id":"bk_metadata_null"}"#, "null")
            }),
        ),
        (
            "booking_id_a_number",
            swap("booking_id_a_number", r#""bk_booking_id_a_number""#, "7"),
        ),
        (
            "booking_id_empty",
            swap("booking_id_empty", "bk_booking_id_empty", ""),
        ),
        (
            "booking_id_too_long",
            swap(
                "booking_id_too_long",
                "bk_booking_id_too_long",
                &"x".repeat(256),
            ),
        ),
    ]
}
