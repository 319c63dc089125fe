//! What `endpoint ensure` needs before anything is tried.

use std::time::Duration;

use super::key;
use crate::args::EndpointEnsure;
use crate::endpoint::{Client, Wanted};
use crate::failure::Failure;

/// What is wanted, and the way to Stripe.
///
/// # Errors
/// 78, naming every problem.
pub(super) fn prepare(args: &EndpointEnsure, limit: Duration) -> Result<(Wanted, Client), Failure> {
    let mut problems = Vec::new();
    if !key::permitted(&args.stripe, args.url.is_https()) {
        problems.push("--url is no https address".to_owned());
    }
    let client = key::client_unless(&args.stripe, limit, problems)?;
    let wanted = Wanted {
        url: args.url.clone(),
        events: args.events.clone(),
        api_version: args.api_version.clone(),
        endpoint: args.endpoint.clone(),
        livemode: args.stripe.livemode()?,
    };
    Ok((wanted, client))
}
