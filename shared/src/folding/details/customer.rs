//! A customer's life cycle, without anything that identifies a person.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::folding::values::{flag_at, number_at, time_at};

/// Times are seconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Customer {
    /// When Stripe made it.
    pub created: Option<i64>,
    /// An invoice of theirs is past due.
    pub delinquent: Option<bool>,
    /// What they owe (positive) or have to their credit, minor units of the customer's currency.
    pub balance: Option<i64>,
}

impl Customer {
    pub(super) fn read(object: &Value) -> Self {
        Self {
            created: time_at(object, "/created"),
            delinquent: flag_at(object, "/delinquent"),
            balance: number_at(object, "/balance"),
        }
    }
}
