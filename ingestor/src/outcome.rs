//! What the sender is told: one total match from what happened to status and label.
//!
//! Pure. Invariant: 200 is reached only with an `Ack` in hand. Bodies of refusals are short and
//! fixed, and the same for every reason of one status: they tell an attacker nothing.
//!
//! Source: Stripe's documentation "Webhooks": any 2xx is success, everything else is sent again.

use shared::kafka::producer::{Ack, AppendError};
use shared::signature::Refusal;

/// How a request ended.
#[derive(Debug)]
pub enum Outcome {
    /// The broker has it.
    Accepted(Ack),
    /// The signature does not hold.
    Refused(Refusal),
    /// The body is larger than we take.
    TooLarge,
    /// The body did not arrive in time.
    TooSlow,
    /// The body broke off.
    Broken,
    /// There is no memory for the body: it was not read.
    NoRoom,
    /// Too many events wait for Kafka.
    Overloaded,
    /// It is not known to be stored.
    NotStored(AppendError),
}

/// Seconds after which an unstored event is worth sending again.
pub const RETRY_AFTER_S: u64 = 5;

impl Outcome {
    /// HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Accepted(_) => 200,
            Self::Refused(_) | Self::Broken => 400,
            Self::TooSlow => 408,
            Self::TooLarge | Self::NotStored(AppendError::TooLarge) => 413,
            Self::NoRoom
            | Self::Overloaded
            | Self::NotStored(
                AppendError::Overloaded
                | AppendError::Deadline(_)
                | AppendError::Unproven
                | AppendError::Failed(_)
                | AppendError::Fatal(_),
            ) => 503,
        }
    }

    /// Label of `bookend_webhook_received_total`; a closed set, known to [`shared::stats::LABELS`].
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "ok",
            Self::Refused(refusal) => refusal.label(),
            Self::TooLarge | Self::NotStored(AppendError::TooLarge) => "too_large",
            Self::TooSlow => "body_timeout",
            Self::Broken => "body_broken",
            Self::NoRoom | Self::Overloaded | Self::NotStored(AppendError::Overloaded) => {
                "overloaded"
            }
            Self::NotStored(
                AppendError::Deadline(_)
                | AppendError::Unproven
                | AppendError::Failed(_)
                | AppendError::Fatal(_),
            ) => "publish_failed",
        }
    }

    /// Whether the connection ends with the answer: what is left of such a body is not read, and
    /// only who signs keeps a connection.
    #[must_use]
    pub const fn closes(&self) -> bool {
        match self {
            Self::TooLarge | Self::TooSlow | Self::Broken | Self::NoRoom | Self::Refused(_) => true,
            Self::Accepted(_) | Self::Overloaded | Self::NotStored(_) => false,
        }
    }

    /// Where the broker has it.
    #[must_use]
    pub const fn ack(&self) -> Option<&Ack> {
        match self {
            Self::Accepted(ack) => Some(ack),
            Self::Refused(_)
            | Self::TooLarge
            | Self::TooSlow
            | Self::Broken
            | Self::NoRoom
            | Self::Overloaded
            | Self::NotStored(_) => None,
        }
    }

    /// What operators are told beside the label; nothing of the request.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Refused(refusal) => Some(refusal.to_string()),
            Self::NotStored(error) => Some(shared::error::chain(error)),
            Self::Accepted(_)
            | Self::TooLarge
            | Self::TooSlow
            | Self::Broken
            | Self::NoRoom
            | Self::Overloaded => None,
        }
    }

    /// Body of the answer.
    #[must_use]
    pub const fn body(&self) -> &'static str {
        match self.status() {
            200 => "",
            400 => "refused\n",
            408 => "too slow\n",
            413 => "too large\n",
            _ => "not stored, send again\n",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rdkafka::error::KafkaError;
    use shared::stats::{Answered, LABELS};

    use super::*;

    #[test]
    fn whatever_is_not_acknowledged_is_sent_again() {
        for error in [
            AppendError::Overloaded,
            AppendError::Deadline(Duration::from_secs(5)),
            AppendError::Unproven,
            AppendError::Failed(KafkaError::Canceled),
            AppendError::Fatal(KafkaError::Canceled),
        ] {
            assert_eq!(Outcome::NotStored(error).status(), 503);
        }
        assert_eq!(Outcome::Overloaded.status(), 503);
        assert_eq!(Outcome::NoRoom.status(), 503);
    }

    #[test]
    fn every_way_to_end_has_its_place_in_the_counts() {
        let refusals = [
            Refusal::NoHeader,
            Refusal::BadHeader,
            Refusal::EmptyBody,
            Refusal::HmacMismatch,
            Refusal::TooOld(1),
            Refusal::FromTheFuture(1),
        ];
        let errors = [
            AppendError::Overloaded,
            AppendError::TooLarge,
            AppendError::Deadline(Duration::from_secs(5)),
            AppendError::Unproven,
            AppendError::Failed(KafkaError::Canceled),
            AppendError::Fatal(KafkaError::Canceled),
        ];
        let others = [
            Outcome::TooLarge,
            Outcome::TooSlow,
            Outcome::Broken,
            Outcome::NoRoom,
            Outcome::Overloaded,
        ];
        let ways = refusals.into_iter().map(Outcome::Refused);
        let ways = ways.chain(errors.into_iter().map(Outcome::NotStored));
        for way in ways.chain(others) {
            let found = LABELS.iter().find(|(label, _)| *label == way.label());
            let answered = match way.status() {
                200 => Answered::Stored,
                503 => Answered::Unavailable,
                _ => Answered::Refused,
            };
            assert_eq!(
                found.map(|(_, answered)| *answered),
                Some(answered),
                "{way:?}"
            );
        }
    }

    #[test]
    fn every_refusal_of_the_signature_looks_the_same_from_outside() {
        for refusal in [
            Refusal::NoHeader,
            Refusal::BadHeader,
            Refusal::EmptyBody,
            Refusal::HmacMismatch,
            Refusal::TooOld(1),
            Refusal::FromTheFuture(1),
        ] {
            let outcome = Outcome::Refused(refusal);
            assert_eq!((outcome.status(), outcome.body()), (400, "refused\n"));
        }
    }
}
