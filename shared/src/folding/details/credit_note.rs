//! A credit note: what an invoice gives back, and by which way.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::MAX_LIST;
use crate::folding::values::{booking_at, id_at, list_at, number_at, text_at};

/// Amounts are minor units.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct CreditNote {
    /// Given back outside Stripe.
    pub out_of_band: i64,
    /// Given to the customer's credit balance.
    pub to_balance: i64,
    /// Its refunds, with what each gives back for it.
    pub refunds: Vec<(String, i64)>,
    /// The bookings that its lines name, with their amounts.
    pub lines: Vec<(String, i64)>,
}

impl CreditNote {
    pub(super) fn read(object: &Value) -> Self {
        let out_of_band = number_at(object, "/out_of_band_amount").unwrap_or(0);
        let refunds = refunds(object);
        let refunded = refunds
            .iter()
            .fold(0_i64, |sum, (_, amount)| sum.saturating_add(*amount));
        // Before payment a credit note lowers what is due: it gives nothing back.
        let is_after = text_at(object, "/type").is_none_or(|kind| kind != "pre_payment");
        let after = number_at(object, "/post_payment_amount")
            .or_else(|| number_at(object, "/amount"))
            .filter(|_| is_after)
            .unwrap_or(0);
        let has_transaction = id_at(object, "/customer_balance_transaction").is_some();
        let rest = after.saturating_sub(out_of_band).saturating_sub(refunded);
        Self {
            out_of_band,
            to_balance: if has_transaction { rest.max(0) } else { 0 },
            refunds,
            lines: list_at(object, "/lines/data")
                .iter()
                .take(MAX_LIST)
                .filter_map(|line| {
                    let booking = booking_at(line, "/metadata/booking_id")?;
                    Some((booking, number_at(line, "/amount").unwrap_or(0)))
                })
                .collect(),
        }
    }
}

/// Since basil a list with amounts; before, one refund of the note's whole amount.
fn refunds(object: &Value) -> Vec<(String, i64)> {
    let listed = list_at(object, "/refunds").iter().take(MAX_LIST);
    let mut refunds: Vec<(String, i64)> = listed
        .filter_map(|one| {
            let amount = number_at(one, "/amount_refunded").unwrap_or(0);
            Some((id_at(one, "/refund")?.into(), amount))
        })
        .collect();
    if refunds.is_empty()
        && let Some(id) = id_at(object, "/refund")
    {
        let given = number_at(object, "/refund_amount").or_else(|| number_at(object, "/amount"));
        refunds.push((id.into(), given.unwrap_or(0)));
    }
    refunds.sort_unstable();
    refunds
}
