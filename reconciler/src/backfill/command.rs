//! `reconciler backfill`: all accounts, one after the other.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Args;
use shared::ids::AccountId;

use super::BackfillError;
use crate::budget::Purpose;
use crate::config::Config;
use crate::parts;
use crate::store::{Lock, Store, StoreError};
use crate::stripe::listing::PAGE_SIZE;

/// The processor did not catch up in time.
const TIMED_OUT: u8 = 124;
/// Seconds for which one part of a window may keep other sweeps from repairing.
const MOST_SECONDS: u32 = 10;

/// What to fill the system with.
#[derive(Args, Clone, Debug)]
pub struct BackfillArgs {
    /// RFC 3339: objects that were created before are left out; without it, none is.
    #[arg(long)]
    since: Option<DateTime<Utc>>,
    /// A connected account, and no other; may be given more than once. Without it: all, and our own.
    #[arg(long, value_parser = AccountId::parse)]
    account: Vec<AccountId>,
}

/// Fills every account. What is done is noted: run again, it goes on where it stood.
///
/// # Errors
/// Whatever can't be put together, or broke off.
pub async fn run(config: &Config, args: BackfillArgs) -> anyhow::Result<ExitCode> {
    parts::check_topic(config).await?;
    let gentle = gentle(config);
    let producer = parts::producer(&gentle).await?;
    let engine = parts::engine(&gentle, &producer).await?;
    let engine = engine.for_purpose(Purpose::Background);
    let store = &engine.reader.store;
    let Some(_guard) = store.lock_for(Lock::Backfill, Duration::ZERO).await? else {
        anyhow::bail!("another backfill is running");
    };
    let since = args.since.map(|since| since.timestamp());
    let mut done = BTreeSet::new();
    // Filling our own account may show accounts that were not known before.
    while let Some(account) = wanted(config, store, &args.account)
        .await?
        .into_iter()
        .find(|account| !done.contains(account))
    {
        let name = account
            .as_ref()
            .map_or_else(|| "our own account".to_owned(), ToString::to_string);
        let say = |told: String| eprintln!("{name}: {told}");
        match engine.fill(account.as_ref(), since, &say).await {
            Ok(filled) => print!("{name}\n{filled}"),
            Err(error @ BackfillError::Behind(_)) => {
                eprintln!("{name}: {error}; run it again and it goes on where it stood");
                return Ok(ExitCode::from(TIMED_OUT));
            }
            Err(error) => return Err(error.into()),
        }
        done.insert(account);
    }
    Ok(ExitCode::SUCCESS)
}

async fn wanted(
    config: &Config,
    store: &Store,
    named: &[AccountId],
) -> Result<Vec<Option<AccountId>>, StoreError> {
    match named {
        [] => parts::accounts(config, store).await,
        named => Ok(named.iter().cloned().map(Some).collect()),
    }
}

/// The configuration with the backfill's own rate, and windows small enough for it.
fn gentle(config: &Config) -> Config {
    let rate = config.samples.backfill_rate;
    let part = usize::try_from(rate.saturating_mul(MOST_SECONDS)).unwrap_or(usize::MAX);
    let mut gentle = config.clone();
    gentle.repair_rate = rate;
    gentle.limits.max_events = config.limits.max_events.min(part).max(PAGE_SIZE);
    gentle
}
