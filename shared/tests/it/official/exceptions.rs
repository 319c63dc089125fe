//! Where we differ from the official libraries on purpose, told from the case alone.

use std::collections::BTreeSet;

use super::case::Case;

/// Each way in which we differ, or the libraries do from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Exception {
    /// Anyone could sign: such a secret cannot be configured.
    BlankSecret,
    /// White space in a secret is an accident of copying; it cannot be configured.
    SecretWithWhiteSpace,
    /// It cannot be configured.
    SecretWithoutPrefix,
    /// It cannot be configured.
    SecretTooShort,
    /// More than 4 KiB are not looked at.
    HeaderTooLong,
    /// More than 16 items are not looked at.
    TooManyItems,
    /// Stripe's header is printable ASCII without white space; each library stumbles over other
    /// bytes in its own way, and overlooks the second of two headers joined with `, `.
    HeaderNotPlain,
    /// A second `t` leaves open which one was signed: Python takes the first, Node the last.
    SecondTimestamp,
    /// The key `t` or `v1` without `=`: Python refuses, Node overlooks a bare `t`.
    BareKey,
    /// `t` with a sign.
    SignedTimestamp,
    /// `t` is zero or begins with one.
    PaddedTimestamp,
    /// `t` is no number, or one with something behind it.
    OddTimestamp,
    /// `t` does not fit 64 bits.
    HugeTimestamp,
    /// More than the tolerance ahead: neither library looks.
    FarFuture,
    /// `v1=<good>=junk`: the libraries cut the tail off.
    SignatureWithTail,
    /// Nothing to sign.
    EmptyBody,
    /// Node refuses a header with an empty `v1=`, whatever else it holds.
    EmptySignature,
    /// Node drops a byte order mark before it signs.
    ByteOrderMark,
    /// Both libraries read the body as text; we sign its bytes, as Stripe does.
    BodyNotText,
}

/// Every one of them.
pub(super) const ALL: [Exception; 19] = [
    Exception::BlankSecret,
    Exception::SecretWithWhiteSpace,
    Exception::SecretWithoutPrefix,
    Exception::SecretTooShort,
    Exception::HeaderTooLong,
    Exception::TooManyItems,
    Exception::HeaderNotPlain,
    Exception::SecondTimestamp,
    Exception::BareKey,
    Exception::SignedTimestamp,
    Exception::PaddedTimestamp,
    Exception::OddTimestamp,
    Exception::HugeTimestamp,
    Exception::FarFuture,
    Exception::SignatureWithTail,
    Exception::EmptyBody,
    Exception::EmptySignature,
    Exception::ByteOrderMark,
    Exception::BodyNotText,
];

/// What was said of a case.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verdicts {
    pub(super) ours: bool,
    pub(super) python: bool,
    pub(super) node: bool,
    /// A MAC over the body's bytes, made by Python without the library.
    pub(super) raw: bool,
}

impl Verdicts {
    pub(super) fn agree(self) -> bool {
        self.ours == self.python && self.ours == self.node
    }
}

impl Exception {
    /// Whether it explains this disagreement.
    pub(super) fn explains(self, said: Verdicts) -> bool {
        match self {
            Self::BodyNotText => !said.python && (!said.ours || said.raw),
            Self::ByteOrderMark => said.ours == said.python,
            Self::EmptySignature => said.ours == said.python && !said.node,
            Self::BlankSecret
            | Self::SecretWithWhiteSpace
            | Self::SecretWithoutPrefix
            | Self::SecretTooShort
            | Self::HeaderTooLong
            | Self::TooManyItems
            | Self::HeaderNotPlain
            | Self::SecondTimestamp
            | Self::BareKey
            | Self::SignedTimestamp
            | Self::PaddedTimestamp
            | Self::OddTimestamp
            | Self::HugeTimestamp
            | Self::FarFuture
            | Self::SignatureWithTail
            | Self::EmptyBody => !said.ours,
        }
    }
}

/// Those that a case has.
pub(super) fn of(case: &Case) -> BTreeSet<Exception> {
    let mut found = BTreeSet::new();
    found.extend(of_secret(&case.secret));
    if let Some(header) = &case.header {
        of_header(header, case.now, &mut found);
    }
    if case.body.is_empty() {
        found.insert(Exception::EmptyBody);
    }
    if case.body.starts_with(b"\xef\xbb\xbf") {
        found.insert(Exception::ByteOrderMark);
    }
    if std::str::from_utf8(&case.body).is_err() {
        found.insert(Exception::BodyNotText);
    }
    found
}

fn of_secret(secret: &str) -> Option<Exception> {
    if secret.trim().is_empty() {
        Some(Exception::BlankSecret)
    } else if secret.contains(char::is_whitespace) {
        Some(Exception::SecretWithWhiteSpace)
    } else if !secret.starts_with("whsec_") {
        Some(Exception::SecretWithoutPrefix)
    } else {
        (secret.len() < 32).then_some(Exception::SecretTooShort)
    }
}

fn of_header(header: &[u8], now: i64, found: &mut BTreeSet<Exception>) {
    if header.len() > 4096 {
        found.insert(Exception::HeaderTooLong);
    }
    if header.iter().any(|byte| !(0x21..=0x7e).contains(byte)) {
        found.insert(Exception::HeaderNotPlain);
    }
    let text: String = header.iter().map(|byte| char::from(*byte)).collect();
    let items: Vec<&str> = text.split(',').collect();
    if items.len() > 16 {
        found.insert(Exception::TooManyItems);
    }
    if items.contains(&"t") || items.contains(&"v1") {
        found.insert(Exception::BareKey);
    }
    let times: Vec<&str> = items.iter().filter_map(|i| i.strip_prefix("t=")).collect();
    if times.len() > 1 {
        found.insert(Exception::SecondTimestamp);
    }
    found.extend(times.iter().filter_map(|time| of_time(time, now)));
    for signature in items.iter().filter_map(|i| i.strip_prefix("v1=")) {
        if signature.is_empty() || signature.starts_with('=') {
            found.insert(Exception::EmptySignature);
        }
        if signature.contains('=') {
            found.insert(Exception::SignatureWithTail);
        }
    }
}

fn of_time(time: &str, now: i64) -> Option<Exception> {
    // White space is the header's fault.
    let time = time.trim();
    if time.starts_with(['+', '-']) {
        Some(Exception::SignedTimestamp)
    } else if time.is_empty() || !time.bytes().all(|byte| byte.is_ascii_digit()) {
        Some(Exception::OddTimestamp)
    } else if time.starts_with('0') {
        Some(Exception::PaddedTimestamp)
    } else {
        match time.parse::<i64>() {
            Err(_) => Some(Exception::HugeTimestamp),
            Ok(t) => (t > now + 300).then_some(Exception::FarFuture),
        }
    }
}
