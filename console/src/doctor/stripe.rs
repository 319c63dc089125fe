//! Stripe: does it answer, does it take the key, is the key of the mode that counts?
//!
//! One call a base address: `GET /v1/events?limit=1`, which the reconciler's key may do.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use shared::clock::{Clock as _, SystemClock};
use shared::config::{ExposeSecret as _, Secret};

use super::settings::Settings;
use super::{Check, clock};
use crate::failure::chain;

/// What one call told.
struct Answer {
    status: u16,
    date: Option<DateTime<Utc>>,
    /// The mode of the newest event; `None`: there is none, or the body is no list.
    livemode: Option<bool>,
}

#[derive(Deserialize)]
struct List {
    data: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    livemode: bool,
}

pub(super) async fn examine(settings: &Settings, limit: Duration) -> Vec<Check> {
    let mut checks = Vec::new();
    for base in &settings.api_bases {
        let (name, clock) = (format!("Stripe at {base}"), format!("clock of {base}"));
        let Some(key) = &settings.api_key else {
            checks.push(Check::skipped(name, "STRIPE_API_KEY is missing"));
            checks.push(Check::skipped(clock, "STRIPE_API_KEY is missing"));
            continue;
        };
        let before = SystemClock.now();
        match ask(base, key, limit).await {
            Err(error) => {
                let fix = "may this host reach it by HTTPS (egress policy, proxy, DNS)?";
                checks.push(Check::failed(name, chain(&error), fix));
                checks.push(Check::skipped(clock, "Stripe does not answer"));
            }
            Ok(answer) => {
                checks.push(judge(&name, &answer, settings.livemode));
                checks.push(match answer.date {
                    // The header tells whole seconds: the moment may lie anywhere in one.
                    Some(date) => clock::judge(&clock, date, truncated(before), SystemClock.now()),
                    None => Check::skipped(clock, "the answer carries no Date"),
                });
            }
        }
    }
    checks
}

async fn ask(base: &str, key: &Secret, limit: Duration) -> Result<Answer, reqwest::Error> {
    let client = reqwest::Client::builder()
        .timeout(limit)
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let response = client
        .get(format!("{base}/v1/events?limit=1"))
        .bearer_auth(key.expose_secret())
        .send()
        .await
        .map_err(reqwest::Error::without_url)?;
    let date = response
        .headers()
        .get(reqwest::header::DATE)
        .and_then(|date| DateTime::parse_from_rfc2822(date.to_str().ok()?).ok())
        .map(|date| date.with_timezone(&Utc));
    let status = response.status().as_u16();
    // An error's body is not ours to understand; one event's is small.
    let body = response
        .bytes()
        .await
        .map_err(reqwest::Error::without_url)?;
    let list: Option<List> = serde_json::from_slice(&body).ok();
    Ok(Answer {
        status,
        date,
        livemode: list.and_then(|list| list.data.first().map(|event| event.livemode)),
    })
}

/// Pure. Statuses: <https://docs.stripe.com/api/errors>.
fn judge(name: &str, answer: &Answer, wanted: Option<bool>) -> Check {
    let found = format!("answers {}", answer.status);
    match answer.status {
        200 => match (answer.livemode, wanted) {
            (Some(seen), Some(wanted)) if seen != wanted => Check::failed(
                name,
                format!("its events have livemode={seen}, STRIPE_LIVEMODE is {wanted}"),
                "use the key of the mode whose events count",
            ),
            (Some(_), _) => Check::ok(name, "takes the key and lists events"),
            (None, _) => Check::ok(name, "takes the key; there is no event yet"),
        },
        401 => Check::failed(
            name,
            found,
            "the key is not valid: was it rolled or deleted?",
        ),
        403 => Check::failed(name, found, "give the restricted key read access to events"),
        429 | 500..=599 => Check::warning(
            name,
            found,
            "wait and look again; status.stripe.com says more",
        ),
        _ => Check::failed(name, found, "is STRIPE_API_BASE right?"),
    }
}

fn truncated(time: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp(time.timestamp(), 0).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    fn outcome(status: u16, seen: Option<bool>, wanted: Option<bool>) -> Outcome {
        let answer = Answer {
            status,
            date: None,
            livemode: seen,
        };
        judge("Stripe", &answer, wanted).outcome
    }

    #[test]
    fn an_answer_is_judged_by_its_status_and_its_mode() {
        assert_eq!(outcome(200, Some(true), Some(true)), Outcome::Ok);
        assert_eq!(outcome(200, None, Some(true)), Outcome::Ok);
        assert_eq!(outcome(200, Some(false), Some(true)), Outcome::Failed);
        assert_eq!(outcome(401, None, None), Outcome::Failed);
        assert_eq!(outcome(403, None, None), Outcome::Failed);
        assert_eq!(outcome(503, None, None), Outcome::Warning);
        assert_eq!(outcome(302, None, None), Outcome::Failed);
    }
}
