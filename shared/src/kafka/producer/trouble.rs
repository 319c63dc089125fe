//! What the brokers refuse until a person helps: a permission, a missing topic.
//!
//! Invariant: it is believed for [`BELIEVED`] and then tried again, so that an instance that was
//! taken out of a balancer's turn comes back by itself, and one whose next record is stored is
//! well at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// How long a refusal is believed.
const BELIEVED: Duration = Duration::from_secs(10);

/// Remembers the last such refusal.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    is_there: AtomicBool,
    last: Mutex<Option<(Instant, String)>>,
}

impl Trouble {
    /// Remembers an error, if it is of this kind.
    pub(super) fn note(&self, error: &KafkaError) {
        if needs_a_person(error) {
            *self.last() = Some((Instant::now(), error.to_string()));
            self.is_there.store(true, Ordering::Relaxed);
        }
    }

    /// A record was stored.
    pub(super) fn is_over(&self) {
        // Nearly always there is none: nobody waits for the lock.
        if self.is_there.swap(false, Ordering::Relaxed) {
            *self.last() = None;
        }
    }

    /// The refusal, while it is believed.
    pub(super) fn lately(&self) -> Option<String> {
        let last = self.last();
        let (at, what) = last.as_ref()?;
        (at.elapsed() < BELIEVED).then(|| what.clone())
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<(Instant, String)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn needs_a_person(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::SaslAuthenticationFailed
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::PolicyViolation
                | RDKafkaErrorCode::InvalidRecord
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_permission_is_trouble_until_a_record_is_stored() {
        let trouble = Trouble::default();
        let refused = RDKafkaErrorCode::TopicAuthorizationFailed;
        trouble.note(&KafkaError::MessageProduction(refused));
        assert!(trouble.lately().is_some());
        trouble.is_over();
        assert_eq!(trouble.lately(), None);
    }

    #[test]
    fn what_passes_by_itself_is_no_trouble() {
        let trouble = Trouble::default();
        for code in [
            RDKafkaErrorCode::MessageTimedOut,
            RDKafkaErrorCode::NotEnoughReplicas,
            RDKafkaErrorCode::BrokerTransportFailure,
        ] {
            trouble.note(&KafkaError::MessageProduction(code));
        }
        assert_eq!(trouble.lately(), None);
    }
}
