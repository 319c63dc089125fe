//! How a call to Stripe, or a walk through its lists, can fail.

use super::walk::WalkError;
use crate::store::StoreError;

/// Why there is no answer to go on with. Nothing was changed at Stripe: we only read.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    /// No connection, a time-out or a cut connection, after every attempt.
    #[error("Stripe can't be reached")]
    Unreachable(#[source] reqwest::Error),
    /// An answer of 2xx whose body is not what Stripe documents.
    #[error("Stripe's answer can't be read: {what}")]
    Unreadable {
        what: &'static str,
        #[source]
        cause: Option<serde_json::Error>,
    },
    /// An answer of 2xx that is larger than we are willing to hold.
    #[error("Stripe's answer is larger than {limit} bytes")]
    TooLarge { limit: usize },
    /// Any other answer than 2xx. Stripe's own words, without anything we sent.
    #[error("Stripe answered {status} ({kind}): {message}")]
    Refused {
        status: u16,
        /// Stripe's `error.code`, else its `error.type`, else `unknown`.
        kind: String,
        message: String,
        request_id: Option<String>,
    },
    /// The list could not be walked to its end.
    #[error("the list of events can't be walked to its end")]
    Walk(#[from] WalkError),
    /// Whether we may call is told by Postgres, which did not answer.
    #[error("the budget of calls can't be asked")]
    Budget(#[from] StoreError),
    /// A request that we could not even build.
    #[error("the request can't be built")]
    Request(#[source] reqwest::Error),
}

impl StripeError {
    /// The same call will fail for ever: the object is gone, or was never ours.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Refused { status, .. } => matches!(status, 400 | 404 | 410),
            Self::TooLarge { .. } => true,
            Self::Unreachable(_)
            | Self::Unreadable { .. }
            | Self::Walk(_)
            | Self::Budget(_)
            | Self::Request(_) => false,
        }
    }

    /// Stripe does not let us read this connected account any more: it has disconnected, or we never
    /// had access. A key that lacks a permission is another matter: every account would be refused
    /// for it, and it is put right on our side.
    ///
    /// Source: <https://docs.stripe.com/error-codes>, `account_invalid`; the words are those of a
    /// revoked access.
    pub fn is_account_refused(&self) -> bool {
        match self {
            Self::Refused {
                status,
                kind,
                message,
                ..
            } => {
                let words = message.to_ascii_lowercase();
                let is_ours = kind.starts_with("more_permissions_required")
                    || words.contains("required permissions");
                let is_theirs = kind == "account_invalid"
                    || words.contains("application access may have been revoked");
                is_theirs || (*status == 403 && !is_ours)
            }
            Self::TooLarge { .. }
            | Self::Unreachable(_)
            | Self::Unreadable { .. }
            | Self::Walk(_)
            | Self::Budget(_)
            | Self::Request(_) => false,
        }
    }

    /// The cursor of a list lies behind Stripe's 30 days.
    ///
    /// Stripe publishes no code for it, only words ("aged out of our retention policy", seen by
    /// estuary/connectors #2731); a cursor that is no longer found at all means the same.
    pub fn is_aged_out(&self) -> bool {
        match self {
            Self::Refused {
                status: 400 | 404,
                kind,
                message,
                ..
            } => kind == "resource_missing" || message.contains("aged out"),
            Self::Refused { .. }
            | Self::TooLarge { .. }
            | Self::Unreachable(_)
            | Self::Unreadable { .. }
            | Self::Walk(_)
            | Self::Budget(_)
            | Self::Request(_) => false,
        }
    }

    /// A stable word for metrics and rows.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Unreadable { .. } => "unreadable",
            Self::TooLarge { .. } => "too_large",
            Self::Refused { status: 429, .. } => "rate_limited",
            Self::Refused { .. } => "refused",
            Self::Walk(_) => "walk",
            Self::Budget(_) => "budget",
            Self::Request(_) => "request",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, kind: &str, message: &str) -> StripeError {
        StripeError::Refused {
            status,
            kind: kind.to_owned(),
            message: message.to_owned(),
            request_id: None,
        }
    }

    #[test]
    fn account_that_is_gone_is_told_from_a_key_that_lacks_a_permission() {
        let revoked = "The provided key does not have access to account 'acct_1' (or that account \
                       does not exist). Application access may have been revoked.";
        for gone in [
            refused(403, "account_invalid", revoked),
            refused(401, "invalid_request_error", revoked),
            refused(403, "permission_error", "no"),
        ] {
            assert!(gone.is_account_refused(), "{gone}");
        }
        for other in [
            refused(403, "more_permissions_required", "no"),
            refused(
                403,
                "invalid_request_error",
                "does not have the required permissions",
            ),
            refused(404, "resource_missing", "No such payment_intent"),
            refused(429, "lock_timeout", ""),
            StripeError::TooLarge { limit: 1 },
        ] {
            assert!(!other.is_account_refused(), "{other}");
        }
    }
}
