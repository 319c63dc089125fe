//! A connected account: whether it can be charged for and paid out to, and what it lacks.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::MAX_LIST;
use crate::folding::values::{flag_at, list_at, text_at, time_at};

/// Lists are sorted names of requirements; times are seconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// It can take payments.
    pub charges_enabled: Option<bool>,
    /// It gets its money.
    pub payouts_enabled: Option<bool>,
    /// Its owner has filled in the form.
    pub details_submitted: Option<bool>,
    /// What must be handed in before `current_deadline`.
    pub currently_due: Vec<String>,
    /// What should have been handed in.
    pub past_due: Vec<String>,
    /// When what is due must be there.
    pub current_deadline: Option<i64>,
    /// Why it cannot do all it could.
    pub disabled_reason: Option<String>,
}

impl Account {
    pub(super) fn read(object: &Value) -> Self {
        Self {
            charges_enabled: flag_at(object, "/charges_enabled"),
            payouts_enabled: flag_at(object, "/payouts_enabled"),
            details_submitted: flag_at(object, "/details_submitted"),
            currently_due: names(object, "/requirements/currently_due"),
            past_due: names(object, "/requirements/past_due"),
            current_deadline: time_at(object, "/requirements/current_deadline"),
            disabled_reason: text_at(object, "/requirements/disabled_reason"),
        }
    }
}

fn names(object: &Value, pointer: &str) -> Vec<String> {
    let mut names: Vec<String> = list_at(object, pointer)
        .iter()
        .take(MAX_LIST)
        .filter_map(|name| text_at(name, ""))
        .collect();
    names.sort_unstable();
    names
}
