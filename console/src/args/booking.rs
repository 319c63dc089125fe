//! `bookend booking …`.

use clap::{Args, Subcommand};
use shared::ids::BookingId;
use shared::money::Currency;

use super::{LogArgs, booking_id};
use crate::action::Writing;

#[derive(Subcommand, Debug)]
pub(crate) enum BookingCommand {
    /// Show a booking: its state and amounts, its payments, its objects, its open findings, and
    /// every event with its effect, in order.
    ///
    /// The history is sorted as it was applied, which need not be the order in which it happened:
    /// both times are shown. Events that changed nothing are listed too. Amounts are never added
    /// across currencies: each currency has a row of its own.
    #[command(after_long_help = "\
Example:
  bookend booking show bk_000042")]
    Show {
        /// The booking's id, as in the metadata of its Stripe objects.
        #[arg(value_parser = booking_id)]
        id: BookingId,
    },
    /// List bookings in the order of their ids.
    #[command(after_long_help = "\
Example: bookings whose money is not what was expected, as JSON
  bookend booking list --status amount_mismatch -o json")]
    List(BookingList),
    /// Change the amount that a booking expects.
    ///
    /// The amount is in minor units. The last amendment wins over the registration and over earlier
    /// amendments; nothing that was paid changes.
    #[command(after_long_help = "\
Example: shown, then done
  bookend booking amend bk_000042 12500 eur
  bookend booking amend bk_000042 12500 eur --execute --reason \"price corrected, INC-9\"")]
    Amend(Box<BookingAmend>),
    /// Take the net amount that a booking has now as the amount that it expects.
    ///
    /// The command names the amount that was read. If the booking has another one by the time that
    /// the command is carried out, it is refused and nothing changes.
    #[command(after_long_help = "\
Example: shown, then done
  bookend booking accept bk_000042
  bookend booking accept bk_000042 --execute --reason \"partial payment agreed, INC-9\"")]
    Accept(Box<BookingAccept>),
    /// Check that the money adds up: payments against their shares, bookings against their shares.
    ///
    /// Every payment's captured amount must be the sum of its shares, and every amount of a booking
    /// the sum of its shares in that currency. Bookings that are held, and rows of older folding
    /// rules, are counted and not compared. Money without a booking is listed; it is no difference.
    /// All is read in pages, so that the check can run beside live traffic. Ends with 7 when
    /// something does not add up.
    #[command(after_long_help = "\
Example: everything, and one booking
  bookend booking audit
  bookend booking audit --booking bk_000042 -o json")]
    Audit(BookingAudit),
}

/// Filters of `booking list`; all must hold.
#[derive(Args, Debug, Default)]
pub(crate) struct BookingList {
    /// Status.
    #[arg(long, value_parser = [
        "pending", "processing", "requires_action", "authorized", "confirmed", "payment_failed",
        "partially_refunded", "refunded", "disputed", "canceled", "amount_mismatch"])]
    pub(crate) status: Option<String>,
    /// Why it is held.
    #[arg(long, value_parser = ["parked", "uncertain", "too_many_payments"])]
    pub(crate) hold: Option<String>,
    /// Only ids greater than this one: the last one of the page before.
    #[arg(long, value_name = "BOOKING", value_parser = booking_id)]
    pub(crate) after: Option<BookingId>,
    /// At most this many rows.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=5000))]
    pub(crate) limit: u16,
}

/// The new expected amount.
#[derive(Args, Debug)]
pub(crate) struct BookingAmend {
    /// The booking.
    #[arg(value_parser = booking_id)]
    pub(crate) booking: BookingId,
    /// The amount that it expects from now on, minor units.
    #[arg(value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) amount: i64,
    /// Three letters.
    #[arg(value_parser = currency)]
    pub(crate) currency: Currency,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// The booking whose net amount is accepted.
#[derive(Args, Debug)]
pub(crate) struct BookingAccept {
    /// The booking.
    #[arg(value_parser = booking_id)]
    pub(crate) booking: BookingId,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// The scope of `booking audit`.
#[derive(Args, Debug, Default)]
pub(crate) struct BookingAudit {
    /// Only this booking and the payments that it has a share of.
    #[arg(long, value_parser = booking_id)]
    pub(crate) booking: Option<BookingId>,
    /// Show at most this many differences, and this many payments without a booking; all are
    /// counted.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=5000))]
    pub(crate) limit: u16,
}

fn currency(text: &str) -> Result<Currency, String> {
    Currency::parse(text).map_err(|error| error.to_string())
}
