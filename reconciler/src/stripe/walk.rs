//! How a list is walked page by page, without trusting the server: backwards in time to its end,
//! then forwards from where it began, for what became visible there meanwhile.
//!
//! A page forwards (`ending_before`) holds the items next after the cursor, but is newest first all
//! the same: its cursor is its first item (stripe-node `autoPagination`).
//!
//! Keeps: the walk ends, whatever the server answers; every item of a page is yielded at most
//! once; it ends *well* only when the server had nothing left to give after the last item.
//! Repeated pages, empty pages that promise more and full pages that promise nothing more are
//! asked for again or checked; a list that leads nowhere is an error, never a short result.
//!
//! Deliberately absent: the calls. Source: <https://docs.stripe.com/api/pagination>.

use std::collections::HashSet;

use shared::ids::EventId;

/// How often in a row a page may bring nothing new before the list is given up on.
const STALLS: u32 = 3;

/// The bounds of one walk.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Items asked for at once; at most 100 by Stripe's rules.
    pub page_size: usize,
    /// Items in all, which is what one sweep can hold.
    pub items: usize,
}

/// Why a walk did not reach its end. What was yielded before is right, but not all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    #[error("the list holds more than {limit} events")]
    TooMany { limit: usize },
    #[error("the list leads nowhere: {STALLS} pages in a row brought nothing new")]
    Stuck,
}

/// Which way a walk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// `starting_after`: the page behind the cursor in the list, older than it.
    Backwards,
    /// `ending_before`: the page before the cursor in the list, newer than it.
    Forwards,
}

/// What comes after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Ask for the page beyond this item; `None`: for the first page (again).
    Ask(Option<EventId>),
    Done,
}

/// One walk: remembers what was seen and where it stands.
#[derive(Debug)]
pub struct Walk {
    limits: Limits,
    seen: HashSet<EventId>,
    direction: Direction,
    after: Option<EventId>,
    newest: Option<EventId>,
    pages: u32,
    stalls: u32,
}

