//! Bookings and objects folded anew from the ledger, beside what is stored.
//!
//! *Invariant:* nothing here changes an object or a booking. A shadow is folded in memory, or into
//! tables of the console's own; what it finds wrong is made right by the processor alone, which is
//! asked by commands through the log and folds anew when it gets there.

mod args;
mod carry_out;
mod findings;
mod shadow;
mod tables;
mod walk;
mod wanted;

pub(crate) use args::RefoldArgs;
pub(crate) use carry_out::carry_out;
pub(crate) use findings::{Findings, findings, plan};
pub(crate) use shadow::{Shadow, shadow};
pub(crate) use shared::folding::change::Change;
pub(crate) use tables::{Run, begin, find, forget, may_keep};
pub(crate) use walk::{Skipped, Walk};
pub(crate) use wanted::{Plan, wanted};
