//! The amounts of a booking, each summed from the objects that the story says are its own.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::model::{number, text};
use super::Belongings;

/// The amounts of one booking in one currency, in minor units, by the names of the columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amounts {
    /// Captured, also in part so far, or settled.
    pub amount_paid: i64,
    /// Given back, or on the way.
    pub amount_refunded: i64,
    /// Held on a card, no money yet.
    pub amount_authorized: i64,
    pub amount_in_flight: i64,
    /// The part of `amount_paid` that was paid outside Stripe.
    pub amount_settled_elsewhere: i64,
    /// The part of `amount_paid` that the customer's credit balance paid.
    pub amount_from_balance: i64,
    pub amount_credited: i64,
    pub amount_refund_pending_action: i64,
    /// In open disputes.
    pub amount_disputed: i64,
    /// In lost disputes.
    pub amount_lost: i64,
    pub amount_net: i64,
    /// Payments that succeeded.
    pub payments: i64,
}

impl Amounts {
    /// Each amount with the name of its column.
    #[must_use]
    pub fn by_column(&self) -> [(&'static str, i64); 12] {
        [
            ("amount_paid", self.amount_paid),
            ("amount_refunded", self.amount_refunded),
            ("amount_authorized", self.amount_authorized),
            ("amount_in_flight", self.amount_in_flight),
            ("amount_settled_elsewhere", self.amount_settled_elsewhere),
            ("amount_from_balance", self.amount_from_balance),
            ("amount_credited", self.amount_credited),
            (
                "amount_refund_pending_action",
                self.amount_refund_pending_action,
            ),
            ("amount_disputed", self.amount_disputed),
            ("amount_lost", self.amount_lost),
            ("amount_net", self.amount_net),
            ("payments", self.payments),
        ]
    }
}

/// A booking's amounts, and how much of what is paid came by payments that are finished.
pub(super) struct Sum {
    pub(super) amounts: Amounts,
    pub(super) finished: i64,
}

pub(super) fn sum(own: &Belongings) -> Sum {
    let of = |objects: &[Value], statuses: &[&str], field: &str| -> i64 {
        let all = objects
            .iter()
            .filter(|object| statuses.contains(&text(object, "status")));
        all.map(|object| number(object, field)).sum()
    };
    let settled = |elsewhere: bool| -> i64 {
        let all = own.invoices.iter().filter(|invoice| {
            text(&invoice.value, "status") == "paid"
                && (invoice.out_of_band, invoice.from_balance) == (elsewhere, !elsewhere)
        });
        all.map(|invoice| number(&invoice.value, "total")).sum()
    };
    let succeeded = of(&own.intents, &["succeeded"], "amount_received");
    let so_far = of(&own.intents, &["requires_capture"], "amount_received");
    let (elsewhere, balance) = (settled(true), settled(false));
    let mut amounts = Amounts {
        amount_paid: succeeded + so_far + elsewhere + balance,
        amount_refunded: of(&own.refunds, &["pending", "succeeded"], "amount"),
        amount_authorized: of(&own.intents, &["requires_capture"], "amount_capturable"),
        amount_in_flight: of(&own.intents, &["processing"], "amount"),
        amount_settled_elsewhere: elsewhere,
        amount_from_balance: balance,
        amount_refund_pending_action: of(&own.refunds, &["requires_action"], "amount"),
        amount_disputed: of(&own.disputes, &["needs_response", "under_review"], "amount"),
        amount_lost: of(&own.disputes, &["lost"], "amount"),
        payments: payments(own),
        ..Amounts::default()
    };
    amounts.amount_net = amounts.amount_paid
        - amounts.amount_refunded
        - amounts.amount_disputed
        - amounts.amount_lost
        - amounts.amount_credited;
    Sum {
        amounts,
        finished: succeeded + elsewhere + balance,
    }
}

/// Intents that succeeded, and invoices that were settled without one.
fn payments(own: &Belongings) -> i64 {
    let intents = own.intents.iter();
    let intents = intents.filter(|intent| text(intent, "status") == "succeeded");
    let invoices = own.invoices.iter().filter(|invoice| {
        text(&invoice.value, "status") == "paid" && (invoice.out_of_band || invoice.from_balance)
    });
    i64::try_from(intents.count() + invoices.count()).unwrap_or(i64::MAX)
}
