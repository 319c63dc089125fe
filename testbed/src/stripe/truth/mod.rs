//! The right state of every booking, computed from the fake's own objects.
//!
//! Invariant: a story records which intents, refunds and invoices are the booking's when it makes
//! them, so nothing here derives ownership, releases or settlements from shapes, as the services
//! have to. It is the standard by which they are judged.

mod amounts;
mod status;

use std::collections::BTreeMap;
use std::ops::Deref;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::story::play::Play;
use super::story::{Booking, Story};
use super::world::World;
use super::world::objects::Objects;
pub use amounts::Amounts;

/// The state of a booking once everything has arrived. Its amounts read as fields of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingTruth {
    pub status: String,
    /// Of the booking as registered.
    pub expected_amount: i64,
    pub expected_currency: String,
    /// In the registered currency.
    #[serde(flatten)]
    pub amounts: Amounts,
    /// By currency, apart: nothing is added across currencies.
    pub other_currencies: BTreeMap<String, Amounts>,
    pub story: Story,
    /// Nothing more will happen to it.
    pub finished: bool,
}

impl Deref for BookingTruth {
    type Target = Amounts;

    fn deref(&self) -> &Amounts {
        &self.amounts
    }
}

/// Everything that is true at this moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// By booking id.
    pub bookings: BTreeMap<String, BookingTruth>,
    /// Every object's present JSON: our own account's by id, a connected one's by `acct_…/id`.
    pub objects: BTreeMap<String, Value>,
}

/// The objects of one booking, as they now stand.
struct Belongings {
    intents: Vec<Value>,
    refunds: Vec<Value>,
    disputes: Vec<Value>,
    invoices: Vec<Invoice>,
    subscription: Option<Value>,
    session: Option<Value>,
}

/// An invoice with what the story did with it.
struct Invoice {
    value: Value,
    out_of_band: bool,
    from_balance: bool,
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

fn belongings(objects: &Objects, play: &Play) -> Belongings {
    let account = play.plan.booking.account.as_deref();
    let one = |id: &String| objects.get(account, id).cloned();
    let all = |ids: &[String]| -> Vec<Value> { ids.iter().filter_map(one).collect() };
    let bills = play.bills.iter().filter(|billed| !billed.is_renewal);
    Belongings {
        intents: all(&play.intents),
        refunds: all(&play.refunds),
        disputes: all(&play.disputes),
        invoices: bills
            .filter_map(|billed| {
                Some(Invoice {
                    value: one(&billed.invoice)?,
                    out_of_band: billed.out_of_band,
                    from_balance: billed.from_balance,
                })
            })
            .collect(),
        subscription: play.subscription.as_ref().and_then(one),
        session: play.session.as_ref().and_then(one),
    }
}

fn of_booking(objects: &Objects, play: &Play) -> BookingTruth {
    let Booking {
        amount,
        currency,
        story,
        ..
    } = &play.plan.booking;
    let belongings = belongings(objects, play);
    let all = amounts::sum(&belongings);
    let charged = &play.plan.charged_currency;
    let is_foreign = charged != currency;
    let status = status::of(&belongings, &all.amounts, all.finished, *amount, is_foreign);
    let (amounts, other_currencies) = if !is_foreign {
        (all.amounts, BTreeMap::new())
    } else if all.amounts == Amounts::default() {
        (Amounts::default(), BTreeMap::new())
    } else {
        let other = BTreeMap::from([(charged.clone(), all.amounts)]);
        (Amounts::default(), other)
    };
    BookingTruth {
        status: status.to_owned(),
        expected_amount: *amount,
        expected_currency: currency.clone(),
        amounts,
        other_currencies,
        story: *story,
        finished: play.finished(),
    }
}
