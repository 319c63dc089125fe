//! Rolling an endpoint's signing secret: a second endpoint beside it, its secret to the ingestors,
//! then the old one away.
//!
//! *Invariant:* no genuine delivery is refused on the way, and a roll that was killed goes on where
//! it stood. What comes next is decided in [`decide`]; `commands::secrets` carries it out.
//!
//! Stripe's API tells no way to give an existing endpoint a second secret (the dashboard has one),
//! which is why an endpoint is replaced. Every event comes twice meanwhile, which changes nothing.

pub(crate) mod decide;
mod file;
pub(crate) mod judge;

pub(crate) use file::Watched;
