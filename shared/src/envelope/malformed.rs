//! Why bytes are no event.

/// A body that will never be readable: poison. Messages tell no payload data.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// Not UTF-8.
    #[error("the body is not UTF-8")]
    NotUtf8(#[source] std::str::Utf8Error),
    /// Begins with a byte-order mark.
    #[error("the body begins with a byte-order mark")]
    ByteOrderMark,
    /// Nests deeper than 64.
    #[error("the body nests deeper than 64")]
    TooDeep,
    /// Not JSON, or not one JSON object.
    #[error("the body is not one JSON object (line {line}, column {column})")]
    NotJson {
        /// Where the parser gave up.
        line: usize,
        /// Where the parser gave up.
        column: usize,
    },
    /// A field we rely on is there twice: parsers would disagree about which counts.
    #[error("a field that must be there once is there twice")]
    DuplicateKey,
    /// `object` is neither `event` nor `v2.core.event`.
    #[error("`object` is neither event nor v2.core.event")]
    UnknownShape,
    /// No `id`.
    #[error("there is no id")]
    MissingId,
    /// An `id` that is none.
    #[error("the id is not letters, digits and underscores of at most 255 bytes")]
    BadId,
    /// No `type`.
    #[error("there is no type")]
    MissingType,
    /// A `type` that is none.
    #[error("the type is not a text of 1 to 255 bytes without control characters")]
    BadType,
    /// A snapshot event without a `data` object.
    #[error("`data` is not an object")]
    BadData,
    /// An observation that is no Stripe object.
    #[error("the value has no usable `object` and `id`")]
    NotAnObject,
}

impl Malformed {
    /// Stable label; a closed set.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NotUtf8(_) => "not_utf8",
            Self::ByteOrderMark => "byte_order_mark",
            Self::TooDeep => "too_deep",
            Self::NotJson { .. } => "not_json",
            Self::DuplicateKey => "duplicate_key",
            Self::UnknownShape => "unknown_shape",
            Self::MissingId => "missing_id",
            Self::BadId => "bad_id",
            Self::MissingType => "missing_type",
            Self::BadType => "bad_type",
            Self::BadData => "bad_data",
            Self::NotAnObject => "not_an_object",
        }
    }

    /// serde's own message may quote the payload, so only the place is kept.
    pub(crate) fn from_json(error: serde_json::Error) -> Self {
        if error.is_data() && error.to_string().starts_with("duplicate field") {
            return Self::DuplicateKey;
        }
        Self::NotJson {
            line: error.line(),
            column: error.column(),
        }
    }
}
