//! Each story leaves the amounts that its money moves add up to.

use testbed::stripe::{Amounts, BookingTruth, FakeConfig, Order, Story, When};

use crate::support::{config, eventually, lot, one, start};

fn truth(story: Story, seed: u64) -> BookingTruth {
    let fake = start(FakeConfig { seed, ..config() });
    let booking = fake.create_bookings(&one(story)).remove(0);
    fake.truth().bookings[&booking.id].clone()
}

/// The amounts that a story leaves, as far as the price decides them; none: drawn by the story.
fn expected(story: Story, price: i64) -> Option<Amounts> {
    let paid = Amounts {
        amount_paid: price,
        amount_net: price,
        payments: 1,
        ..Amounts::default()
    };
    let given_back = |amount: i64| Amounts {
        amount_refunded: amount,
        amount_net: price - amount,
        ..paid
    };
    Some(match story {
        Story::UnpaidForGood
        | Story::FailedForGood
        | Story::LeftInAction
        | Story::Abandoned
        | Story::Expired
        | Story::Canceled
        | Story::AuthorizationVoided
        | Story::AuthorizationVoidedOldShape
        | Story::AuthorizationExpired
        | Story::AuthorizationExpiredOldShape
        | Story::InvoiceOpen
        | Story::InvoiceFailed
        | Story::InvoiceVoided
        | Story::SubscriptionExpired
        | Story::CurrencyMismatch => Amounts::default(),
        Story::AmountMismatch | Story::AuthorizationStanding => return None,
        Story::LeftProcessing => Amounts {
            amount_in_flight: price,
            ..Amounts::default()
        },
        Story::MulticaptureStanding => Amounts {
            amount_paid: price / 2,
            amount_authorized: price - price / 2,
            amount_net: price / 2,
            ..Amounts::default()
        },
        Story::PartialRefunds => {
            given_back(price / 10 + price * 25 / 100 + (price * 15 / 100).max(1))
        }
        Story::ReleasedThenRefunded => given_back(price / 4),
        Story::FullRefund | Story::RefundedInParts | Story::RefundPending => given_back(price),
        Story::DisputeOpen => Amounts {
            amount_disputed: price,
            amount_net: 0,
            ..paid
        },
        Story::DisputeLost | Story::InquiryEscalated => Amounts {
            amount_lost: price,
            amount_net: 0,
            ..paid
        },
        Story::PartialDisputeLost => Amounts {
            amount_lost: price / 3,
            amount_net: price - price / 3,
            ..paid
        },
        Story::PaidTwice => Amounts {
            amount_paid: 2 * price,
            amount_refunded: price,
            payments: 2,
            ..paid
        },
        Story::InvoiceFromBalance => Amounts {
            amount_from_balance: price,
            ..paid
        },
        Story::InvoiceOutOfBand | Story::InvoiceOutOfBandOldShape => Amounts {
            amount_settled_elsewhere: price,
            ..paid
        },
        _ => paid,
    })
}

#[test]
fn each_story_leaves_its_amounts() {
    for story in Story::all() {
        for seed in 1..4 {
            let truth = truth(story, seed);
            if let Some(expected) = expected(story, truth.expected_amount) {
                assert_eq!(truth.amounts, expected, "{story:?} {seed}");
            }
        }
    }
}

#[test]
fn an_authorization_that_stands_is_no_money() {
    let truth = truth(Story::AuthorizationStanding, 5);
    assert!(truth.amount_authorized > truth.expected_amount);
    let none = Amounts {
        amount_authorized: truth.amount_authorized,
        ..Amounts::default()
    };
    assert_eq!(truth.amounts, none);
}

#[test]
fn net_is_paid_less_everything_that_left() {
    let fake = start(config());
    fake.create_bookings(&lot(500, When::JustNow));
    for (id, truth) in fake.truth().bookings {
        for amounts in truth.other_currencies.values().chain([&truth.amounts]) {
            let left = amounts.amount_refunded
                + amounts.amount_disputed
                + amounts.amount_lost
                + amounts.amount_credited;
            assert_eq!(amounts.amount_net, amounts.amount_paid - left, "{id}");
        }
    }
}

#[tokio::test]
async fn an_open_inquiry_takes_no_money() {
    let fake = start(config());
    let order = Order {
        story: Some(Story::InquiryClosed),
        stretch: 1_000,
        ..lot(1, When::Live)
    };
    let booking = fake.create_bookings(&order).remove(0);
    let is_open = || {
        fake.advance(std::time::Duration::from_secs(100));
        let events = fake.events();
        let mut types = events.iter().map(|event| &event["type"]);
        types.any(|kind| kind == "charge.dispute.created")
    };
    eventually("the inquiry is opened", is_open).await;
    let truth = fake.truth().bookings[&booking.id].clone();
    assert!(!truth.finished);
    assert_eq!((&*truth.status, truth.amount_disputed), ("confirmed", 0));
}
