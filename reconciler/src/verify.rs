//! `reconciler verify`: whether the ledger holds what Stripe lists, and nothing else. Read only.
//!
//! Invariant: *complete* is said only of windows that were compared whole, after the barrier.
//!
//! Deliberately absent: repairs, certificates, any write at all.

use std::fmt;

use chrono::SecondsFormat;
use serde::Serialize;
use shared::diffs::Finding;
use shared::ids::AccountId;
use shared::windows::Window;

use crate::barrier::Lag;
use crate::store::bookings;
use crate::sweep::inspect::Keep;
use crate::sweep::{Reader, SweepError};

/// What can be said of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Complete,
    Drift,
    /// The processor had not caught up, or a part left Stripe's list while it was read.
    Unknown,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Drift => "drift",
            Self::Unknown => "unknown",
        }
    }
}

/// The verdict over all windows and accounts.
#[derive(Debug, Default)]
pub struct Verified {
    pub stripe_count: usize,
    pub ledger_count: usize,
    pub findings: Vec<Finding>,
    /// Bookings whose row is not what their last transition left.
    pub bookings: Vec<String>,
    /// Seconds that left Stripe's list while it was read: of these nothing can be said.
    pub aged_out: Option<Window>,
    /// Set when the processor had not caught up: nothing can be said.
    pub lag: Option<Lag>,
}

impl Verified {
    /// Somebody has to act.
    pub fn has_drift(&self) -> bool {
        !self.findings.is_empty() || !self.bookings.is_empty()
    }
}

/// One difference as printed.
#[derive(Debug, Serialize)]
struct Difference<'a> {
    /// missing | unlisted | dead | parked_too_long | booking_differs
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    booking_id: Option<&'a str>,
}

/// What `verify` prints: one JSON object, every difference in it.
#[derive(Debug, Serialize)]
struct Printed<'a> {
    v: u8,
    /// complete | drift | unknown (the processor had not caught up)
    verdict: &'static str,
    window_from: String,
    window_to: String,
    stripe_count: usize,
    ledger_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    lag_records: Option<i64>,
    findings: Vec<Difference<'a>>,
}

impl Verified {
    pub fn verdict(&self) -> Verdict {
        match (self.lag, self.has_drift(), self.aged_out) {
            (Some(_), _, _) | (None, false, Some(_)) => Verdict::Unknown,
            (None, true, _) => Verdict::Drift,
            (None, false, None) => Verdict::Complete,
        }
    }

    /// One JSON object, on one line.
    ///
    /// # Errors
    /// None that is known: every field can be written.
    pub fn json(&self, window: Window) -> serde_json::Result<String> {
        let time = |seconds| crate::store::at(seconds).to_rfc3339_opts(SecondsFormat::Secs, true);
        let events = self.findings.iter().map(|finding| Difference {
            kind: label(finding),
            event_id: Some(finding.event_id().as_str()),
            booking_id: None,
        });
        let bookings = self.bookings.iter().map(|booking| Difference {
            kind: "booking_differs",
            event_id: None,
            booking_id: Some(booking),
        });
        serde_json::to_string(&Printed {
            v: 1,
            verdict: self.verdict().as_str(),
            window_from: time(window.from()),
            window_to: time(window.to()),
            stripe_count: self.stripe_count,
            ledger_count: self.ledger_count,
            lag_records: self.lag.map(|lag| lag.records),
            findings: events.chain(bookings).collect(),
        })
    }
}

impl fmt::Display for Verified {
    /// For a person who looks on: the verdict, without the findings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stripe, ledger) = (self.stripe_count, self.ledger_count);
        write!(
            f,
            "{}: {stripe} events at Stripe, {ledger} in the ledger",
            self.verdict().as_str()
        )?;
        if let Some(lag) = self.lag {
            return write!(
                f,
                "; the processor is {} records behind on {} partitions",
                lag.records, lag.partitions
            );
        }
        match self.findings.len() + self.bookings.len() {
            0 => Ok(()),
            total => write!(f, ", {total} differences"),
        }
    }
}

fn label(finding: &Finding) -> &'static str {
    match finding {
        Finding::Missing(_) => "missing",
        Finding::Unlisted(_) => "unlisted",
        Finding::Dead(_) => "dead",
        Finding::ParkedTooLong(_) => "parked_too_long",
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
                let rest = self
                    .verify_one(account.as_ref(), piece, &mut verified)
                    .await?;
                todo.extend(rest);
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

    /// Returns what of the window is still to be compared.
    async fn verify_one(
        &self,
        account: Option<&AccountId>,
        window: Window,
        verified: &mut Verified,
    ) -> Result<Option<Window>, SweepError> {
        // A backlog costs no call.
        verified.lag = self.barrier.wait(&self.store).await?;
        if verified.lag.is_some() {
            return Ok(None);
        }
        let listed = self.list(account, window, Keep::Nothing).await?;
        verified.lag = self.barrier.wait(&self.store).await?;
        if verified.lag.is_some() {
            return Ok(None);
        }
        verified.aged_out = verified.aged_out.or(listed.aged_out);
        let now = self.client.now().await?;
        let comparison = self.compare(account, &listed, now).await?;
        verified.stripe_count += comparison.stripe.count;
        verified.ledger_count += comparison.ledger.count;
        verified.findings.extend(comparison.findings);
        Ok(listed.rest)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn complete_is_said_only_of_what_was_compared_whole() {
        let verdict = |drift: bool, aged_out: bool, behind: bool| {
            let verified = Verified {
                bookings: vec!["B-1".to_owned(); usize::from(drift)],
                aged_out: aged_out.then(|| Window::new(0, 1).unwrap()),
                lag: behind.then_some(Lag {
                    records: 1,
                    partitions: 1,
                }),
                ..Verified::default()
            };
            verified.verdict()
        };
        assert_eq!(verdict(false, false, false), Verdict::Complete);
        assert_eq!(verdict(false, true, false), Verdict::Unknown);
        assert_eq!(verdict(true, true, false), Verdict::Drift);
        assert_eq!(verdict(true, false, true), Verdict::Unknown);
    }
}
