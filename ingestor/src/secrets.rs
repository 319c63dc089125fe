//! The signing secrets as they are now: swapped as a whole when their file changes.
//!
//! Invariant: there is always at least one, and a file that cannot be read or holds a weak
//! secret leaves the old ones in force.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use shared::config::{ExposeSecret, SecretError, read_secret};
use shared::signature::{Secrets, SecretsError};

/// Where the secrets come from.
#[derive(Clone)]
pub struct SecretsSource {
    /// The variable's value.
    pub value: Option<String>,
    /// A file, or a directory of files (as Kubernetes mounts them).
    pub file: Option<PathBuf>,
}

impl std::fmt::Debug for SecretsSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretsSource")
            .field("value", &self.value.as_ref().map(|_| "***"))
            .field("file", &self.file)
            .finish()
    }
}

/// Why they could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
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

impl SecretsSource {
    /// Reads them now.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(&self) -> Result<Secrets, LoadError> {
        let text = match &self.file {
            Some(directory) if directory.is_dir() && self.value.is_none() => joined(directory)?,
            file => {
                let secret = read_secret(NAME, self.value.as_deref(), file.as_deref())?;
                secret.expose_secret().to_owned()
            }
        };
        Secrets::parse(&text).map_err(LoadError::Weak)
    }

    /// Whether they can change while the process runs.
    #[must_use]
    pub const fn is_watched(&self) -> bool {
        self.file.is_some()
    }
}

/// The files of a directory, in the order of their names; hidden ones are not secrets.
fn joined(directory: &Path) -> Result<String, LoadError> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
        .map_err(LoadError::Directory)?
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

/// The secrets in force.
#[derive(Debug)]
pub struct CurrentSecrets(RwLock<Arc<Secrets>>);

impl CurrentSecrets {
    /// In force from now on.
    #[must_use]
    pub fn new(secrets: Secrets) -> Self {
        Self(RwLock::new(Arc::new(secrets)))
    }

    /// Those in force.
    #[must_use]
    pub fn get(&self) -> Arc<Secrets> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts others in force; whether they differ by name or number.
    pub fn replace(&self, secrets: Secrets) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(secrets);
    }
}
