//! What an operator does by hand: who, when, why, what, and what came of it.
//!
//! *Invariant:* the action and its items are committed before the first record of it is published,
//! so whatever is in the log names an action that can be looked up. A refused attempt is recorded
//! too. What an action asks for is carried out by the processor, which writes each item's result in
//! the transaction that made it; here it is only waited for.
//!
//! Deliberately absent: what any one command does. A command makes a plan, whose rows are [`Step`]s,
//! and hands it to [`act`], or uses [`guarded`] and [`begin`] itself.

mod carry_out;
mod confirm;
mod id;
mod interrupt;
mod operator;
mod publish;
mod record;
mod results;

pub(crate) use carry_out::{Deed, Step, act};
pub(crate) use confirm::{Reason, Writing};
pub(crate) use interrupt::Interrupt;
pub(crate) use operator::Operator;
pub(crate) use publish::{Outgoing, Publisher};
pub(crate) use record::{Action, Attempt, Ended, Item, begin, guarded, may_act};
pub(crate) use results::{Results, await_results, results};
