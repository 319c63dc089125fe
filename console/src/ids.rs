//! Ids as operators type them: checked before the database is asked.

use std::fmt;

/// An id that no row can have.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BadId(&'static str);

/// An event's or an observation's id: 1 to 255 of A–Z, a–z, 0–9 and `_`.
#[derive(Clone, Debug)]
pub(crate) struct EventId(String);

/// A booking's id: 1 to 255 bytes without control characters.
#[derive(Clone, Debug)]
pub(crate) struct BookingId(String);

impl EventId {
    pub(crate) fn parse(text: &str) -> Result<Self, BadId> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if (1..=255).contains(&text.len()) && text.chars().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadId("1 to 255 letters, digits and underscores"))
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl BookingId {
    pub(crate) fn parse(text: &str) -> Result<Self, BadId> {
        if (1..=255).contains(&text.len()) && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadId("1 to 255 bytes without control characters"))
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for BookingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
