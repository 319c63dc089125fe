//! Each story ends in the state that the table of booking statuses says.

use std::collections::{BTreeMap, BTreeSet};

use testbed::stripe::{BookingTruth, Order, Story, When};

use crate::support::{config, eventually, lot, one, start};

fn told(story: Story, seed: u64) -> BookingTruth {
    let fake = start(testbed::stripe::FakeConfig { seed, ..config() });
    let booking = fake.create_bookings(&one(story)).remove(0);
    assert_eq!(fake.stats().illegal_steps, 0, "{story:?}");
    fake.truth().bookings[&booking.id].clone()
}

fn expected(story: Story) -> &'static str {
    match story {
        Story::Paid
        | Story::PaidDirectly
        | Story::PaidAfterAction
        | Story::PaidLater
        | Story::FailedThenPaid
        | Story::SecondIntentPaid
        | Story::PartialCapture
        | Story::RefundFailed
        | Story::DisputeWon
        | Story::DisputeLateWin
        | Story::InquiryClosed
        | Story::AuthorizationCaptured
        | Story::PartialCaptureOldShape
        | Story::Multicapture
        | Story::InvoicePaid
        | Story::InvoicePaidOldShape
        | Story::InvoiceFailedThenPaid
        | Story::InvoiceFromBalance
        | Story::InvoiceOutOfBand
        | Story::InvoiceOutOfBandOldShape
        | Story::Subscribed
        | Story::SubscribedOldShape
        | Story::PaidTwice
        | Story::SetupThenPaid => "confirmed",
        Story::UnpaidForGood | Story::FailedForGood | Story::InvoiceFailed => "payment_failed",
        Story::LeftInAction => "requires_action",
        Story::LeftProcessing => "processing",
        Story::Abandoned | Story::InvoiceOpen => "pending",
        Story::AuthorizationStanding | Story::MulticaptureStanding => "authorized",
        Story::Expired
        | Story::Canceled
        | Story::AuthorizationVoided
        | Story::AuthorizationVoidedOldShape
        | Story::AuthorizationExpired
        | Story::AuthorizationExpiredOldShape
        | Story::InvoiceVoided
        | Story::SubscriptionExpired => "canceled",
        Story::FullRefund | Story::RefundedInParts | Story::RefundPending => "refunded",
        Story::PartialRefunds | Story::ReleasedThenRefunded => "partially_refunded",
        Story::DisputeOpen
        | Story::DisputeLost
        | Story::InquiryEscalated
        | Story::PartialDisputeLost => "disputed",
        Story::AmountMismatch | Story::CurrencyMismatch => "amount_mismatch",
    }
}

#[test]
fn each_story_ends_in_its_status() {
    for story in Story::all() {
        for seed in 1..4 {
            let truth = told(story, seed);
            assert_eq!(truth.status, expected(story), "{story:?} {truth:?}");
            assert!(truth.finished);
        }
    }
}

#[test]
fn a_booking_captured_in_part_is_paid_what_was_captured() {
    let fake = start(config());
    let booking = fake.create_bookings(&one(Story::PartialCapture)).remove(0);
    let truth = fake.truth();
    let intent = &truth.objects[booking.payment_intent.as_ref().unwrap()];
    assert_eq!(truth.bookings[&booking.id].amount_paid, booking.amount);
    assert!(intent["amount"].as_i64().unwrap() > booking.amount);
    assert_eq!(intent["amount_received"], booking.amount);
}

#[test]
fn a_failed_refund_gives_the_charge_its_money_back() {
    let fake = start(config());
    let booking = fake.create_bookings(&one(Story::RefundFailed)).remove(0);
    let truth = fake.truth();
    let charge = truth
        .objects
        .values()
        .find(|o| o["object"] == "charge")
        .unwrap();
    let refund = truth
        .objects
        .values()
        .find(|o| o["object"] == "refund")
        .unwrap();
    assert_eq!(refund["status"], "failed");
    assert_eq!(
        (&charge["amount_refunded"], &charge["refunded"]),
        (&0.into(), &false.into())
    );
    assert_eq!(truth.bookings[&booking.id].amount_refunded, 0);
}

#[test]
fn a_mismatch_names_what_was_paid_and_what_was_expected() {
    let amount = told(Story::AmountMismatch, 5);
    assert!(amount.amount_paid < amount.expected_amount);
    let currency = told(Story::CurrencyMismatch, 5);
    assert_eq!(currency.amount_paid, 0, "{currency:?}");
    let (other, amounts) = currency.other_currencies.first_key_value().unwrap();
    assert_ne!(*other, currency.expected_currency);
    assert_eq!(amounts.amount_paid, currency.expected_amount);
}

#[test]
fn five_hundred_bookings_are_a_full_day() {
    let fake = start(config());
    let bookings = fake.create_bookings(&lot(500, When::JustNow));
    let stats = fake.stats();
    assert!(stats.events >= 3_000 && stats.types >= 12, "{stats:?}");
    assert_eq!((stats.illegal_steps, stats.stories_running), (0, 0));
    let stories: BTreeSet<Story> = bookings.iter().map(|booking| booking.story).collect();
    assert_eq!(stories, Story::mixed().collect(), "every story is told");
    assert!(bookings.iter().any(|booking| booking.currency == "jpy"));
    let ids: BTreeSet<&String> = bookings.iter().map(|booking| &booking.id).collect();
    assert_eq!(ids.len(), 500);
}

#[test]
fn events_of_one_booking_share_seconds_and_lie_in_the_past() {
    let fake = start(config());
    fake.create_bookings(&one(Story::Paid));
    let mut seconds: BTreeMap<i64, u32> = BTreeMap::new();
    for event in fake.events() {
        *seconds
            .entry(event["created"].as_i64().unwrap())
            .or_default() += 1;
    }
    assert!(seconds.values().any(|count| *count >= 3), "{seconds:?}");
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    assert!(*seconds.keys().max().unwrap() < now.as_secs() as i64);
}

#[tokio::test]
async fn a_live_story_happens_only_when_its_time_has_come() {
    let fake = start(config());
    let order = Order {
        story: Some(Story::Expired),
        stretch: 1_000,
        ..lot(1, When::Held)
    };
    let booking = fake.create_bookings(&order).remove(0);
    assert_eq!(fake.stats().events, 0, "held until played");
    fake.play();
    eventually("the customer is created", || fake.stats().events == 1).await;
    assert_eq!(fake.truth().bookings[&booking.id].status, "pending");
    fake.advance(std::time::Duration::from_secs(7_000));
    eventually("the session expires", || fake.is_finished(&booking.id)).await;
    assert_eq!(fake.truth().bookings[&booking.id].status, "canceled");
}

trait Finished {
    fn is_finished(&self, booking: &str) -> bool;
}

impl Finished for testbed::stripe::FakeHandle {
    fn is_finished(&self, booking: &str) -> bool {
        self.truth().bookings[booking].finished
    }
}
