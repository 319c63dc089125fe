//! The signing secrets as they are now, swapped as a whole when their file changes, and what each
//! of them has verified since this process began.
//!
//! Invariant: there is always at least one, and a file that cannot be read or holds a weak
//! secret leaves the old ones in force. Counting waits for nobody and cannot fail; what is counted
//! under a name stays with the name for as long as a secret of that name is in force.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use shared::signature::Secrets;

/// What the secrets of one name verified.
#[derive(Debug, Default)]
struct Use {
    verified: AtomicU64,
    /// Seconds since 1970; 0: nothing yet.
    last_seen: AtomicI64,
}

/// What a name's secrets verified since the process began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// The secret's name.
    pub name: String,
    /// Signatures that held, whatever became of the request afterwards.
    pub verified: u64,
    /// When the last of them came, seconds since 1970; 0: none did.
    pub last_seen: i64,
}

type Uses = Arc<[(String, Arc<Use>)]>;

#[derive(Debug)]
struct InForce {
    secrets: Arc<Secrets>,
    /// One for each name.
    uses: Uses,
}

impl InForce {
    fn new(secrets: Secrets, before: &[(String, Arc<Use>)]) -> Self {
        let mut uses: Vec<(String, Arc<Use>)> = Vec::new();
        for name in secrets.names() {
            if uses.iter().any(|(known, _)| known == name) {
                continue;
            }
            let kept = before.iter().find(|(known, _)| known == name);
            let counted = kept.map_or_else(Arc::default, |(_, counted)| Arc::clone(counted));
            uses.push((name.to_owned(), counted));
        }
        Self {
            secrets: Arc::new(secrets),
            uses: uses.into(),
        }
    }
}

/// The secrets in force.
#[derive(Debug)]
pub struct CurrentSecrets(RwLock<InForce>);

impl CurrentSecrets {
    /// In force from now on.
    #[must_use]
    pub fn new(secrets: Secrets) -> Self {
        Self(RwLock::new(InForce::new(secrets, &[])))
    }

    /// Those in force.
    #[must_use]
    pub fn get(&self) -> Arc<Secrets> {
        let now = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&now.secrets)
    }

    /// Puts others in force; whether they differ by name or number.
    pub fn replace(&self, secrets: Secrets) {
        let mut now = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *now = InForce::new(secrets, &now.uses);
    }

    /// The secret of this name verified a request that was here at `at`, seconds since 1970. One
    /// that went out of force in the same moment is not counted: its series has ended.
    pub fn seen(&self, name: &str, at: i64) {
        let uses = self.uses();
        if let Some((_, counted)) = uses.iter().find(|(known, _)| known == name) {
            counted.verified.fetch_add(1, Ordering::Relaxed);
            counted.last_seen.fetch_max(at, Ordering::Relaxed);
        }
    }

    /// What each name's secrets verified, in the order of the secrets; names that are not in force
    /// are not among them.
    #[must_use]
    pub fn used(&self) -> Vec<Used> {
        let all = self.uses();
        all.iter()
            .map(|(name, counted)| Used {
                name: name.clone(),
                verified: counted.verified.load(Ordering::Relaxed),
                last_seen: counted.last_seen.load(Ordering::Relaxed),
            })
            .collect()
    }

    fn uses(&self) -> Uses {
        let now = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&now.uses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "old=whsec_0123456789abcdef0123456789abcdef";
    const NEW: &str = "new=whsec_fedcba9876543210fedcba9876543210";

    fn secrets(text: &str) -> Secrets {
        Secrets::parse(text).unwrap()
    }

    fn used(name: &str, verified: u64, last_seen: i64) -> Used {
        Used {
            name: name.to_owned(),
            verified,
            last_seen,
        }
    }

    #[test]
    fn each_name_is_counted_alone_and_the_last_time_never_goes_back() {
        let current = CurrentSecrets::new(secrets(&format!("{OLD}\n{NEW}")));
        current.seen("old", 20);
        current.seen("old", 10);
        assert_eq!(current.used(), [used("old", 2, 20), used("new", 0, 0)]);
    }

    #[test]
    fn counts_outlive_a_reload_and_end_with_their_secret() {
        let current = CurrentSecrets::new(secrets(OLD));
        current.seen("old", 10);
        current.replace(secrets(&format!("{OLD}\n{NEW}")));
        current.seen("new", 11);
        assert_eq!(current.used(), [used("old", 1, 10), used("new", 1, 11)]);
        current.replace(secrets(NEW));
        current.seen("old", 12);
        assert_eq!(current.used(), [used("new", 1, 11)]);
    }
}
