//! Writes a booking's story: from the seed and its number to a plan, the same each time.

use rand::RngExt;

use super::super::random::{Random, chance, id, stream, weighted};
use super::scenes::Script;
use super::{Action, Booking, Mode, Plan, Step, Story};

/// Currency, lowest and highest amount in its minor units. The yen has no smaller unit.
const CURRENCIES: &[(u32, (&str, i64, i64))] = &[
    (50, ("usd", 1_000, 90_000)),
    (25, ("eur", 1_000, 90_000)),
    (10, ("gbp", 1_000, 90_000)),
    (15, ("jpy", 1_500, 120_000)),
];

/// The plan of booking `number`; a drawn story if none is asked for.
pub(crate) fn plan(
    seed: u64,
    number: u64,
    story: Option<Story>,
    account: Option<&str>,
    stretch: u32,
) -> Plan {
    let mut random = stream(seed, &format!("booking/{number}"));
    let drawn = weighted(&mut random, Story::MIX).unwrap_or(Story::Paid);
    let story = story.unwrap_or(drawn);
    let (currency, low, high) = weighted(&mut random, CURRENCIES).unwrap_or(("usd", 1_000, 90_000));
    let amount = random.random_range(low..=high);
    let (charged, charged_currency) = charged(story, amount, currency, &mut random);
    let mut script = Script {
        steps: Vec::new(),
        at_ms: 0,
        amount,
        stretch: i64::from(stretch.max(1)),
        random: &mut random,
    };
    script.write(story);
    let steps = script.steps;
    let begun = steps
        .iter()
        .filter(|step| matches!(step.action, Action::CreateIntent { .. }))
        .count();
    let intents: Vec<String> = (0..begun).map(|_| id(&mut random, "pi_3", 23)).collect();
    let booking = Booking {
        id: id(&mut random, &format!("bk_{number:06}_"), 8),
        story,
        amount,
        currency: currency.to_owned(),
        payment_intent: intents.last().cloned(),
        account: account.map(str::to_owned),
    };
    Plan {
        booking,
        number,
        charged,
        charged_currency: charged_currency.to_owned(),
        intents,
        version: story.version(),
        tagged_intent: !has_session(&steps) || chance(&mut random, 0.85),
        steps,
        random,
    }
}

/// Whether a checkout session ties the payment intent to the booking.
fn has_session(steps: &[Step]) -> bool {
    let session = Action::OpenSession {
        mode: Mode::Payment,
    };
    steps.iter().any(|step| step.action == session)
}

fn charged<'a>(
    story: Story,
    amount: i64,
    currency: &'a str,
    random: &mut Random,
) -> (i64, &'a str) {
    match story {
        Story::AmountMismatch => (
            amount.saturating_sub(random.random_range(1..=500)),
            currency,
        ),
        Story::CurrencyMismatch => (amount, if currency == "usd" { "eur" } else { "usd" }),
        Story::PartialCapture | Story::PartialCaptureOldShape | Story::AuthorizationStanding => (
            amount.saturating_add(random.random_range(1..=5_000)),
            currency,
        ),
        Story::ReleasedThenRefunded => (amount.saturating_add(amount / 4), currency),
        _ => (amount, currency),
    }
}
