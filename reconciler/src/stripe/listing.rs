//! The events of one window, page by page, each with its exact bytes.
//!
//! Invariant: a lister that came to its end without an error has yielded every event that Stripe
//! listed for the window when it began, each once.
//!
//! Deliberately absent: the ledger. Source: <https://docs.stripe.com/api/events/list>.

use serde::Deserialize;
use serde_json::value::RawValue;
use shared::ids::{AccountId, EventId};
use shared::windows::Window;

use super::client::Client;
use super::error::StripeError;
use super::walk::{Direction, Limits, Next, Walk};

/// Stripe's largest page.
pub const PAGE_SIZE: usize = 100;

/// What to list.
#[derive(Debug, Clone)]
pub struct Query {
    /// The connected account whose list it is; `None`: our own.
    pub account: Option<AccountId>,
    pub window: Window,
    /// At most 20 event types; empty: all.
    pub types: &'static [&'static str],
    /// Only those all of whose deliveries succeeded, or did not; `None`: all.
    pub delivered: Option<bool>,
    /// Events in all, beyond which the walk is an error.
    pub max_events: usize,
}

/// One event as listed.
#[derive(Debug, Clone)]
pub struct ListedEvent {
    pub id: EventId,
    /// Seconds since 1970.
    pub created: i64,
    /// The event's mode, where it names one.
    pub livemode: Option<bool>,
    /// Deliveries that Stripe has not finished, over all endpoints; evidence, not a verdict.
    pub pending_webhooks: Option<i64>,
    /// The list item's exact bytes.
    pub raw: Vec<u8>,
}

/// A walk through the events of one window: newest first, then whatever became visible meanwhile.
pub struct Lister<'c> {
    client: &'c Client,
    query: Query,
    walk: Walk,
    ended: bool,
    oldest: Option<i64>,
}

impl<'c> Lister<'c> {
    pub fn new(client: &'c Client, query: Query) -> Self {
        let limits = Limits {
            page_size: PAGE_SIZE,
            items: query.max_events,
        };
        Self {
            client,
            query,
            walk: Walk::new(limits),
            ended: false,
            oldest: None,
        }
    }

    /// The `created` of the oldest event yielded so far: where a walk that failed had got to.
    pub fn oldest(&self) -> Option<i64> {
        self.oldest
    }

    /// The next events that were not yielded before, maybe none; `None` at the end.
    ///
    /// # Errors
    /// [`StripeError`]; what was yielded before is right, but the window is not whole.
    pub async fn next_page(&mut self) -> Result<Option<Vec<ListedEvent>>, StripeError> {
        if self.ended {
            return Ok(None);
        }
        let reply = self
            .client
            .get(
                "/v1/events",
                &self.parameters(),
                self.query.account.as_ref(),
            )
            .await?;
        let page = read_page(&reply.body)?;
        let ids: Vec<EventId> = page.events.iter().map(|event| event.id.clone()).collect();
        let (fresh, next) = self.walk.accept(&ids, page.has_more)?;
        self.ended = next == Next::Done && !self.walk.turn();
        let events: Vec<ListedEvent> = page
            .events
            .into_iter()
            .zip(fresh)
            // Whatever a server adds from outside the window is none of this sweep's business.
            .filter(|(event, fresh)| *fresh && self.query.window.contains(event.created))
            .map(|(event, _)| event)
            .collect();
        self.oldest = events
            .iter()
            .map(|event| event.created)
            .chain(self.oldest)
            .min();
        Ok(Some(events))
    }

    fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = vec![
            ("limit", PAGE_SIZE.to_string()),
            ("created[gte]", self.query.window.from().to_string()),
            ("created[lt]", self.query.window.to().to_string()),
        ];
        parameters.extend(
            self.query
                .types
                .iter()
                .map(|name| ("types[]", (*name).to_owned())),
        );
        let delivered = |said: bool| ("delivery_success", said.to_string());
        parameters.extend(self.query.delivered.map(delivered));
        let (direction, cursor) = self.walk.after();
        let name = match direction {
            Direction::Backwards => "starting_after",
            Direction::Forwards => "ending_before",
        };
        parameters.extend(cursor.map(|id| (name, id.to_string())));
        parameters
    }
}

#[derive(Debug)]
struct Page {
    events: Vec<ListedEvent>,
    has_more: bool,
}

/// Reads one page of a list. Every item must name its id and second, or nothing of the page is
/// taken: a cursor that can't be read would end the walk in silence.
fn read_page(body: &[u8]) -> Result<Page, StripeError> {
    let unreadable = |what| {
        move |cause| StripeError::Unreadable {
            what,
            cause: Some(cause),
        }
    };
    let list: RawList<'_> =
        serde_json::from_slice(body).map_err(unreadable("not a list of events"))?;
    let events = list.data.into_iter().map(|raw| {
        let head: Head = serde_json::from_str(raw.get()).map_err(unreadable("not an event"))?;
        let id = EventId::parse(&head.id).map_err(|_refused| StripeError::Unreadable {
            what: "an event without a usable id",
            cause: None,
        })?;
        Ok(ListedEvent {
            id,
            created: head.created,
            livemode: head.livemode,
            pending_webhooks: head.pending_webhooks,
            raw: raw.get().as_bytes().to_vec(),
        })
    });
    Ok(Page {
        events: events.collect::<Result<_, StripeError>>()?,
        has_more: list.has_more,
    })
}

#[derive(Deserialize)]
struct RawList<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    has_more: bool,
}

#[derive(Deserialize)]
struct Head {
    id: String,
    created: i64,
    #[serde(default)]
    livemode: Option<bool>,
    #[serde(default)]
    pending_webhooks: Option<i64>,
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests fail by panicking"
    )]
    use super::*;

    #[test]
    fn bytes_of_an_item_are_kept_as_they_arrived() {
        let item = "{ \"id\" :\"evt_1\",\n\t\"created\":5 , \"amount\": 1.50e2, \"x\":\"\\u0000\\ud800\" }";
        let body = format!("{{\"object\":\"list\",\"has_more\":true,\"data\":[ {item} ]}}");
        let page = read_page(body.as_bytes()).unwrap();
        assert_eq!(page.events[0].raw, item.as_bytes());
        assert_eq!((page.events[0].created, page.has_more), (5, true));
    }

    #[test]
    fn page_with_an_unusable_item_is_refused_whole() {
        for item in [
            "{}",
            "{\"id\":\"evt_1\"}",
            "{\"id\":\"\",\"created\":5}",
            "{\"id\":\"evt 1\",\"created\":5}",
            "{\"id\":\"evt_1\",\"created\":\"5\"}",
            "null",
        ] {
            let body = format!(
                "{{\"has_more\":false,\"data\":[{{\"id\":\"evt_0\",\"created\":1}},{item}]}}"
            );
            assert!(read_page(body.as_bytes()).is_err(), "{item}");
        }
    }

    #[test]
    fn answer_that_is_no_list_is_refused() {
        for body in [
            "{}",
            "[]",
            "null",
            "{\"data\":[]}",
            "{\"data\":{},\"has_more\":false}",
            "{\"da",
        ] {
            assert!(read_page(body.as_bytes()).is_err(), "{body}");
        }
    }
}
