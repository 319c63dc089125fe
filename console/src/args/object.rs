//! `bookend object …`.

use clap::{Args, Subcommand};
use shared::ids::{AccountId, BookingId, ObjectId};

use super::{LogArgs, account_id, booking_id, object_id};
use crate::action::Writing;

#[derive(Subcommand, Debug)]
pub(crate) enum ObjectCommand {
    /// Assign a Stripe object, with its money, to a booking.
    ///
    /// Without --execute the object, its amounts and the bookings that it belongs to now are shown.
    /// An assignment is stronger than the registration and than every claim in metadata; the last
    /// assignment of an object wins. It applies to the object and to all that inherits from it.
    #[command(after_long_help = "\
Example: shown, then done
  bookend object assign pi_3Q0000000000000000000001 bk_000042
  bookend object assign pi_3Q0000000000000000000001 bk_000042 \\
    --execute --reason \"paid by the agency's link, INC-9\"")]
    Assign(Box<ObjectAssign>),
    /// Take a Stripe object, with its money, out of every booking.
    ///
    /// Its money is then listed as unassigned (`bookend booking audit`).
    #[command(after_long_help = "\
Example: shown, then done
  bookend object unassign pi_3Q0000000000000000000001
  bookend object unassign pi_3Q0000000000000000000001 --execute --reason \"not ours, INC-9\"")]
    Unassign(Box<ObjectUnassign>),
}

/// An object and its new booking.
#[derive(Args, Debug)]
pub(crate) struct ObjectAssign {
    /// The Stripe object.
    #[arg(value_parser = object_id)]
    pub(crate) object: ObjectId,
    /// The booking.
    #[arg(value_parser = booking_id)]
    pub(crate) booking: BookingId,
    #[command(flatten)]
    pub(crate) rest: AssignmentOptions,
}

/// An object that is to belong to no booking.
#[derive(Args, Debug)]
pub(crate) struct ObjectUnassign {
    /// The Stripe object.
    #[arg(value_parser = object_id)]
    pub(crate) object: ObjectId,
    #[command(flatten)]
    pub(crate) rest: AssignmentOptions,
}

/// Options of both.
#[derive(Args, Debug)]
pub(crate) struct AssignmentOptions {
    /// The object's connected account; without it: our own.
    #[arg(long, value_name = "ACCOUNT", value_parser = account_id)]
    pub(crate) account: Option<AccountId>,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}
