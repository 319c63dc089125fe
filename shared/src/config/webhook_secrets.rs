//! The endpoints' signing secrets, from a variable, a file, or a directory of files.
//!
//! Invariant: a secret is never shown: neither by `Debug` nor in an error.

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use super::{SecretError, read_secret};
use crate::signature::{Secrets, SecretsError};

/// Where the secrets come from.
#[derive(Clone)]
pub struct WebhookSecrets {
    /// The variable's value.
    pub value: Option<String>,
    /// A file, or a directory of files (as Kubernetes mounts them).
    pub file: Option<PathBuf>,
}

impl std::fmt::Debug for WebhookSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookSecrets")
            .field("value", &self.value.as_ref().map(|_| "***"))
            .field("file", &self.file)
            .finish()
    }
}

/// Why they could not be read.
#[derive(Debug, thiserror::Error)]
pub enum WebhookSecretsError {
    /// Missing, given twice, or unreadable.
    #[error(transparent)]
    Read(#[from] SecretError),
    /// A directory could not be listed.
    #[error("cannot list the directory that STRIPE_WEBHOOK_SECRETS_FILE names")]
    Directory(#[source] std::io::Error),
    /// Read, but weak.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Weak(Vec<SecretsError>),
}

const NAME: &str = "STRIPE_WEBHOOK_SECRETS";

impl WebhookSecrets {
    /// Reads them now.
    ///
    /// # Errors
    /// [`WebhookSecretsError`].
    pub fn load(&self) -> Result<Secrets, WebhookSecretsError> {
        let text = match &self.file {
            Some(directory) if directory.is_dir() && self.value.is_none() => joined(directory)?,
            file => {
                let secret = read_secret(NAME, self.value.as_deref(), file.as_deref())?;
                secret.expose_secret().to_owned()
            }
        };
        Secrets::parse(&text).map_err(WebhookSecretsError::Weak)
    }

    /// Whether they can change while the process runs.
    #[must_use]
    pub const fn is_watched(&self) -> bool {
        self.file.is_some()
    }
}

/// The files of a directory, in the order of their names; hidden ones are not secrets.
fn joined(directory: &Path) -> Result<String, WebhookSecretsError> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
        .map_err(WebhookSecretsError::Directory)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file())
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| !name.to_string_lossy().starts_with('.'))
        })
        .collect();
    paths.sort_unstable();
    let mut text = String::new();
    for path in paths {
        let one = read_secret(NAME, None, Some(&path))?;
        text.push_str(one.expose_secret());
        text.push('\n');
    }
    Ok(text)
}
