//! The lists of objects that make bookings, page by page, each object with its exact bytes.
//!
//! Deliberately absent: how a list is walked ([`super::descent`]), and events
//! ([`super::listing`]).

use serde::Deserialize;
use serde_json::value::RawValue;
use shared::ids::{AccountId, ObjectId};

use super::client::Client;
use super::error::StripeError;
use super::listing::PAGE_SIZE;

/// One list of Stripe's, as in its path below `/v1/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collection {
    pub name: &'static str,
    /// Said with each page, to get all of them whole.
    all: Option<(&'static str, &'static str)>,
}

const fn plain(name: &'static str) -> Collection {
    Collection { name, all: None }
}

/// Every list that is read. Source: <https://docs.stripe.com/api>, "List all" of each object.
pub const ALL: [Collection; 9] = [
    plain("customers"),
    plain("payment_intents"),
    plain("charges"),
    plain("refunds"),
    plain("disputes"),
    plain("checkout/sessions"),
    Collection {
        name: "subscriptions",
        // Canceled ones are left out otherwise.
        all: Some(("status", "all")),
    },
    Collection {
        name: "invoices",
        // Without its payments nothing ties an invoice to its payment intent since basil, and
        // nothing proves that it was paid outside Stripe.
        all: Some(("expand[]", "data.payments")),
    },
    plain("payouts"),
];

/// Which objects: created in `[from, to)`; without `from`, all before `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created {
    pub from: Option<i64>,
    pub to: i64,
}

impl Created {
    #[must_use]
    pub fn contains(self, created: i64) -> bool {
        created < self.to && self.from.is_none_or(|from| created >= from)
    }
}

/// One object as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub id: ObjectId,
    /// Seconds since 1970.
    pub created: i64,
    /// Its exact bytes.
    pub raw: Vec<u8>,
}

/// One page, newest first.
#[derive(Debug)]
pub struct Page {
    pub items: Vec<Item>,
    pub has_more: bool,
    /// The second in which it was asked for, by Stripe's clock.
    pub sent_at: Option<i64>,
}

/// The page after the object `after`; without it, the first.
///
/// # Errors
/// [`StripeError`], also when one item is no object: a list with a hole proves nothing.
pub async fn page(
    client: &Client,
    collection: Collection,
    account: Option<&AccountId>,
    created: Created,
    after: Option<&str>,
) -> Result<Page, StripeError> {
    let mut query = vec![
        ("limit", PAGE_SIZE.to_string()),
        ("created[lt]", created.to.to_string()),
    ];
    query.extend(created.from.map(|from| ("created[gte]", from.to_string())));
    query.extend(collection.all.map(|(name, value)| (name, value.to_owned())));
    query.extend(after.map(|id| ("starting_after", id.to_owned())));
    let path = format!("/v1/{}", collection.name);
    let reply = client.get(&path, &query, account).await?;
    let (items, has_more) = read(&reply.body)?;
    Ok(Page {
        items,
        has_more,
        sent_at: reply.sent_at,
    })
}

fn read(body: &[u8]) -> Result<(Vec<Item>, bool), StripeError> {
    #[derive(Deserialize)]
    struct List<'a> {
        #[serde(borrow)]
        data: Vec<&'a RawValue>,
        has_more: bool,
    }
    #[derive(Deserialize)]
    struct Head {
        id: String,
        created: i64,
    }
    let unreadable = |what, cause| StripeError::Unreadable { what, cause };
    let list: List<'_> =
        serde_json::from_slice(body).map_err(|cause| unreadable("no list", Some(cause)))?;
    let item = |raw: &RawValue| -> Result<Item, StripeError> {
        let head: Head = serde_json::from_str(raw.get())
            .map_err(|cause| unreadable("a list item without id or date", Some(cause)))?;
        Ok(Item {
            id: ObjectId::parse(&head.id)
                .map_err(|_refused| unreadable("a list item whose id is none", None))?,
            created: head.created,
            raw: raw.get().as_bytes().to_vec(),
        })
    };
    let items = list
        .data
        .into_iter()
        .map(item)
        .collect::<Result<Vec<Item>, StripeError>>()?;
    Ok((items, list.has_more))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn items_keep_their_exact_bytes() {
        let (items, more) =
            read(br#"{"object":"list","data":[{ "id":"pi_1", "created":7 }],"has_more":true}"#)
                .unwrap();
        assert_eq!(
            items[..].first().unwrap().raw,
            br#"{ "id":"pi_1", "created":7 }"#
        );
        assert!(more);
    }

    #[test]
    fn item_that_can_not_be_read_spoils_the_page() {
        for body in [
            "{}",
            r#"{"data":[{"id":"pi_1"}],"has_more":false}"#,
            r#"{"data":[{"id":"","created":1}],"has_more":false}"#,
            r#"{"data":[]}"#,
        ] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn span_holds_its_first_second_and_not_its_last() {
        let span = Created {
            from: Some(5),
            to: 9,
        };
        assert!(span.contains(5) && span.contains(8));
        assert!(!span.contains(4) && !span.contains(9));
        assert!(Created { from: None, to: 9 }.contains(i64::MIN));
    }
}
