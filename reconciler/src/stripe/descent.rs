//! How a list of objects of any length is walked backwards in time, without trusting the server.
//!
//! Unlike [`super::walk`] it holds no list of all it has seen: what it remembers is bounded, and
//! the walk can go on where an earlier one stood.
//!
//! Keeps: the walk ends, whatever the server answers; it ends *well* only when the server had
//! nothing left to give after the last item. An item may be yielded twice where a server repeats
//! itself after a long time; none is left out.
//!
//! Deliberately absent: the calls. Source: <https://docs.stripe.com/api/pagination>.

use std::collections::{HashSet, VecDeque};

use super::listing::PAGE_SIZE;
use super::walk::WalkError;

/// How often in a row a page may bring nothing new before the list is given up on.
const STALLS: u32 = 3;
/// Items remembered.
const REMEMBERED: usize = 10_000;
/// Pages in a row that may bring nothing older than what was there before: a second holds no more
/// objects than that.
const LEVEL_PAGES: u32 = 1_000;

/// What comes after a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Ask for the page after [`Descent::after`].
    Ask,
    Done,
}

/// One walk.
#[derive(Debug, Default)]
pub struct Descent {
    after: Option<String>,
    recent: HashSet<String>,
    order: VecDeque<String>,
    oldest: Option<i64>,
    level: u32,
    stalls: u32,
}

impl Descent {
    /// Begins behind this item; `None`: at the list's head.
    #[must_use]
    pub fn from(after: Option<String>) -> Self {
        Self {
            after,
            ..Self::default()
        }
    }

    /// The item after which the next page begins.
    #[must_use]
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// Takes a page's ids with their `created`, newest first as Stripe sends them, and tells for
    /// each whether it is new, and what to do next.
    ///
    /// # Errors
    /// [`WalkError::Stuck`]: the list leads nowhere; what was yielded is right, but not all.
    pub fn accept(
        &mut self,
        items: &[(&str, i64)],
        has_more: bool,
    ) -> Result<(Vec<bool>, Next), WalkError> {
        let fresh: Vec<bool> = items.iter().map(|(id, _)| self.remember(id)).collect();
        let last = items
            .iter()
            .zip(&fresh)
            .rev()
            .find_map(|(item, fresh)| fresh.then_some(item));
        let Some((id, _)) = last else {
            if items.is_empty() && !has_more {
                return Ok((fresh, Next::Done));
            }
            self.stalls = self.stalls.saturating_add(1);
            return match self.stalls >= STALLS {
                true => Err(WalkError::Stuck),
                false => Ok((fresh, Next::Ask)),
            };
        };
        self.stalls = 0;
        self.after = Some((*id).to_owned());
        let oldest = items.iter().map(|(_, created)| *created).min();
        if self.oldest.is_none() || oldest < self.oldest {
            self.oldest = oldest;
            self.level = 0;
        } else {
            self.level = self.level.saturating_add(1);
        }
        if self.level > LEVEL_PAGES {
            return Err(WalkError::Stuck);
        }
        // A full page may end the list, or may be all that a wrong has_more lets us see.
        let more = has_more || items.len() >= PAGE_SIZE;
        Ok((fresh, if more { Next::Ask } else { Next::Done }))
    }

    /// Whether it was not remembered.
    fn remember(&mut self, id: &str) -> bool {
        if !self.recent.insert(id.to_owned()) {
            return false;
        }
        self.order.push_back(id.to_owned());
        if self.order.len() > REMEMBERED
            && let Some(forgotten) = self.order.pop_front()
        {
            self.recent.remove(&forgotten);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests fail by panicking"
    )]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn short_page_that_promises_nothing_ends_the_walk() {
        let mut walk = Descent::default();
        let (fresh, next) = walk.accept(&[("a", 3), ("b", 2)], false).unwrap();
        assert_eq!((fresh, next), (vec![true, true], Next::Done));
        assert_eq!(walk.after(), Some("b"));
    }

    #[test]
    fn empty_page_that_promises_more_is_asked_for_again_and_then_an_error() {
        let mut walk = Descent::from(Some("a".to_owned()));
        assert_eq!(walk.accept(&[], true).unwrap().1, Next::Ask);
        assert_eq!(walk.accept(&[], true).unwrap().1, Next::Ask);
        assert_eq!(walk.after(), Some("a"));
        assert_eq!(walk.accept(&[], true), Err(WalkError::Stuck));
    }

    #[test]
    fn full_page_that_promises_nothing_is_checked() {
        let names: Vec<String> = (0..PAGE_SIZE).map(|n| format!("o{n}")).collect();
        let items: Vec<(&str, i64)> = names.iter().map(|id| (id.as_str(), 5)).collect();
        let mut walk = Descent::default();
        assert_eq!(walk.accept(&items, false).unwrap().1, Next::Ask);
        assert_eq!(walk.accept(&[], false).unwrap().1, Next::Done);
    }

    #[test]
    fn server_that_goes_round_in_a_circle_too_long_to_remember_is_found_out() {
        let mut walk = Descent::default();
        let circle = REMEMBERED + 1_000;
        let mut pages = 0;
        let ended = (0..).step_by(PAGE_SIZE).find_map(|start| {
            pages += 1;
            let names: Vec<String> = (start..start + PAGE_SIZE)
                .map(|n| format!("o{}", n % circle))
                .collect();
            let items: Vec<(&str, i64)> = names.iter().map(|id| (id.as_str(), 5)).collect();
            walk.accept(&items, true).err()
        });
        assert_eq!(ended, Some(WalkError::Stuck));
        assert!(pages <= 1_200, "{pages}");
    }

    proptest! {
        /// An honest list is yielded whole, each item once, wherever it is cut and taken up again.
        #[test]
        fn honest_list_is_yielded_whole(len in 0usize..450, cut in 0usize..6) {
            let names: Vec<String> = (0..len).map(|n| format!("o{n}")).collect();
            let (mut walk, mut yielded, mut asked) = (Descent::default(), Vec::new(), 0);
            loop {
                asked += 1;
                if asked == cut {
                    walk = Descent::from(walk.after().map(str::to_owned));
                }
                let start = walk.after().map_or(0, |after| {
                    names.iter().position(|id| id == after).unwrap() + 1
                });
                let end = (start + PAGE_SIZE).min(len);
                let page: Vec<(&str, i64)> =
                    names[start..end].iter().map(|id| (id.as_str(), 1_000)).collect();
                let (fresh, next) = walk.accept(&page, end < len).unwrap();
                let new = page.iter().zip(fresh).filter(|(_, fresh)| *fresh);
                yielded.extend(new.map(|(item, _)| item.0.to_owned()));
                if next == Next::Done { break; }
            }
            prop_assert_eq!(yielded, names);
        }
    }
}
