//! Signing secrets: a list, each with a name, none of them weak, none printable.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// What Stripe's secrets begin with.
const PREFIX: &str = "whsec_";
/// Shortest secret that is taken, prefix included.
const MIN_CHARS: usize = 32;

/// One secret. The key is the whole text, prefix included, as UTF-8; it is never base64-decoded.
#[derive(Clone)]
pub struct SigningSecret {
    name: String,
    value: SecretString,
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
        Ok(Self {
            name: name.to_owned(),
            value: SecretString::from(value),
        })
    }

    /// Its name: what metrics, logs and the ledger call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
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
    /// called `secret1`, `secret2`, … White space around each is removed.
    ///
    /// # Errors
    /// Every problem: an empty list, and each secret that cannot be taken.
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
                Some((name, value)) if !name.starts_with(PREFIX) => (name.trim(), value.trim()),
                Some(_) | None => (unnamed.as_str(), item),
            };
            match SigningSecret::new(name, value) {
                Ok(secret) => secrets.push(secret),
                Err(error) => errors.push(error),
            }
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

    /// Their names.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(SigningSecret::name).collect()
    }
}
