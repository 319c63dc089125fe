//! Currencies. Amounts are `i64` in the currency's minor unit, exactly as Stripe sends them:
//! no conversion, no floating point, and sums are checked.
//!
//! Pure. Source: Stripe's documentation "Supported currencies" (zero- and three-decimal ones
//! differ only in what one unit means).

use std::fmt;

use serde::{Deserialize, Serialize};

/// An ISO 4217 code in Stripe's spelling: three lower-case letters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(String);

/// Not three letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a currency is three letters")]
pub struct CurrencyError;

impl Currency {
    /// Takes three letters, in either case.
    ///
    /// # Errors
    /// [`CurrencyError`].
    pub fn parse(text: &str) -> Result<Self, CurrencyError> {
        let fits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
        if fits {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(CurrencyError)
        }
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Currency {
    type Error = CurrencyError;
    fn try_from(text: String) -> Result<Self, CurrencyError> {
        Self::parse(&text)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.0
    }
}
