//! What `endpoint ensure` needs before anything is tried: the operator's key, of the mode that
//! counts, and an address that it may be sent to.
//!
//! *Invariant:* the key is read from the environment or a file, and is shown in no message.

use std::time::Duration;

use shared::config::{Secret, judge_api_key};

use crate::args::EndpointEnsure;
use crate::endpoint::{Client, Wanted};
use crate::failure::Failure;
use crate::settings;

const KEY: &str = "STRIPE_OPERATOR_KEY";

/// What is wanted, and the way to Stripe.
///
/// # Errors
/// 78, naming every problem.
pub(super) fn prepare(args: &EndpointEnsure, limit: Duration) -> Result<(Wanted, Client), Failure> {
    let key = settings::secret(KEY)?;
    let base = first(&args.stripe_api_base);
    let problems = problems(args, key.as_deref(), base);
    let (Some(livemode), Some(key), true) = (args.stripe_livemode, key, problems.is_empty()) else {
        return Err(Failure::Configuration {
            what: problems.join("; "),
        });
    };
    let client = Client::new(base.to_owned(), Secret::from(key), limit).map_err(|source| {
        Failure::Stripe {
            doing: "before Stripe was asked",
            source,
        }
    })?;
    let wanted = Wanted {
        url: args.url.clone(),
        events: args.events.clone(),
        api_version: args.api_version.clone(),
        endpoint: args.endpoint.clone(),
        livemode,
    };
    Ok((wanted, client))
}

fn problems(args: &EndpointEnsure, key: Option<&str>, base: &str) -> Vec<String> {
    let mut problems = Vec::new();
    match (key, args.stripe_livemode) {
        (None, _) => problems.push(format!("{KEY} (or {KEY}_FILE) is not set")),
        (Some(key), Some(livemode)) => {
            let judged = judge_api_key(key, livemode, args.deployment);
            problems.extend(
                judged
                    .iter()
                    .map(|told| told.replace("STRIPE_API_KEY", KEY)),
            );
        }
        (Some(_), None) => {}
    }
    if args.stripe_livemode.is_none() {
        problems.push("STRIPE_LIVEMODE is not set".to_owned());
    }
    let permitted = |https: bool| https || args.deployment.is_development();
    if !permitted(base.starts_with("https://")) {
        problems.push("STRIPE_API_BASE is no https address".to_owned());
    }
    if !permitted(args.url.is_https()) {
        problems.push("--url is no https address".to_owned());
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
