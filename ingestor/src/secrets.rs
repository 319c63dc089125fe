//! The signing secrets as they are now: swapped as a whole when their file changes.
//!
//! Invariant: there is always at least one, and a file that cannot be read or holds a weak
//! secret leaves the old ones in force.

use std::sync::{Arc, PoisonError, RwLock};

use shared::signature::Secrets;

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
