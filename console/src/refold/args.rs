//! What can be typed after `bookend refold`.

use clap::{ArgGroup, Args};
use shared::folding::money::Policy;
use shared::ids::{AccountId, BookingId, ObjectId};

use crate::action::Writing;
use crate::args::{LogArgs, account_id, booking_id, object_id};

/// One of what is to be folded, and what to do about it.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("what").required(true).args(["booking", "object", "all", "promote", "drop"]))]
pub(crate) struct RefoldArgs {
    /// This booking, and all that is tied to it; may be given several times.
    #[arg(long, value_name = "BOOKING", value_parser = booking_id)]
    pub(crate) booking: Vec<BookingId>,
    /// This Stripe object, and all that is tied to it.
    #[arg(long, value_name = "ID", value_parser = object_id)]
    pub(crate) object: Option<ObjectId>,
    /// The connected account of --object; without it: our own.
    #[arg(long, value_name = "ACCOUNT", requires = "object", value_parser = account_id)]
    pub(crate) account: Option<AccountId>,
    /// Everything, into shadow tables; nothing that is in use is changed.
    #[arg(long)]
    pub(crate) all: bool,
    /// Go on with this run of --all, or show again what it found.
    #[arg(long, value_name = "RUN", requires = "all", value_parser = run_id)]
    pub(crate) run: Option<String>,
    /// Refold exactly what this run of --all found wrong.
    #[arg(long, value_name = "RUN", value_parser = run_id)]
    pub(crate) promote: Option<String>,
    /// Forget this run of --all.
    #[arg(long, value_name = "RUN", value_parser = run_id)]
    pub(crate) drop: Option<String>,
    /// Refold what is right, too; or promote a run that is not complete.
    #[arg(long)]
    pub(crate) force: bool,
    /// As the processor has it: an unregistered booking is never confirmed.
    #[arg(long, env = "REQUIRE_REGISTRATION", action = clap::ArgAction::Set, default_value_t = false)]
    pub(crate) require_registration: bool,
    /// As the processor has it: a session's client reference names its booking.
    #[arg(long, env = "BOOKING_FROM_CLIENT_REFERENCE", action = clap::ArgAction::Set, default_value_t = false)]
    pub(crate) booking_from_client_reference: bool,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

fn run_id(text: &str) -> Result<String, String> {
    let is_hex = |hex: &str| hex.len() == 32 && hex.chars().all(|c| c.is_ascii_hexdigit());
    match text.strip_prefix("ref_") {
        Some(hex) if is_hex(hex) => Ok(text.to_owned()),
        Some(_) | None => Err("a run is ref_ and 32 hex digits".to_owned()),
    }
}

impl RefoldArgs {
    /// The processor's rules.
    pub(crate) const fn policy(&self) -> Policy {
        Policy {
            require_registration: self.require_registration,
            client_reference: self.booking_from_client_reference,
            report_unassigned: false,
        }
    }
}
