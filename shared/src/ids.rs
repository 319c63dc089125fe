//! Identifiers, parsed once: what holds one of these is well-formed.
//!
//! Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest identifier, bytes.
pub const MAX_ID_BYTES: usize = 255;

/// Why a text is no identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing.
    #[error("the identifier is empty")]
    Empty,
    /// More than 255 bytes.
    #[error("the identifier is longer than 255 bytes")]
    TooLong,
    /// A character that has no place in it.
    #[error("the identifier contains a character that has no place in one")]
    BadCharacter,
}

fn check(text: &str, good: fn(char) -> bool) -> Result<(), IdError> {
    if text.is_empty() {
        Err(IdError::Empty)
    } else if text.len() > MAX_ID_BYTES {
        Err(IdError::TooLong)
    } else if !text.chars().all(good) {
        Err(IdError::BadCharacter)
    } else {
        Ok(())
    }
}

/// Stripe's ids are letters, digits and `_`; a few older ones carry `-`, `.` or `:`.
fn stripe(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':')
}

fn strict(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// A business's own id: anything printable.
fn printable(c: char) -> bool {
    !c.is_control()
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $good:expr) => {
        identifier!($(#[$doc])* $name, $good, stored as $good);
    };
    ($(#[$doc:meta])* $name:ident, $good:expr, stored as $stored:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes a text, if it is one.
            ///
            /// # Errors
            /// [`IdError`].
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check(text, $good).map(|()| Self(text.to_owned()))
            }

            /// As text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                check(&text, $stored).map(|()| Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

identifier!(
    /// An event's id (`evt_…`): letters, digits, `_`; 1 to 255 bytes.
    EventId, strict
);
identifier!(
    /// An object's id (`pi_…`): letters, digits, `_-.:`; 1 to 255 bytes. Ids that merchants choose
    /// ([`ObjectId::of_kind`]) hold any printable character.
    ObjectId, stripe, stored as printable
);

/// Kinds whose ids a merchant may choose, freely before 2018-05.
/// Source: <https://docs.stripe.com/upgrades>, 2018-05-21.
const CHOSEN: &[&str] = &[
    "customer",
    "plan",
    "price",
    "product",
    "coupon",
    "promotion_code",
];

impl ObjectId {
    /// Takes the id of an object of this kind.
    ///
    /// # Errors
    /// [`IdError`].
    pub fn of_kind(kind: &str, text: &str) -> Result<Self, IdError> {
        if CHOSEN.contains(&kind) {
            Self::parse_chosen(text)
        } else {
            Self::parse(text)
        }
    }

    /// Takes an id that a merchant may have chosen: printable, 1 to 255 bytes.
    ///
    /// # Errors
    /// [`IdError`].
    pub fn parse_chosen(text: &str) -> Result<Self, IdError> {
        check(text, printable).map(|()| Self(text.to_owned()))
    }
}
identifier!(
    /// A connected account (`acct_…`); our own account is none.
    AccountId, strict
);
identifier!(
    /// A booking's id, the booking application's own: 1 to 255 bytes, no control characters.
    BookingId, printable
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_bounded_and_carry_no_control_characters() {
        assert!(EventId::parse("evt_1AbC").is_ok());
        assert!(BookingId::parse("Buchung 7/ü").is_ok());
        for bad in ["", "evt 1", "evt\n1", "evt_\u{0}", "évt", &"x".repeat(256)] {
            assert!(EventId::parse(bad).is_err(), "{bad:?}");
        }
        let chosen = "Pro plan $699/month";
        assert!(ObjectId::of_kind("plan", chosen).is_ok());
        assert!(ObjectId::of_kind("charge", chosen).is_err());
        assert!(ObjectId::of_kind("customer", "a\nb").is_err());
        assert_eq!(BookingId::parse("a\u{0}b"), Err(IdError::BadCharacter));
        assert_eq!(BookingId::parse(&"ü".repeat(128)), Err(IdError::TooLong));
    }
}
