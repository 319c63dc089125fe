//! An endpoint as it is wanted, and as Stripe lists it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Longest address, bytes.
const LONGEST_URL: usize = 2048;
/// Longest name of a type, bytes.
const LONGEST_TYPE: usize = 255;

/// An address that Stripe may deliver to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Url(String);

impl Url {
    /// # Errors
    /// When it is no address with a host, or carries what must not be published with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let url = reqwest::Url::parse(text).map_err(|error| error.to_string())?;
        let problem = if text.len() > LONGEST_URL {
            "longer than 2048 bytes"
        } else if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            "not an https address"
        } else if !url.username().is_empty() || url.password().is_some() {
            "a user or a password does not belong into it"
        } else if url.fragment().is_some() {
            "a fragment does not belong into it"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(problem.to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_https(&self) -> bool {
        reqwest::Url::parse(&self.0).is_ok_and(|url| url.scheme() == "https")
    }

    /// The same address, in whatever spelling.
    pub(super) fn is(&self, other: &str) -> bool {
        let parsed = |text| reqwest::Url::parse(text).ok();
        self.0 == other || (parsed(&self.0).is_some() && parsed(&self.0) == parsed(other))
    }
}

/// Types of events: never none; `*` stands alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Types(BTreeSet<String>);

impl Types {
    /// # Errors
    /// When there is none, or one that no type can be called.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let types: BTreeSet<String> = text.split(',').map(|one| one.trim().to_owned()).collect();
        let all = types.contains("*");
        let named =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.');
        let fits =
            |one: &String| !one.is_empty() && one.len() <= LONGEST_TYPE && one.chars().all(named);
        if all && types.len() > 1 {
            return Err("* is all types, others beside it say nothing".to_owned());
        }
        if !all && !types.iter().all(fits) {
            return Err("types like charge.refunded, comma-separated, or *".to_owned());
        }
        Ok(Self(types))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The same set, in whatever order.
    pub(super) fn are(&self, listed: &[String]) -> bool {
        self.0.iter().collect::<BTreeSet<_>>() == listed.iter().collect()
    }
}

/// How the endpoint shall be.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) url: Url,
    pub(crate) events: Types,
    /// None: any.
    pub(crate) api_version: Option<String>,
    /// None: the one with this address.
    pub(crate) endpoint: Option<String>,
    pub(crate) livemode: bool,
}

/// One endpoint as Stripe lists it (docs.stripe.com/api/webhook_endpoints/object).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Listed {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) status: String,
    pub(crate) api_version: Option<String>,
    pub(crate) enabled_events: Vec<String>,
    pub(crate) livemode: bool,
    /// The Connect application; none: it gets the account's own events.
    #[serde(default)]
    pub(crate) application: Option<String>,
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) metadata: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_that_stripe_may_deliver_to() {
        for bad in [
            "",
            "hooks.example.com",
            "ftp://example.com/",
            "https://ada:secret@example.com/",
            "https://example.com/#top",
            "mailto:ada@example.com",
        ] {
            assert!(Url::parse(bad).is_err(), "{bad:?}");
        }
        let url = Url::parse("https://example.com/hooks?v=2").unwrap();
        assert!(url.is_https());
        assert!(url.is("https://EXAMPLE.com:443/hooks?v=2"));
        assert!(!url.is("https://example.com/hooks"));
    }

    #[test]
    fn types_are_a_set_and_the_star_stands_alone() {
        let two = Types::parse("charge.refunded, charge.succeeded").unwrap();
        let listed = ["charge.succeeded", "charge.refunded"].map(str::to_owned);
        assert!(two.are(&listed));
        assert!(!two.are(&listed[..1]));
        for bad in [
            "",
            ",",
            "*,charge.refunded",
            "charge refunded",
            "CHARGE",
            "charge.*",
        ] {
            assert!(Types::parse(bad).is_err(), "{bad:?}");
        }
    }
}
