//! The checks of `bookend doctor`: settings, Postgres, Kafka, Stripe.
//!
//! *Invariant:* no check ends another. What cannot be looked at because something else failed is
//! reported as skipped, with the reason; every look is bounded in time. Looking and judging are
//! apart: the judging functions are pure.
//!
//! It changes nothing, and never shows a secret.

mod clock;
mod completeness;
mod findings;
mod kafka;
mod postgres;
mod report;
mod settings;
mod stripe;

use std::time::Duration;

pub(crate) use report::{Check, Outcome};

use crate::args::Service;
use crate::failure::Failure;

/// Longest look at one thing.
const MOST: Duration = Duration::from_secs(5);

/// Makes every check that `service` needs (`None`: any service); Postgres, Kafka and Stripe at
/// the same time, each look bounded by `limit` and five seconds.
///
/// # Errors
/// [`Failure`] only where the program itself cannot go on; what is wrong outside is in the checks.
pub(crate) fn examine(service: Option<Service>, limit: Duration) -> Result<Vec<Check>, Failure> {
    let limit = limit.min(MOST);
    let (settings, mut checks) = settings::examine(service)?;
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| Failure::Runtime { source })
    };
    let (for_kafka, for_stripe) = (runtime()?, runtime()?);
    let needs = |by: &[Service]| service.is_none_or(|service| by.contains(&service));
    let rest = std::thread::scope(|scope| {
        let settings = &settings;
        let mut looks = Vec::new();
        if needs(&[Service::Processor, Service::Reconciler]) {
            looks.push(scope.spawn(move || postgres::examine(settings, limit)));
        }
        looks.push(
            scope.spawn(move || for_kafka.block_on(kafka::examine(settings, service, limit))),
        );
        if needs(&[Service::Reconciler]) {
            looks.push(scope.spawn(move || for_stripe.block_on(stripe::examine(settings, limit))));
        }
        let joined = looks.into_iter().map(|look| {
            look.join().unwrap_or_else(|_panic| {
                vec![Check::failed(
                    "doctor",
                    "a check ended before its time",
                    "this is a defect of bookend: report it",
                )]
            })
        });
        joined.flatten().collect::<Vec<_>>()
    });
    checks.extend(rest);
    Ok(checks)
}
