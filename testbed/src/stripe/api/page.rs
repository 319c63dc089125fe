//! Cuts one page out of a list (docs.stripe.com/api/pagination).
//!
//! Invariant: a page is newest first whichever way the client walks; paging with either cursor
//! until `has_more` is false meets every item once, however many share a second.

use serde_json::{Value, json};

/// A place in a list: the second of creation and the order within it.
pub(crate) type Place = (i64, u64);

/// Which side of the cursor the page lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Newest,
    /// Older than this place, nearest first.
    OlderThan(Place),
    /// Newer than this place, nearest kept.
    NewerThan(Place),
}

/// `oldest_first` must already be filtered. Returns the page, newest first, and whether there is
/// more in the direction of travel.
pub(crate) fn cut<T>(
    oldest_first: impl DoubleEndedIterator<Item = (Place, T)>,
    side: Side,
    limit: usize,
) -> (Vec<T>, bool) {
    let forwards = matches!(side, Side::NewerThan(_));
    let wanted = |place: Place| match side {
        Side::Newest => true,
        Side::OlderThan(cursor) => place < cursor,
        Side::NewerThan(cursor) => place > cursor,
    };
    let within = oldest_first
        .filter(|(place, _)| wanted(*place))
        .map(|(_, item)| item);
    // One more than the page tells whether there is another page.
    let mut page: Vec<T> = if forwards {
        within.take(limit + 1).collect()
    } else {
        within.rev().take(limit + 1).collect()
    };
    let more = page.len() > limit;
    page.truncate(limit);
    if forwards {
        page.reverse();
    }
    (page, more)
}

pub(crate) fn list(url: &str, data: Vec<Value>, has_more: bool) -> Value {
    json!({"object": "list", "url": url, "has_more": has_more, "data": data})
}
