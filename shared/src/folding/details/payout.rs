//! A payout: when it arrives, and why it did not.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::folding::values::{text_at, time_at};

/// Times are seconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Payout {
    /// When Stripe made it.
    pub created: Option<i64>,
    /// When it is expected at the bank.
    pub arrival_date: Option<i64>,
    /// `standard` or `instant`.
    pub method: Option<String>,
    /// Why it failed.
    pub failure_code: Option<String>,
}

impl Payout {
    pub(super) fn read(object: &Value) -> Self {
        Self {
            created: time_at(object, "/created"),
            arrival_date: time_at(object, "/arrival_date"),
            method: text_at(object, "/method"),
            failure_code: text_at(object, "/failure_code"),
        }
    }
}
