//! Reading both sides of one window: the part that changes nothing.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use shared::diffs::{self, Comparison, LedgerRow};
use shared::ids::{AccountId, EventId};
use shared::windows::{STRIPE_RETENTION_S, Window};

use super::{Reader, SweepError};
use crate::store::ledger;
use crate::stripe::walk::WalkError;
use crate::stripe::{ListedEvent, Lister, Query, StripeError};

/// How near to Stripe's 30 days a cursor must lie to be believed to have aged out, in seconds.
const AGED_OUT_MARGIN_S: i64 = 86_400;

/// Distance kept from the edge of Stripe's list, in seconds: our knowledge of its clock is a little
/// behind.
const EDGE_S: i64 = 10;

/// What Stripe lists for a window.
#[derive(Debug)]
pub struct Listed {
    /// What the list covers: the window, or less where its begin has aged out or is left for later.
    pub window: Window,
    /// The part of the window that is still to be listed: it held more than one sweep may.
    pub rest: Option<Window>,
    /// The part of the window that has aged out while it was listed.
    pub aged_out: Option<Window>,
    /// Every id of the window, with its second.
    pub ids: Vec<(EventId, i64)>,
    /// Stripe's clock just before it was asked, in seconds since 1970.
    pub asked_at: i64,
    /// The newest event of the other mode that was listed, if one was.
    pub other_mode: Option<EventId>,
    /// Those that the ledger did not hold when they were listed, with their bytes.
    pub unknown: BTreeMap<EventId, ListedEvent>,
}

/// Whether the bytes of unknown events are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    Unknown,
    Nothing,
}

impl Reader {
    /// Lists a window to its end. Only events that the ledger lacks are kept with their bytes: one
    /// that it holds it holds for ever.
    ///
    /// # Errors
    /// [`SweepError`]: nothing may be concluded from what was listed so far.
    pub async fn list(
        &self,
        account: Option<&AccountId>,
        window: Window,
        keep: Keep,
    ) -> Result<Listed, SweepError> {
        let query = Query {
            account: account.cloned(),
            window,
            types: &[],
            delivered: None,
            max_events: self.limits.max_events,
        };
        let mut lister = Lister::new(&self.client, query);
        let mut listed = Listed {
            window,
            rest: None,
            aged_out: None,
            ids: Vec::new(),
            asked_at: self.client.now().await?,
            other_mode: None,
            unknown: BTreeMap::new(),
        };
        // What the ledger holds now it holds for ever: one look for the window instead of one for
        // each page.
        let known = match keep {
            Keep::Unknown => self.known(account, window).await?,
            Keep::Nothing => HashSet::new(),
        };
        loop {
            let page = match lister.next_page().await {
                Ok(Some(page)) => page,
                Ok(None) => return faded(listed, self.client.now().await?),
                Err(StripeError::Walk(error @ WalkError::TooMany { .. })) => {
                    return cut(listed, lister.oldest(), error);
                }
                Err(error) => return self.aged_out(error, lister.oldest(), listed).await,
            };
            let other = |event: &&ListedEvent| event.livemode == Some(!self.limits.livemode);
            let other = page.iter().find(other).map(|event| event.id.clone());
            listed.other_mode = listed.other_mode.or(other);
            let ids = page.iter().map(|event| (event.id.clone(), event.created));
            listed.ids.extend(ids);
            if keep == Keep::Unknown {
                let unknown = page
                    .into_iter()
                    .filter(|event| !known.contains(&event.id))
                    .collect();
                let unknown = self.without_known(unknown).await?;
                listed
                    .unknown
                    .extend(unknown.into_iter().map(|event| (event.id.clone(), event)));
            }
        }
    }

