//! A subscription: its periods, its planned end, what it sells.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::MAX_LIST;
use crate::folding::values::{chosen_id_at, flag_at, id_at, list_at, number_at, text_at, time_at};

/// Times are seconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Subscription {
    /// When it began.
    pub start_date: Option<i64>,
    /// Start of the current period.
    pub current_period_start: Option<i64>,
    /// Its end.
    pub current_period_end: Option<i64>,
    /// Start of the trial.
    pub trial_start: Option<i64>,
    /// Its end.
    pub trial_end: Option<i64>,
    /// When it will be canceled.
    pub cancel_at: Option<i64>,
    /// It ends with the current period.
    pub cancel_at_period_end: bool,
    /// When somebody decided to cancel it.
    pub canceled_at: Option<i64>,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// `pause_collection.behavior`: no status, the subscription stays `active`.
    pub pause_behavior: Option<String>,
    /// When collection goes on by itself.
    pub pause_resumes_at: Option<i64>,
    /// `charge_automatically` or `send_invoice`.
    pub collection_method: Option<String>,
    /// Its newest invoice.
    pub latest_invoice: Option<String>,
    /// What it sells, sorted by id.
    pub items: Vec<Item>,
    /// false: Stripe's list has more than it showed.
    pub items_complete: bool,
}

/// One price of a subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Item {
    /// `si_…`.
    pub id: String,
    /// `price_…`, or a plan's id in old versions.
    pub price: Option<String>,
    /// The price's own name, stable when prices are replaced.
    pub lookup_key: Option<String>,
    /// `prod_…`.
    pub product: Option<String>,
    /// Units.
    pub quantity: Option<i64>,
    /// When it was added.
    pub created: Option<i64>,
    /// End of its current period.
    pub current_period_end: Option<i64>,
}

impl Subscription {
    pub(super) fn read(object: &Value) -> Self {
        // Since basil the current period lies at the items; before, at the subscription.
        let either = |name: &str| {
            time_at(object, &format!("/{name}"))
                .or_else(|| time_at(object, &format!("/items/data/0/{name}")))
        };
        let period_end = time_at(object, "/current_period_end");
        let shown = list_at(object, "/items/data");
        let mut items: Vec<Item> = shown
            .iter()
            .take(MAX_LIST)
            .filter_map(|item| Item::read(item, period_end))
            .collect();
        items.sort_unstable();
        // Two with one id would be two rows under one key.
        items.dedup_by(|next, first| next.id == first.id);
        let more = flag_at(object, "/items/has_more").unwrap_or(false);
        Self {
            start_date: time_at(object, "/start_date").or_else(|| time_at(object, "/created")),
            current_period_start: either("current_period_start"),
            current_period_end: either("current_period_end"),
            trial_start: time_at(object, "/trial_start"),
            trial_end: time_at(object, "/trial_end"),
            cancel_at: time_at(object, "/cancel_at"),
            cancel_at_period_end: flag_at(object, "/cancel_at_period_end").unwrap_or(false),
            canceled_at: time_at(object, "/canceled_at"),
            ended_at: time_at(object, "/ended_at"),
            pause_behavior: text_at(object, "/pause_collection/behavior"),
            pause_resumes_at: time_at(object, "/pause_collection/resumes_at"),
            collection_method: text_at(object, "/collection_method"),
            latest_invoice: id_at(object, "/latest_invoice").map(String::from),
            items_complete: !more && shown.len() <= MAX_LIST,
            items,
        }
    }

    /// Whether the customer may use what the items sell. Stripe's dunning (`past_due`) keeps
    /// access; `unpaid`, `paused` and `incomplete` do not give it. Paused *collection* is no
    /// status and takes nothing away.
    #[must_use]
    pub fn grants(status: Option<&str>) -> bool {
        matches!(status, Some("trialing" | "active" | "past_due"))
    }

    /// When access ended, or will: where Stripe says.
    #[must_use]
    pub fn until(&self) -> Option<i64> {
        let planned = self
            .cancel_at_period_end
            .then_some(self.current_period_end)
            .flatten();
        self.ended_at.or(self.cancel_at).or(planned)
    }
}

impl Item {
    fn read(item: &Value, period_end: Option<i64>) -> Option<Self> {
        let price = chosen_id_at(item, "/price").or_else(|| chosen_id_at(item, "/plan"));
        let product =
            chosen_id_at(item, "/price/product").or_else(|| chosen_id_at(item, "/plan/product"));
        Some(Self {
            id: id_at(item, "/id")?.into(),
            price: price.map(String::from),
            lookup_key: text_at(item, "/price/lookup_key"),
            product: product.map(String::from),
            quantity: number_at(item, "/quantity"),
            created: time_at(item, "/created"),
            current_period_end: time_at(item, "/current_period_end").or(period_end),
        })
    }
}
