//! Settings of the samples and of the backfill.

use clap::Args;
use shared::config::Problems;
use shared::folding::money::Policy;

/// How much is looked at that nobody doubts, and how fast an empty system is filled.
#[derive(Debug, Clone, Copy, Args)]
pub struct SampleArgs {
    /// Settled bookings a day that are compared with Stripe, and bookings a day that are compared
    /// with the ledger; 0: none.
    #[arg(long, env = "SAMPLE_SIZE", default_value_t = 100)]
    pub sample_size: u32,
    /// As the processor is set: the ledger is folded by the same rule.
    #[arg(long, env = "REQUIRE_REGISTRATION", action = clap::ArgAction::Set, default_value_t = false)]
    pub require_registration: bool,
    /// As the processor is set: the ledger is folded by the same rule.
    #[arg(long, env = "BOOKING_FROM_CLIENT_REFERENCE", action = clap::ArgAction::Set, default_value_t = false)]
    pub booking_from_client_reference: bool,
    /// Records published a second by `reconciler backfill`.
    #[arg(long, env = "BACKFILL_RATE", default_value_t = 50)]
    pub backfill_rate: u32,
}

impl SampleArgs {
    /// The processor's rules.
    #[must_use]
    pub const fn policy(&self) -> Policy {
        Policy {
            require_registration: self.require_registration,
            client_reference: self.booking_from_client_reference,
            report_unassigned: false,
        }
    }

    pub(crate) fn check(self, problems: &mut Problems) -> Self {
        if self.backfill_rate == 0 {
            problems.add("BACKFILL_RATE must be at least 1");
        }
        self
    }
}