    /// A cursor that aged out in the middle of a walk ends it: what lies behind it is gone, and
    /// what lies before it was seen. Anywhere else the same words are a fault of the server's, and
    /// the window stays open.
    async fn aged_out(
        &self,
        error: StripeError,
        oldest: Option<i64>,
        mut listed: Listed,
    ) -> Result<Listed, SweepError> {
        let now = self.client.now().await?;
        let edge = now.saturating_sub(STRIPE_RETENTION_S - AGED_OUT_MARGIN_S);
        let Some(oldest) = oldest.filter(|oldest| error.is_aged_out() && *oldest < edge) else {
            return Err(error.into());
        };
        // Others of the same second may be behind the cursor: that second is not whole.
        let whole_from = oldest.saturating_add(1);
        let Some(window) = Window::new(whole_from, listed.window.to()) else {
            return Err(error.into());
        };
        listed.aged_out = Window::new(listed.window.from(), whole_from);
        listed.window = window;
        Ok(listed)
    }

    /// The ids of the window that the ledger holds; at most what one sweep may list, the newest:
    /// the others are asked for by their ids.
    async fn known(
        &self,
        account: Option<&AccountId>,
        window: Window,
    ) -> Result<HashSet<EventId>, SweepError> {
        let (account, livemode) = (account.cloned(), self.limits.livemode);
        let most = i64::try_from(self.limits.max_events).unwrap_or(i64::MAX);
        let ids = self
            .store
            .run("window_ids", move |connection| {
                ledger::window_ids(connection, account.as_ref(), livemode, window, most)
            })
            .await?;
        Ok(ids.into_iter().collect())
    }

    /// Those of a page that the ledger doesn't hold.
    pub async fn without_known(
        &self,
        page: Vec<ListedEvent>,
    ) -> Result<Vec<ListedEvent>, SweepError> {
        if page.is_empty() {
            return Ok(page);
        }
        let ids: Vec<EventId> = page.iter().map(|event| event.id.clone()).collect();
        let rows = self
            .store
            .run("rows_by_id", move |connection| {
                ledger::rows_by_id(connection, &ids)
            })
            .await?;
        let known: BTreeSet<EventId> = rows.into_iter().map(|row| row.id).collect();
        Ok(page
            .into_iter()
            .filter(|event| !known.contains(&event.id))
            .collect())
    }

    /// Compares what was listed with the ledger. The barrier must have been passed since.
    ///
    /// # Errors
    /// [`SweepError::Store`].
    pub async fn compare(
        &self,
        account: Option<&AccountId>,
        listed: &Listed,
        now: i64,
    ) -> Result<Comparison, SweepError> {
        let (account, window, livemode) = (account.cloned(), listed.window, self.limits.livemode);
        let ids: Vec<EventId> = listed.ids.iter().map(|(id, _)| id.clone()).collect();
        let listed_ids = ids.clone();
        let rows = self
            .store
            .run("compare_window", move |connection| {
                let mut rows = ledger::window_rows(connection, account.as_ref(), livemode, window)?;
                let absent = absent(&ids, &rows);
                // A row under another account or mode than the list's is still no gap: publishing
                // the event again would change nothing.
                rows.extend(ledger::rows_by_id(connection, &absent)?);
                Ok(rows)
            })
            .await?;
        let limit = i64::try_from(self.limits.parked_limit.as_secs()).unwrap_or(i64::MAX);
        // What aged out was listed in part and can't be compared, but what was seen can be asked.
        Ok(diffs::compare(
            &listed_ids,
            &rows,
            now.saturating_sub(limit),
        ))
    }
}

/// A list with more events than one sweep holds: its newer part is whole and is swept by itself.
fn cut(mut listed: Listed, oldest: Option<i64>, error: WalkError) -> Result<Listed, SweepError> {
    // Others of the same second may not have been listed: that second is left to the rest.
    let whole = oldest.and_then(|oldest| {
        let from = oldest.saturating_add(1);
        let rest = Window::new(listed.window.from(), from)?;
        Some((Window::new(from, listed.window.to())?, rest))
    });
    let Some((window, rest)) = whole else {
        return Err(StripeError::Walk(error).into());
    };
    listed.ids.retain(|(_, created)| window.contains(*created));
    listed
        .unknown
        .retain(|_, event| window.contains(event.created));
    (listed.window, listed.rest) = (window, Some(rest));
    Ok(listed)
}

