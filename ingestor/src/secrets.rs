//! The signing secrets as they are now, swapped as a whole when their file changes, and what each
//! of them has verified since this process began.
//!
//! Invariant: there is always at least one, and a file that cannot be read or holds a weak
//! secret leaves the old ones in force. A new secret counts at once; one that is gone stays in force
//! for [`GRACE`]: a file that is read while it is written, or a mount that is read while it is
//! swapped, may lack a secret for a moment, and no genuine delivery is refused for that. Counting
//! waits for nobody and cannot fail; what is counted under a name stays with the name for as long
//! as a secret of that name is in force.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use shared::signature::{Secrets, SigningSecret};

/// How long a secret is still in force after the first look that did not find it. Longer than a
/// small file takes to be written, short enough that a stolen one is soon of no use.
pub const GRACE: Duration = Duration::from_secs(10);

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

/// A secret that the last look did not find.
#[derive(Debug, Clone)]
struct Leaving {
    secret: SigningSecret,
    since: Instant,
}

/// Those of `known` and `leaving` that `found` lacks and whose time is not over.
fn leaving(known: &Secrets, leaving: &[Leaving], found: &Secrets, now: Instant) -> Vec<Leaving> {
    let mut still: Vec<Leaving> = leaving
        .iter()
        .filter(|one| !found.holds(&one.secret))
        .filter(|one| now.saturating_duration_since(one.since) < GRACE)
        .cloned()
        .collect();
    for secret in known.iter().filter(|secret| !found.holds(secret)) {
        still.push(Leaving {
            secret: secret.clone(),
            since: now,
        });
    }
    still
}

/// What a look at the source changed, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// In force, the leaving ones apart.
    pub found: Vec<String>,
    /// Still in force, but gone from the source.
    pub leaving: Vec<String>,
}

/// The secrets that may sign at one time, and what those of their names verified.
#[derive(Debug)]
pub struct InForce {
    secrets: Secrets,
    /// One for each name.
    uses: Vec<(String, Arc<Use>)>,
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
        Self { secrets, uses }
    }

    /// The secrets.
    #[must_use]
    pub const fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The secret of this name verified a request that was here at `at`, seconds since 1970. One
    /// that went out of force in the same moment is not counted: its series has ended.
    pub fn seen(&self, name: &str, at: i64) {
        if let Some((_, counted)) = self.uses.iter().find(|(known, _)| known == name) {
            counted.verified.fetch_add(1, Ordering::Relaxed);
            counted.last_seen.fetch_max(at, Ordering::Relaxed);
        }
    }
}

#[derive(Debug)]
struct State {
    /// As the last look found them.
    found: Secrets,
    leaving: Vec<Leaving>,
    /// Both.
    in_force: Arc<InForce>,
}

impl State {
    fn new(found: Secrets, leaving: Vec<Leaving>, before: &[(String, Arc<Use>)]) -> Self {
        let still = leaving.iter().map(|one| one.secret.clone());
        let in_force = InForce::new(found.clone().and(still), before);
        Self {
            found,
            leaving,
            in_force: Arc::new(in_force),
        }
    }
}

/// The secrets in force.
#[derive(Debug)]
pub struct CurrentSecrets(RwLock<State>);

impl CurrentSecrets {
    /// In force from now on.
    #[must_use]
    pub fn new(secrets: Secrets) -> Self {
        Self(RwLock::new(State::new(secrets, Vec::new(), &[])))
    }

    /// Those in force.
    #[must_use]
    pub fn get(&self) -> Arc<InForce> {
        let now = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&now.in_force)
    }

    /// What a look at the source found at `now`: new ones are in force from now on, those that are
    /// gone leave after [`GRACE`]. None: nothing changed.
    pub fn offer(&self, found: Secrets, now: Instant) -> Option<Change> {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let leaving = leaving(&current.found, &current.leaving, &found, now);
        if found.is_same(&current.found) && leaving.len() == current.leaving.len() {
            return None;
        }
        let owned = |name: &str| name.to_owned();
        let change = Change {
            found: found.names().into_iter().map(owned).collect(),
            leaving: leaving.iter().map(|one| owned(one.secret.name())).collect(),
        };
        *current = State::new(found, leaving, &current.in_force.uses);
        Some(change)
    }

    /// What each name's secrets verified, in the order of the secrets; names that are not in force
    /// are not among them.
    #[must_use]
    pub fn used(&self) -> Vec<Used> {
        let now = self.get();
        let used = now.uses.iter().map(|(name, counted)| Used {
            name: name.clone(),
            verified: counted.verified.load(Ordering::Relaxed),
            last_seen: counted.last_seen.load(Ordering::Relaxed),
        });
        used.collect()
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
        current.get().seen("old", 20);
        current.get().seen("old", 10);
        assert_eq!(current.used(), [used("old", 2, 20), used("new", 0, 0)]);
    }

    /// What is in force after the source held these texts, a look a second.
    fn after(looks: &[&str]) -> Vec<String> {
        let current = CurrentSecrets::new(secrets(looks[0]));
        let begun = Instant::now();
        for (second, look) in (0..).zip(looks) {
            current.offer(secrets(look), begun + Duration::from_secs(second));
        }
        let now = current.get();
        now.secrets()
            .names()
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn a_new_secret_counts_at_once_and_a_removed_one_for_ten_seconds_more() {
        let both = format!("{OLD}\n{NEW}");
        assert_eq!(after(&[OLD, &both]), ["old", "new"]);
        let mut looks = vec![OLD];
        looks.extend([NEW; 10]);
        assert_eq!(after(&looks), ["new", "old"], "ten looks, nine seconds");
        looks.push(NEW);
        assert_eq!(after(&looks), ["new"]);
    }

    #[test]
    fn one_that_is_missing_for_a_moment_never_leaves() {
        let both = format!("{OLD}\n{NEW}");
        let mut looks = vec![both.as_str()];
        for _ in 0..20 {
            looks.extend([OLD, both.as_str()]);
        }
        looks.extend([OLD; 9]);
        assert_eq!(after(&looks), ["old", "new"]);
    }

    #[test]
    fn a_name_whose_secret_is_another_now_verifies_by_both_for_a_while() {
        let other = OLD.replace("0123", "3210");
        let current = CurrentSecrets::new(secrets(OLD));
        let change = current.offer(secrets(&other), Instant::now()).unwrap();
        assert_eq!(
            (change.found, change.leaving),
            (vec!["old".to_owned()], vec!["old".to_owned()])
        );
        assert_eq!(current.get().secrets().names(), ["old", "old"]);
        current.get().seen("old", 5);
        assert_eq!(
            current.used(),
            [used("old", 1, 5)],
            "one series for one name"
        );
    }

    #[test]
    fn counts_outlive_a_reload_and_end_with_their_secret() {
        let current = CurrentSecrets::new(secrets(OLD));
        let begun = Instant::now();
        current.get().seen("old", 10);
        current.offer(secrets(&format!("{OLD}\n{NEW}")), begun);
        current.get().seen("new", 11);
        assert_eq!(current.used(), [used("old", 1, 10), used("new", 1, 11)]);
        current.offer(secrets(NEW), begun);
        current.offer(secrets(NEW), begun + GRACE);
        current.get().seen("old", 12);
        assert_eq!(current.used(), [used("new", 1, 11)]);
    }
}
