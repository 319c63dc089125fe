//! What a billing product reads of an object, the same for every API version.
//!
//! Pure. Fields that moved (2025-03-31.basil and later) are looked for at each place they ever
//! had. No e-mail address, name or postal address is kept: the ledger has the bytes.
//!
//! Source: Stripe API reference of each object; its changelog for what moved.

mod account;
mod credit_note;
mod customer;
mod invoice;
mod payout;
mod subscription;
mod summary;

pub use account::Account;
pub use credit_note::CreditNote;
pub use customer::Customer;
pub use invoice::{Invoice, Line};
pub use payout::Payout;
pub use subscription::{Item, Subscription};
pub use summary::{Feature, SUMMARY, Summary, summary_id};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most elements of a list inside an object that are kept; Stripe's own lists hold 10 to 20.
pub(super) const MAX_LIST: usize = 100;

/// The part that only objects of one kind have.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Details {
    /// Kinds without a projection.
    #[default]
    None,
    /// `subscription`.
    Subscription(Box<Subscription>),
    /// `invoice`.
    Invoice(Box<Invoice>),
    /// `credit_note`.
    CreditNote(Box<CreditNote>),
    /// `customer`.
    Customer(Customer),
    /// `payout`.
    Payout(Payout),
    /// `account`.
    Account(Box<Account>),
    /// `entitlements.active_entitlement_summary`.
    Summary(Summary),
}

impl Details {
    /// Reads the part of an object of this kind.
    #[must_use]
    pub fn read(kind: &str, object: &Value) -> Self {
        match kind {
            "subscription" => Self::Subscription(Box::new(Subscription::read(object))),
            "invoice" => Self::Invoice(Box::new(Invoice::read(object))),
            "credit_note" => Self::CreditNote(Box::new(CreditNote::read(object))),
            "customer" => Self::Customer(Customer::read(object)),
            "payout" => Self::Payout(Payout::read(object)),
            "account" => Self::Account(Box::new(Account::read(object))),
            SUMMARY => Self::Summary(Summary::read(object)),
            _ => Self::None,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}
