//! One file a noun: what each command asks and how its answer looks.

pub(crate) mod action;
pub(crate) mod booking;
pub(crate) mod consumer;
pub(crate) mod dead;
pub(crate) mod doctor;
pub(crate) mod endpoint;
pub(crate) mod erase;
pub(crate) mod event;
pub(crate) mod finding;
pub(crate) mod lag;
mod money_tables;
pub(crate) mod object;
pub(crate) mod parked;
pub(crate) mod refold;
pub(crate) mod replay;
pub(crate) mod retention;
pub(crate) mod secrets;
pub(crate) mod sweep;

use chrono::{DateTime, SecondsFormat, Utc};

/// RFC 3339 to the second, as Stripe's own times are.
fn second(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// RFC 3339 to the millisecond, for our own times.
fn millisecond(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A count that ends at `most`: `17`, or `1000+`.
fn up_to(count: i64, most: i64) -> String {
    if count < most {
        count.to_string()
    } else {
        format!("{most}+")
    }
}

/// `5000 eur`: integer minor units and the currency, neither guessed nor divided.
fn money(amount: Option<i64>, currency: Option<&str>) -> Option<String> {
    amount.map(|amount| match currency {
        Some(currency) => format!("{amount} {currency}"),
        None => amount.to_string(),
    })
}
