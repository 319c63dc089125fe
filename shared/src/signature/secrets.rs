//! Signing secrets: a list, each with a name, none of them weak, none printable.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// What Stripe's secrets begin with.
const PREFIX: &str = "whsec_";
/// Shortest secret that is taken, prefix included.
const MIN_CHARS: usize = 32;
/// Longest name, bytes: it is a label of metrics and a column of the ledger.
const LONGEST_NAME: usize = 64;
/// Most secrets at once: each costs every request a MAC. Stripe has 16 endpoints an account and mode.
const MOST: usize = 64;

/// One secret. The key is the whole text, prefix included, as UTF-8; it is never base64-decoded.
#[derive(Clone)]
pub struct SigningSecret {
    name: Arc<str>,
    value: SecretString,
    /// Keyed once: half of what a MAC over a few bytes costs. Wiped when dropped, as the value is,
    /// and in one place until then: a list that grows leaves no copy behind.
    mac: Box<Hmac<Sha256>>,
}

impl SigningSecret {
    /// Takes a secret, if it is one.
    ///
    /// # Errors
    /// [`SecretsError`], which names the secret, never shows it.
    pub fn new(name: &str, value: &str) -> Result<Self, SecretsError> {
        let problem = |what| SecretsError {
            name: name.to_owned(),
            what,
        };
        if name.len() > LONGEST_NAME
            || name.is_empty()
            || !name.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(problem("needs a name of 1 to 64 letters, digits and signs"));
        }
        if value.trim().is_empty() {
            return Err(problem("is blank: anyone could sign"));
        }
        if value.chars().any(char::is_whitespace) {
            return Err(problem("contains white space"));
        }
        if !value.starts_with(PREFIX) {
            return Err(problem("does not begin with whsec_"));
        }
        if value.chars().count() < MIN_CHARS {
            return Err(problem("is shorter than 32 characters"));
        }
        let mac = Hmac::new_from_slice(value.as_bytes());
        Ok(Self {
            name: name.into(),
            value: SecretString::from(value),
            mac: Box::new(mac.map_err(|_invalid| problem("is no key"))?),
        })
    }

    /// Its name: what metrics, logs and the ledger call it.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// A MAC that has seen nothing yet.
    pub(super) fn mac(&self) -> Hmac<Sha256> {
        (*self.mac).clone()
    }

    pub(super) fn key(&self) -> &[u8] {
        self.value.expose_secret().as_bytes()
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningSecret")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A secret that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("signing secret `{name}` {what}")]
pub struct SecretsError {
    name: String,
    what: &'static str,
}

/// Every secret that may sign: endpoints, modes, and old ones while they are rolled. Never empty.
#[derive(Debug, Clone)]
pub struct Secrets(Vec<SigningSecret>);

impl Secrets {
    /// Parses one secret a line or comma-separated, optionally `name=whsec_…`; unnamed ones are
    /// called `secret1`, `secret2`, … White space around each is removed. A secret that is there
    /// twice counts once, under its first name.
    ///
    /// # Errors
    /// Every problem: an empty list, too many, each secret that cannot be taken, and a name that
    /// two different secrets have: nobody could tell which one signed.
    pub fn parse(text: &str) -> Result<Self, Vec<SecretsError>> {
        let mut secrets = Vec::new();
        let mut errors = Vec::new();
        let items = text
            .split(['\n', ','])
            .map(str::trim)
            .filter(|item| !item.is_empty());
        for (index, item) in items.enumerate() {
            let unnamed = format!("secret{}", index.saturating_add(1));
            let (name, value) = match item.split_once('=') {
                Some((name, value)) if Self::is_named(item) => (name.trim(), value.trim()),
                Some(_) | None => (unnamed.as_str(), item),
            };
            match SigningSecret::new(name, value) {
                Ok(secret) if holds(&secrets, &secret) => {}
                Ok(secret) if secrets.iter().any(|known| known.name == secret.name) => {
                    errors.push(SecretsError {
                        name: secret.name.to_string(),
                        what: "is the name of two secrets: nobody could tell which one signed",
                    });
                }
                Ok(secret) => secrets.push(secret),
                Err(error) => errors.push(error),
            }
        }
        if secrets.len() > MOST {
            errors.push(SecretsError {
                name: "(all)".to_owned(),
                what: "are more than 64",
            });
        }
        if secrets.is_empty() && errors.is_empty() {
            errors.push(SecretsError {
                name: "(none)".to_owned(),
                what: "is configured: anyone could sign",
            });
        }
        if errors.is_empty() {
            Ok(Self(secrets))
        } else {
            Err(errors)
        }
    }

    /// Whether one item of such a text has a name of its own.
    #[must_use]
    pub fn is_named(item: &str) -> bool {
        item.contains('=') && !item.starts_with(PREFIX)
    }

    /// In the order they were given.
    pub fn iter(&self) -> impl Iterator<Item = &SigningSecret> {
        self.0.iter()
    }

    /// Whether both hold the same secrets under the same names, in the same order.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self
                .iter()
                .zip(other.iter())
                .all(|(a, b)| a.name == b.name && a.key() == b.key())
    }

    /// Whether this very secret is among them, under whatever name.
    #[must_use]
    pub fn holds(&self, secret: &SigningSecret) -> bool {
        holds(&self.0, secret)
    }

    /// These, and after them `more`, which may have names that are among these.
    #[must_use]
    pub fn and(mut self, more: impl IntoIterator<Item = SigningSecret>) -> Self {
        self.0.extend(more);
        self
    }

    /// These and one more, as [`Self::parse`] takes it.
    ///
    /// # Errors
    /// [`SecretsError`]: it is weak, or its name is another's.
    pub fn with(self, name: &str, value: &str) -> Result<Self, SecretsError> {
        let secret = SigningSecret::new(name, value)?;
        if self.iter().any(|known| known.name == secret.name) {
            return Err(SecretsError {
                name: secret.name.to_string(),
                what: "is the name of another secret",
            });
        }
        Ok(self.and([secret]))
    }

    /// These without the one of this name; none: no other would be left.
    #[must_use]
    pub fn without(&self, name: &str) -> Option<Self> {
        let left = self.iter().filter(|secret| *secret.name != *name);
        let left: Vec<SigningSecret> = left.cloned().collect();
        (!left.is_empty()).then_some(Self(left))
    }

    /// The text that [`Self::parse`] reads: each on a line with its name.
    #[must_use]
    pub fn to_text(&self) -> SecretString {
        let lines = self.iter().map(|secret| {
            let value = secret.value.expose_secret();
            format!("{}={value}\n", secret.name)
        });
        SecretString::from(lines.collect::<String>())
    }

    /// Their names.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.iter().map(|secret| &**secret.name()).collect()
    }
}

fn holds(all: &[SigningSecret], secret: &SigningSecret) -> bool {
    all.iter().any(|known| known.key() == secret.key())
}
