//! The right state of every booking, computed from the fake's own objects.
//!
//! Written from the project's table of booking statuses and from Stripe's documentation, not
//! from the services' code: it is what they are judged by.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::model::{number, text};
use super::story::play::Play;
use super::story::{Booking, Story};
use super::world::World;
use super::world::objects::Objects;

/// What a booking must look like once everything has arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingTruth {
    pub status: String,
    /// Of the booking as registered.
    pub expected_amount: i64,
    pub expected_currency: String,
    /// Minor units that were captured; 0 if nothing was.
    pub amount_paid: i64,
    /// Minor units given back, or on the way.
    pub amount_refunded: i64,
    /// The currency of what was charged; the registered one if nothing was.
    pub currency: String,
    pub story: Story,
    /// Nothing more will happen to it.
    pub finished: bool,
}

/// Everything that is true at this moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// By booking id.
    pub bookings: BTreeMap<String, BookingTruth>,
    /// Every object's present JSON: our own account's by id, a connected one's by `acct_…/id`.
    pub objects: BTreeMap<String, Value>,
}

pub(crate) fn of_world(world: &World) -> Truth {
    Truth {
        bookings: world
            .plays
            .iter()
            .map(|play| {
                (
                    play.plan.booking.id.clone(),
                    of_booking(&world.objects, play),
                )
            })
            .collect(),
        objects: world
            .objects
            .all()
            .map(|((account, id), value)| {
                let key = account
                    .as_ref()
                    .map_or_else(|| id.clone(), |account| format!("{account}/{id}"));
                (key, value.clone())
            })
            .collect(),
    }
}

fn of_booking(objects: &Objects, play: &Play) -> BookingTruth {
    let Booking {
        account,
        amount,
        currency,
        story,
        ..
    } = &play.plan.booking;
    let load = |ids: &[String]| -> Vec<Value> {
        ids.iter()
            .filter_map(|id| objects.get(account.as_deref(), id).cloned())
            .collect()
    };
    let intents = load(&play.intents);
    let session = load(play.session.as_slice());
    let paid: i64 = intents
        .iter()
        .map(|intent| number(intent, "amount_received"))
        .sum();
    let refunded: i64 = load(&play.refunds)
        .iter()
        .filter(|refund| matches!(text(refund, "status"), "pending" | "succeeded"))
        .map(|refund| number(refund, "amount"))
        .sum();
    let charged_currency = intents.last().map_or_else(
        || currency.clone(),
        |intent| text(intent, "currency").to_owned(),
    );
    let disputed = load(&play.disputes).iter().any(|dispute| {
        !matches!(
            text(dispute, "status"),
            "won" | "warning_closed" | "prevented"
        )
    });
    let status = if disputed {
        "disputed"
    } else if refunded > 0 {
        if refunded == paid {
            "refunded"
        } else {
            "partially_refunded"
        }
    } else if paid > 0 {
        if paid == *amount && charged_currency == *currency {
            "confirmed"
        } else {
            "amount_mismatch"
        }
    } else {
        unpaid(&intents, session.first())
    };
    BookingTruth {
        status: status.to_owned(),
        expected_amount: *amount,
        expected_currency: currency.clone(),
        amount_paid: paid,
        amount_refunded: refunded,
        currency: charged_currency,
        story: *story,
        finished: play.finished(),
    }
}

/// The furthest of the attempts; a session is one only until it has a payment intent.
fn unpaid(intents: &[Value], session: Option<&Value>) -> &'static str {
    let mut attempts: Vec<&'static str> = intents.iter().map(attempt).collect();
    if attempts.is_empty() {
        attempts.extend(session.map(|session| match text(session, "status") {
            "expired" => "canceled",
            _ => "pending",
        }));
    }
    [
        "processing",
        "requires_action",
        "payment_failed",
        "pending",
        "canceled",
    ]
    .into_iter()
    .find(|status| attempts.contains(status))
    .unwrap_or("pending")
}

fn attempt(intent: &Value) -> &'static str {
    match text(intent, "status") {
        "processing" | "requires_capture" => "processing",
        "requires_action" => "requires_action",
        "canceled" => "canceled",
        _ if intent
            .get("last_payment_error")
            .is_some_and(|error| !error.is_null()) =>
        {
            "payment_failed"
        }
        _ => "pending",
    }
}
