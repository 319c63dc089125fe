//! What was told, folded: events and observations in any order, what people put in, and what each
//! booking shows in the end.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shared::envelope::{decode, decode_observation};
use shared::folding::graph::Key;
use shared::folding::money::Policy;
use shared::folding::rebuild::{HumanInputs, LedgerReading, Rebuild, Rebuilt, Registered};
use shared::folding::{Registration, Shown, read_event, read_observation};
use shared::ids::BookingId;
use shared::money::Currency;

pub(crate) fn event(body: &Value) -> LedgerReading {
    let body = body.to_string().into_bytes();
    let decoded = decode(&body).unwrap();
    let account = decoded.envelope.account.as_ref();
    LedgerReading {
        account: account.map(ToString::to_string).unwrap_or_default(),
        source_id: decoded.envelope.id.to_string(),
        at: decoded.envelope.created,
        reading: read_event(&decoded),
    }
}

pub(crate) fn observation(account: &str, truth: &Value, at: i64) -> LedgerReading {
    let body = truth.to_string().into_bytes();
    let observed = decode_observation(&body).unwrap();
    let id = format!("obs_{}_{at}", observed.object.id);
    LedgerReading {
        account: account.to_owned(),
        source_id: id.clone(),
        at,
        reading: read_observation(&observed, &id, at),
    }
}

pub(crate) fn ours(id: &str) -> Key {
    Key {
        account: String::new(),
        id: id.to_owned(),
    }
}

pub(crate) fn registered(booking: &str, amount: i64, currency: &str) -> (String, Registered) {
    let registered = Registered {
        registration: Registration {
            booking_id: BookingId::parse(booking).unwrap(),
            amount,
            currency: Currency::parse(currency).unwrap(),
            covers_subscription: false,
        },
        account: String::new(),
    };
    (booking.to_owned(), registered)
}

/// Everything made anew from what was told.
pub(crate) fn rebuilt<'a>(
    told: impl IntoIterator<Item = &'a LedgerReading>,
    human: &HumanInputs,
    policy: Policy,
) -> Rebuilt {
    let mut rebuild = Rebuild::default();
    for said in told {
        rebuild.tell(said);
    }
    rebuild.finish(human, &BTreeSet::new(), policy)
}

pub(crate) fn shown<'r>(rebuilt: &'r Rebuilt, booking: &str) -> &'r Shown {
    rebuilt.bookings[booking].as_ref().unwrap()
}

/// Kinds of the findings that hold, with the booking or object that they name.
pub(crate) fn kinds(rebuilt: &Rebuilt) -> BTreeSet<&'static str> {
    rebuilt.findings.iter().map(|it| it.kind).collect()
}

/// For each payment: what its shares sum to, and what of it belongs to no booking.
pub(crate) fn captured(rebuilt: &Rebuilt) -> BTreeMap<String, (i64, i64)> {
    let of = |parts: &Vec<shared::folding::money::Share>| {
        let all = parts.iter().map(|it| it.amounts.captured).sum();
        let nobodys = parts.iter().filter(|it| it.booking_id.is_empty());
        (all, nobodys.map(|it| it.amounts.captured).sum())
    };
    let shares = rebuilt.shares.iter();
    shares
        .map(|(key, parts)| (key.id.clone(), of(parts)))
        .collect()
}