/// What lies at the edge of Stripe's list may have left it while it was listed, without a word: that
/// part counts as aged out.
fn faded(mut listed: Listed, now: i64) -> Result<Listed, SweepError> {
    let edge = now.saturating_sub(STRIPE_RETENTION_S - EDGE_S);
    if listed.window.from() >= edge {
        return Ok(listed);
    }
    let (from, to) = (listed.window.from(), listed.window.to());
    let window = Window::new(edge, to).ok_or(SweepError::Stripe(StripeError::Unreadable {
        what: "a window that aged out while it was listed",
        cause: None,
    }))?;
    listed.ids.retain(|(_, created)| window.contains(*created));
    listed
        .unknown
        .retain(|_, event| window.contains(event.created));
    (listed.window, listed.aged_out) = (window, Window::new(from, edge));
    Ok(listed)
}

fn absent(ids: &[EventId], rows: &[LedgerRow]) -> Vec<EventId> {
    let held: BTreeSet<&EventId> = rows.iter().map(|row| &row.id).collect();
    ids.iter()
        .filter(|id| !held.contains(id))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn window(from: i64, to: i64) -> Window {
        Window::new(from, to).unwrap()
    }

    /// A list of one event each second of the window, of which none is known.
    fn listed(over: Window) -> Listed {
        let event = |created: i64| ListedEvent {
            id: EventId::parse(&format!("evt_{created}")).unwrap(),
            created,
            livemode: Some(false),
            pending_webhooks: None,
            raw: Vec::new(),
        };
        let events: Vec<ListedEvent> = (over.from()..over.to()).map(event).collect();
        Listed {
            window: over,
            rest: None,
            aged_out: None,
            ids: events
                .iter()
                .map(|it| (it.id.clone(), it.created))
                .collect(),
            asked_at: 0,
            other_mode: None,
            unknown: events.into_iter().map(|it| (it.id.clone(), it)).collect(),
        }
    }

    const TOO_MANY: WalkError = WalkError::TooMany { limit: 5 };

    #[test]
    fn a_list_that_is_too_long_is_whole_after_the_second_it_broke_off_in() {
        let cut = cut(listed(window(100, 110)), Some(104), TOO_MANY).unwrap();
        assert_eq!(cut.window, window(105, 110));
        assert_eq!(cut.rest, Some(window(100, 105)), "no second is left out");
        assert!(cut.ids.iter().all(|(_, created)| *created >= 105));
        assert_eq!((cut.ids.len(), cut.unknown.len()), (5, 5));
    }

    #[test]
    fn a_single_second_that_is_too_full_is_an_error_and_no_endless_loop() {
        assert!(cut(listed(window(100, 101)), Some(100), TOO_MANY).is_err());
        assert!(cut(listed(window(100, 110)), Some(109), TOO_MANY).is_err());
        assert!(cut(listed(window(100, 110)), None, TOO_MANY).is_err());
    }

    #[test]
    fn what_left_the_list_while_it_was_read_counts_as_aged_out() {
        let edge = 1_000_000;
        let now = edge + STRIPE_RETENTION_S - EDGE_S;
        let whole = faded(listed(window(edge, edge + 10)), now).unwrap();
        assert_eq!(
            (whole.window, whole.aged_out),
            (window(edge, edge + 10), None)
        );
        let part = faded(listed(window(edge - 4, edge + 10)), now).unwrap();
        assert_eq!(part.window, window(edge, edge + 10));
        assert_eq!(part.aged_out, Some(window(edge - 4, edge)));
        assert_eq!((part.ids.len(), part.unknown.len()), (10, 10));
        assert!(faded(listed(window(edge - 9, edge)), now).is_err());
    }
}
