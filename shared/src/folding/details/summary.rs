//! Which features a customer may use, as Stripe itself sums it up.
//!
//! Source: Stripe API reference "Active Entitlement". The summary has no id of its own: it is
//! told from others by its customer.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::MAX_LIST;
use crate::folding::values::{flag_at, id_at, list_at, text_at};

/// Stripe's name of the object.
pub const SUMMARY: &str = "entitlements.active_entitlement_summary";

/// The id we give a customer's summary.
#[must_use]
pub fn summary_id(customer: &str) -> String {
    format!("active_entitlement_summary:{customer}")
}

/// What a customer may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Sorted by id.
    pub features: Vec<Feature>,
    /// false: Stripe's list has more than it showed.
    pub complete: bool,
}

/// One feature that is granted.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Feature {
    /// `ent_…`.
    pub id: String,
    /// `feat_…`.
    pub feature: String,
    /// The feature's own name.
    pub lookup_key: Option<String>,
}

impl Summary {
    pub(super) fn read(object: &Value) -> Self {
        let shown = list_at(object, "/entitlements/data");
        let mut features: Vec<Feature> = shown
            .iter()
            .take(MAX_LIST)
            .filter_map(|one| {
                Some(Feature {
                    id: id_at(one, "/id")?.into(),
                    feature: id_at(one, "/feature")?.into(),
                    lookup_key: text_at(one, "/lookup_key"),
                })
            })
            .collect();
        features.sort_unstable();
        // Two with one id would be two rows under one key.
        features.dedup_by(|next, first| next.id == first.id);
        let more = flag_at(object, "/entitlements/has_more").unwrap_or(false);
        Self {
            features,
            complete: !more && shown.len() <= MAX_LIST,
        }
    }
}
