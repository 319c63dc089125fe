//! Our webhook endpoint at Stripe: how it shall be, what is to be done for that, and doing it.
//!
//! *Invariant:* the operator's key is in memory and in requests to Stripe only; a signing secret is
//! in memory and in the new file that was named for it, mode 0600. Neither is printed, logged or
//! recorded.
//!
//! What still delivers is not taken away by a program: only a roll removes an endpoint, one that it
//! replaced and disabled before, or one of its own that never delivered.

mod client;
mod decide;
mod secret_file;
mod wanted;

pub(crate) use client::{Client, Made, StripeError};
pub(crate) use decide::{Change, Decision, Refusal, ensure, form};
pub(crate) use secret_file::SecretFile;
pub(crate) use wanted::{Listed, Types, Url, Wanted};
