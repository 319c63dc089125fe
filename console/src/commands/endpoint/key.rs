//! What a command needs before it asks Stripe by the operator's key: the key itself, of the mode that
//! counts, and an address that it may be sent to.
//!
//! *Invariant:* the key is read from the environment or a file, and is shown in no message.

use std::time::Duration;

use shared::config::{Secret, judge_api_key};

use crate::args::StripeAccess;
use crate::endpoint::Client;
use crate::failure::Failure;
use crate::settings;

const KEY: &str = "STRIPE_OPERATOR_KEY";

/// The way to Stripe. `limit` bounds each call; `more`: what else is wrong.
///
/// # Errors
/// 78, naming every problem.
pub(super) fn client_unless(
    access: &StripeAccess,
    limit: Duration,
    more: Vec<String>,
) -> Result<Client, Failure> {
    let key = settings::secret(KEY)?;
    let base = first(&access.stripe_api_base);
    let mut problems = problems(access, key.as_deref(), base);
    problems.extend(more);
    let (Some(key), true) = (key, problems.is_empty()) else {
        return Err(Failure::Configuration {
            what: problems.join("; "),
        });
    };
    Client::new(base.to_owned(), Secret::from(key), limit).map_err(|source| Failure::Stripe {
        doing: "before Stripe was asked",
        source,
    })
}

/// [`client_unless`] nothing else can be wrong.
///
/// # Errors
/// 78, naming every problem.
pub(crate) fn client(access: &StripeAccess, limit: Duration) -> Result<Client, Failure> {
    client_unless(access, limit, Vec::new())
}

/// Whether an address without TLS is permitted, or this one has it.
pub(super) fn permitted(access: &StripeAccess, https: bool) -> bool {
    https || access.deployment.is_development()
}

fn problems(access: &StripeAccess, key: Option<&str>, base: &str) -> Vec<String> {
    let mut problems = Vec::new();
    match (key, access.stripe_livemode) {
        (None, _) => problems.push(format!("{KEY} (or {KEY}_FILE) is not set")),
        (Some(key), Some(livemode)) => {
            let judged = judge_api_key(key, livemode, access.deployment);
            problems.extend(
                judged
                    .iter()
                    .map(|told| told.replace("STRIPE_API_KEY", KEY)),
            );
        }
        (Some(_), None) => {}
    }
    if access.stripe_livemode.is_none() {
        problems.push("STRIPE_LIVEMODE is not set".to_owned());
    }
    if !permitted(access, base.starts_with("https://")) {
        problems.push("STRIPE_API_BASE is no https address".to_owned());
    }
    problems
}

fn first(bases: &str) -> &str {
    bases
        .split(',')
        .next()
        .unwrap_or_default()
        .trim()
        .trim_end_matches('/')
}