impl Walk {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            seen: HashSet::new(),
            direction: Direction::Backwards,
            after: None,
            newest: None,
            pages: 0,
            stalls: 0,
        }
    }

    /// The way it goes, and the item beyond which the next page begins; `None` for the first.
    pub fn after(&self) -> (Direction, Option<&EventId>) {
        (self.direction, self.after.as_ref())
    }

    /// Turns a walk that reached its end around: forwards from the newest item. `false` when there
    /// is nothing to gain by it: a list of one page was whole when it was asked for.
    pub fn turn(&mut self) -> bool {
        let worth_it = self.direction == Direction::Backwards && self.pages > 1;
        if worth_it {
            self.direction = Direction::Forwards;
            self.after.clone_from(&self.newest);
            self.stalls = 0;
        }
        worth_it
    }

    /// Takes a page's ids, newest first as Stripe sends them, and tells for each whether it is
    /// new, and what to ask next.
    ///
    /// # Errors
    /// [`WalkError`]: the walk can't be ended well; the caller must not take the list for whole.
    pub fn accept(
        &mut self,
        ids: &[EventId],
        has_more: bool,
    ) -> Result<(Vec<bool>, Next), WalkError> {
        let fresh: Vec<bool> = ids.iter().map(|id| self.seen.insert(id.clone())).collect();
        if self.seen.len() > self.limits.items {
            let limit = self.limits.items;
            return Err(WalkError::TooMany { limit });
        }
        self.pages = self.pages.saturating_add(1);
        if self.newest.is_none() {
            self.newest = ids.first().cloned();
        }
        let mut new = ids.iter().zip(&fresh).filter(|(_, fresh)| **fresh);
        let last_fresh = match self.direction {
            Direction::Backwards => new.next_back(),
            Direction::Forwards => new.next(),
        }
        .map(|(id, _)| id.clone());
        let next = match last_fresh {
            Some(last) => {
                self.stalls = 0;
                self.after = Some(last);
                // A full page may end the list, or may be all that a wrong has_more lets us see.
                let whole = ids.len() >= self.limits.page_size;
                if has_more || whole {
                    self.ask()
                } else {
                    Next::Done
                }
            }
            None if ids.is_empty() && !has_more => Next::Done,
            // Everything newer was seen already: that is all there is.
            None if self.direction == Direction::Forwards && !has_more => Next::Done,
            None => {
                self.stalls += 1;
                if self.stalls >= STALLS {
                    return Err(WalkError::Stuck);
                }
                self.ask()
            }
        };
        Ok((fresh, next))
    }

    fn ask(&self) -> Next {
        Next::Ask(self.after.clone())
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

    const LIMITS: Limits = Limits {
        page_size: 3,
        items: 1_000,
    };

    fn id(n: usize) -> EventId {
        EventId::parse(&format!("evt_{n}")).unwrap()
    }

    fn ids(range: std::ops::Range<usize>) -> Vec<EventId> {
        range.map(id).collect()
    }

    #[test]
    fn short_page_that_promises_nothing_ends_the_walk() {
        let mut walk = Walk::new(LIMITS);
        assert_eq!(walk.accept(&ids(0..2), false).unwrap().1, Next::Done);
    }

    #[test]
    fn empty_list_ends_at_once() {
        assert_eq!(Walk::new(LIMITS).accept(&[], false).unwrap().1, Next::Done);
    }

    #[test]
    fn full_page_is_checked_even_if_it_promises_nothing_more() {
        let mut walk = Walk::new(LIMITS);
        let (_, next) = walk.accept(&ids(0..3), false).unwrap();
        assert_eq!(next, Next::Ask(Some(id(2))));
        assert_eq!(walk.accept(&[], false).unwrap().1, Next::Done);
    }

    #[test]
    fn repeated_page_is_asked_for_again_and_yields_nothing_twice() {
        let mut walk = Walk::new(LIMITS);
        walk.accept(&ids(0..3), true).unwrap();
        let (fresh, next) = walk.accept(&ids(0..3), true).unwrap();
        assert_eq!(fresh, [false; 3]);
        assert_eq!(next, Next::Ask(Some(id(2))));
        let (fresh, next) = walk.accept(&ids(3..5), false).unwrap();
        assert_eq!((fresh, next), (vec![true; 2], Next::Done));
    }

    #[test]
    fn page_repeated_for_ever_is_an_error_and_no_end() {
        let mut walk = Walk::new(LIMITS);
        walk.accept(&ids(0..3), true).unwrap();
        let outcomes: Vec<_> = (0..3).map(|_| walk.accept(&ids(0..3), true)).collect();
        assert_eq!(outcomes[2], Err(WalkError::Stuck));
    }

    #[test]
    fn repeated_page_that_promises_nothing_more_is_no_end_either() {
        let mut walk = Walk::new(LIMITS);
        walk.accept(&ids(0..3), true).unwrap();
        let (_, next) = walk.accept(&ids(0..3), false).unwrap();
        assert_eq!(next, Next::Ask(Some(id(2))));
    }

    #[test]
    fn empty_pages_that_promise_more_are_an_error_and_no_end() {
        let mut walk = Walk::new(LIMITS);
        walk.accept(&ids(0..3), true).unwrap();
        walk.accept(&[], true).unwrap();
        walk.accept(&[], true).unwrap();
        assert_eq!(walk.accept(&[], true), Err(WalkError::Stuck));
    }

    #[test]
    fn more_items_than_one_sweep_holds_are_an_error() {
        let mut walk = Walk::new(Limits {
            page_size: 3,
            items: 4,
        });
        walk.accept(&ids(0..3), true).unwrap();
        assert_eq!(
            walk.accept(&ids(3..6), true),
            Err(WalkError::TooMany { limit: 4 })
        );
    }

    #[test]
    fn walk_of_several_pages_turns_and_sees_what_appeared_at_the_head() {
        let mut walk = Walk::new(LIMITS);
        walk.accept(&ids(10..13), true).unwrap();
        assert_eq!(walk.accept(&ids(13..14), false).unwrap().1, Next::Done);
        assert!(walk.turn());
        assert_eq!(walk.after(), (Direction::Forwards, Some(&id(10))));
        // Newest first, as every page: the next cursor is the first.
        let (fresh, next) = walk.accept(&ids(7..10), true).unwrap();
        assert_eq!((fresh, next), (vec![true; 3], Next::Ask(Some(id(7)))));
        let (fresh, next) = walk.accept(&ids(6..7), false).unwrap();
        assert_eq!((fresh, next), (vec![true], Next::Done));
        assert!(!walk.turn(), "it turns once");
    }

    #[test]
    fn walk_of_one_page_does_not_turn() {
        let mut walk = Walk::new(LIMITS);
        walk.accept(&ids(0..2), false).unwrap();
        assert!(!walk.turn());
    }

    #[test]
    fn forward_page_that_repeats_for_ever_is_an_error_and_no_end() {
        let mut walk = Walk::new(LIMITS);
        walk.accept(&ids(0..3), true).unwrap();
        walk.accept(&[], false).unwrap();
        assert!(walk.turn());
        walk.accept(&ids(0..3), true).unwrap();
        walk.accept(&ids(0..3), true).unwrap();
        assert_eq!(walk.accept(&ids(0..3), true), Err(WalkError::Stuck));
    }

    /// What a server may do to one page.
    #[derive(Debug, Clone, Copy)]
    enum Trick {
        None,
        RepeatLast,
        Empty,
        LieMore,
        LieEnd,
        LateItem,
    }

    fn trick() -> impl Strategy<Value = Trick> {
        prop_oneof![
            4 => Just(Trick::None),
            1 => Just(Trick::RepeatLast),
            1 => Just(Trick::Empty),
            1 => Just(Trick::LieMore),
            1 => Just(Trick::LieEnd),
            1 => Just(Trick::LateItem),
        ]
    }

    proptest! {
        /// Against a list whose pages are repeated, empty, grow at the head or lie about their
        /// end, the walk ends, and a walk that ends well has seen all that was there when it began.
        #[test]
        fn walk_against_an_adversarial_list_ends_and_never_skips(
            size in 0usize..60,
            tricks in prop::collection::vec(trick(), 0..80),
        ) {
            let mut list: Vec<EventId> = ids(0..size);
            let mut walk = Walk::new(LIMITS);
            let (mut yielded, mut last_page, mut late) = (Vec::new(), Vec::new(), 10_000);
            let mut tricks = tricks.into_iter();
            let mut calls = 0;
            let outcome = loop {
                calls += 1;
                prop_assert!(calls < 1_000, "the walk does not end");
                let trick = tricks.next().unwrap_or(Trick::None);
                if let Trick::LateItem = trick {
                    late += 1;
                    list.insert(0, id(late));
                }
                let start = walk.after().1.map_or(0, |after| {
                    list.iter().position(|id| id == after).unwrap() + 1
                });
                let end = (start + LIMITS.page_size).min(list.len());
                let (mut page, mut more) = (list[start..end].to_vec(), end < list.len());
                match trick {
                    Trick::RepeatLast if !last_page.is_empty() => page.clone_from(&last_page),
                    Trick::Empty => (page, more) = (Vec::new(), true),
                    Trick::LieMore => more = true,
                    // A short page without a successor is Stripe's word that there is none.
                    Trick::LieEnd => more = more && page.len() < LIMITS.page_size,
                    Trick::None | Trick::LateItem | Trick::RepeatLast => {}
                }
                last_page.clone_from(&page);
                match walk.accept(&page, more) {
                    Err(error) => break Err(error),
                    Ok((fresh, next)) => {
                        yielded.extend(page.iter().zip(fresh).filter(|(_, f)| *f).map(|(i, _)| i.clone()));
                        if next == Next::Done { break Ok(()) }
                    }
                }
            };
            let distinct: HashSet<&EventId> = yielded.iter().collect();
            prop_assert_eq!(distinct.len(), yielded.len(), "yielded twice");
            if outcome.is_ok() {
                prop_assert!((0..size).all(|n| distinct.contains(&id(n))), "skipped");
            }
        }
    }
}
