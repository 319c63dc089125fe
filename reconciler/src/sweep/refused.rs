//! Accounts that Stripe does not let us read: they end being asked, and stop no other.
//!
//! Invariant: after a refusal an account is asked once a day, until Stripe answers; then everything
//! goes on where it stood.
//!
//! Deliberately absent: our own account. A key that may not read it is a fault of ours, and each
//! call says so.

use std::collections::{BTreeMap, BTreeSet};

use shared::ids::AccountId;
use shared::kafka::producer::EventLog;

use super::inspect::Listed;
use super::window::{Order, Report};
use super::{Engine, SweepError};
use crate::store::refusals::{self, Refusal};
use crate::store::sweeps::{self, Counts, Kind, Outcome};
use crate::stripe::StripeError;

impl SweepError {
    /// Stripe's word, where it refused the account itself.
    pub(super) fn refusal(&self) -> Option<&StripeError> {
        match self {
            Self::Stripe(error) => Some(error).filter(|error| error.is_account_refused()),
            Self::Store(_) | Self::Barrier(_) | Self::Busy => None,
        }
    }
}

impl<L: EventLog> Engine<L> {
    /// The refusals of these accounts, for those that Stripe refused.
    pub(super) async fn refusals(
        &self,
        accounts: BTreeSet<String>,
    ) -> Result<BTreeMap<String, Refusal>, SweepError> {
        let connected: Vec<String> = accounts.into_iter().filter(|it| !it.is_empty()).collect();
        if connected.is_empty() {
            return Ok(BTreeMap::new());
        }
        let found = self
            .reader
            .store
            .run("refusals", move |connection| {
                let accounts: Vec<&str> = connected.iter().map(String::as_str).collect();
                refusals::of(connection, &accounts)
            })
            .await?;
        let by_account = |refusal: Refusal| (refusal.account.clone(), refusal);
        Ok(found.into_iter().map(by_account).collect())
    }

    /// The refusal of one account, if Stripe refused it.
    pub(super) async fn refusal(
        &self,
        account: Option<&AccountId>,
    ) -> Result<Option<Refusal>, SweepError> {
        let one = account.map(ToString::to_string).into_iter().collect();
        Ok(self.refusals(one).await?.into_values().next())
    }

    /// Whether a refusal of this account stands.
    pub(super) async fn is_refused(&self, account: Option<&AccountId>) -> Result<bool, SweepError> {
        let refusal = self.refusal(account).await?;
        Ok(refusal.is_some_and(|refusal| refusal.stands))
    }

    /// Notes that Stripe refused an account.
    pub(super) async fn note_refusal(
        &self,
        account: &AccountId,
        error: &StripeError,
    ) -> Result<(), SweepError> {
        let (owner, told) = (account.clone(), shared::error::chain(error));
        tracing::error!(stripe.account = %account, error = told, "Stripe refuses the account; nothing is asked about it for a day");
        self.reader
            .store
            .run("note_refusal", move |connection| {
                refusals::note(connection, &owner, &told)
            })
            .await?;
        Ok(())
    }

    /// Notes that Stripe answered for an account, which it may have refused before.
    pub(super) async fn lift_refusal(&self, account: String) -> Result<(), SweepError> {
        let lift = move |connection: &mut _| refusals::lift(connection, &account);
        Ok(self.reader.store.run("lift_refusal", lift).await?)
    }

    /// Sweeps one window, unless Stripe refuses its account; learns whether it does.
    pub(super) async fn swept_unless_refused(
        &self,
        sweep: i64,
        order: &Order,
        left: usize,
    ) -> Result<(Report, Option<Listed>), SweepError> {
        let refusal = match order.kind {
            Kind::Tail | Kind::Deep | Kind::Hole => self.refusal(order.account.as_ref()).await?,
            // A person's order is always carried out; the others are no sweeps of a window.
            Kind::Window
            | Kind::Plan
            | Kind::Backfill
            | Kind::Pending
            | Kind::Sample
            | Kind::Ledger => None,
        };
        if let Some(refusal) = refusal.filter(|refusal| refusal.stands) {
            return Ok((self.skip_refused(sweep, order, refusal).await?, None));
        }
        let outcome = self.swept(sweep, order, left).await;
        if let Some(account) = &order.account {
            match &outcome {
                Ok((_, Some(_listed))) => self.lift_refusal(account.to_string()).await?,
                // It may not have come to a call.
                Ok((_, None)) => {}
                Err(error) => {
                    if let Some(error) = error.refusal() {
                        self.note_refusal(account, error).await?;
                    }
                }
            }
        }
        outcome
    }

    /// Ends a sweep whose account is not asked.
    async fn skip_refused(
        &self,
        sweep: i64,
        order: &Order,
        refusal: Refusal,
    ) -> Result<Report, SweepError> {
        let why = format!(
            "skipped: Stripe refuses the account, which is asked once a day: {}",
            refusal.error
        );
        self.reader
            .store
            .run("skip_sweep", move |connection| {
                let nothing = Counts::default();
                sweeps::finish(connection, sweep, Outcome::Failed, nothing, Some(&why))
            })
            .await?;
        Ok(Report {
            window: order.window,
            outcome: Outcome::Failed,
            counts: Counts::default(),
            comparison: None,
            lag: None,
            plan: None,
        })
    }
}
