//! `reconciler verify`: whether the ledger holds what Stripe lists, and nothing else. Read only.
//!
//! Invariant: *complete* is said only of windows that were compared whole, after the barrier.
//!
//! Deliberately absent: repairs, certificates, any write at all.

use std::fmt;

use shared::diffs::Finding;
use shared::ids::AccountId;
use shared::windows::Window;

use crate::barrier::Lag;
use crate::store::bookings;
use crate::stripe::StripeError;
use crate::stripe::walk::WalkError;
use crate::sweep::inspect::Keep;
use crate::sweep::{Reader, SweepError};

/// Differences named one by one; the rest is counted.
const NAMED: usize = 100;

/// The verdict over all windows and accounts.
#[derive(Debug, Default)]
pub struct Verified {
    pub stripe_count: usize,
    pub ledger_count: usize,
    pub findings: Vec<Finding>,
    /// Bookings whose row is not what their last transition left.
    pub bookings: Vec<String>,
    /// Set when the processor had not caught up: nothing can be said.
    pub lag: Option<Lag>,
}

impl Verified {
    /// Somebody has to act.
    pub fn has_drift(&self) -> bool {
        !self.findings.is_empty() || !self.bookings.is_empty()
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "events at Stripe:     {}", self.stripe_count)?;
        writeln!(f, "events in the ledger: {}", self.ledger_count)?;
        if let Some(lag) = self.lag {
            return writeln!(
                f,
                "unknown: the processor is {} records behind on {} partitions",
                lag.records, lag.partitions
            );
        }
        for finding in self.findings.iter().take(NAMED) {
            writeln!(f, "{}  {}", label(finding), finding.event_id())?;
        }
        for booking in self.bookings.iter().take(NAMED) {
            writeln!(f, "booking differs         {booking}")?;
        }
        let total = self.findings.len() + self.bookings.len();
        if self.has_drift() {
            writeln!(f, "drift: {total} differences")
        } else {
            writeln!(f, "complete")
        }
    }
}

fn label(finding: &Finding) -> &'static str {
    match finding {
        Finding::Missing(_) => "missing in the ledger ",
        Finding::Unlisted(_) => "not listed by Stripe  ",
        Finding::Dead(_) => "dead letter           ",
        Finding::ParkedTooLong(_) => "parked for too long   ",
    }
}

impl Reader {
    /// Compares `window` for each of `accounts` (`None`: our own).
    ///
    /// # Errors
    /// [`SweepError`]: nothing can be said.
    pub async fn verify(
        &self,
        accounts: &[Option<AccountId>],
        window: Window,
    ) -> Result<Verified, SweepError> {
        let mut verified = Verified::default();
        for account in accounts {
            let mut todo: Vec<Window> = window.pieces(self.limits.span_s).collect();
            todo.reverse();
            while let Some(piece) = todo.pop() {
                match self
                    .verify_one(account.as_ref(), piece, &mut verified)
                    .await
                {
                    Ok(()) => {}
                    Err(SweepError::Stripe(StripeError::Walk(
                        error @ WalkError::TooMany { .. },
                    ))) => {
                        let earlier = piece.earlier_half().ok_or(StripeError::Walk(error))?;
                        todo.extend(Window::new(earlier.to(), piece.to()));
                        todo.push(earlier);
                    }
                    Err(error) => return Err(error),
                }
                if verified.lag.is_some() {
                    return Ok(verified);
                }
            }
        }
        verified.bookings = self
            .store
            .run("bookings_that_differ", move |connection| {
                bookings::differing_from_history(connection, window)
            })
            .await?;
        Ok(verified)
    }

    async fn verify_one(
        &self,
        account: Option<&AccountId>,
        window: Window,
        verified: &mut Verified,
    ) -> Result<(), SweepError> {
        let listed = self.list(account, window, Keep::Nothing).await?;
        verified.lag = self.barrier.wait(&self.store).await?;
        if verified.lag.is_some() {
            return Ok(());
        }
        let now = self.client.now().await?;
        let comparison = self.compare(account, &listed, now).await?;
        verified.stripe_count += comparison.stripe.count;
        verified.ledger_count += comparison.ledger.count;
        verified.findings.extend(comparison.findings);
        Ok(())
    }
}
