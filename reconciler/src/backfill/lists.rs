//! The objects that are older than the listed events: each is published as Stripe lists it.
//!
//! Invariant: a page's place is noted only after each of its objects was acknowledged.

use futures_util::StreamExt;
use shared::clock::{Clock, SystemClock};
use shared::ids::AccountId;
use shared::kafka::headers::Source;
use shared::kafka::producer::EventLog;

use super::BackfillError;
use crate::publish;
use crate::store::backfills::{self, Place};
use crate::stripe::StripeError;
use crate::stripe::collections::{self, Collection, Created, Item, Page};
use crate::stripe::descent::{Descent, Next};
use crate::sweep::Engine;

/// Records on their way at once.
const IN_FLIGHT: usize = 64;

impl<L: EventLog> Engine<L> {
    /// Reads one list to its end, from where an earlier run stood. Returns the objects published
    /// from it, by all runs.
    pub(super) async fn fill_list(
        &self,
        account: Option<&AccountId>,
        collection: Collection,
        since: Option<i64>,
        edge: i64,
        say: &impl Fn(String),
    ) -> Result<i64, BackfillError> {
        let created = Created {
            from: since,
            to: edge,
        };
        let failed = |cause| BackfillError::List {
            collection: collection.name,
            cause,
        };
        let mut place = self.place(account, collection).await?;
        let mut walk = Descent::from(place.after_id.clone());
        let mut resumed = place.after_id.is_some();
        while since.is_none_or(|since| since < edge) {
            let client = &self.reader.client;
            let page = collections::page(client, collection, account, created, walk.after()).await;
            let page = match page {
                Ok(page) => page,
                // The object that an earlier run ended at is gone since: the list is read anew.
                Err(error) if resumed && error.is_permanent() => {
                    (walk, resumed) = (Descent::default(), false);
                    continue;
                }
                Err(error) => return Err(failed(error)),
            };
            resumed = false;
            let heads: Vec<(&str, i64)> = page
                .items
                .iter()
                .map(|item| (item.id.as_str(), item.created))
                .collect();
            let (fresh, next) = walk
                .accept(&heads, page.has_more)
                .map_err(|stuck| failed(stuck.into()))?;
            let published = self
                .publish_page(account, collection, created, &page, &fresh)
                .await?;
            place.after_id = walk.after().map(str::to_owned);
            place.objects = place.objects.saturating_add(published);
            self.note_place(account, collection, place.clone()).await?;
            if published > 0 {
                say(format!("{}  published {}", collection.name, place.objects));
                self.caught_up().await?;
            }
            if next == Next::Done {
                break;
            }
        }
        self.note_done(account, collection).await?;
        Ok(place.objects)
    }

    /// Publishes what is new of a page; how many.
    async fn publish_page(
        &self,
        account: Option<&AccountId>,
        collection: Collection,
        created: Created,
        page: &Page,
        fresh: &[bool],
    ) -> Result<i64, BackfillError> {
        // Whatever a server adds from outside the span is none of this list's business.
        let wanted: Vec<&Item> = page
            .items
            .iter()
            .zip(fresh)
            .filter(|(item, fresh)| **fresh && created.contains(item.created))
            .map(|(item, _)| item)
            .collect();
        let undated = || BackfillError::List {
            collection: collection.name,
            cause: StripeError::Unreadable {
                what: "an answer without a date",
                cause: None,
            },
        };
        if wanted.is_empty() {
            return Ok(0);
        }
        let sent_at = page.sent_at.ok_or_else(undated)?;
        let outcomes: Vec<Result<(), String>> = futures_util::stream::iter(&wanted)
            .map(|item| self.publish_object(account, item, sent_at))
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        match outcomes.into_iter().find_map(Result::err) {
            Some(why) => Err(BackfillError::Refused(why)),
            None => Ok(i64::try_from(wanted.len()).unwrap_or(i64::MAX)),
        }
    }

    async fn publish_object(
        &self,
        account: Option<&AccountId>,
        item: &Item,
        observed_at: i64,
    ) -> Result<(), String> {
        let made = publish::observation(
            self.publisher.topic(),
            account,
            item.raw.clone(),
            observed_at,
            Source::Reconciler,
            SystemClock.now(),
        )
        .map_err(|malformed| format!("{}: {}", item.id, shared::error::chain(&malformed)))?;
        let published = self.publisher.publish(made.record).await;
        published
            .map(|_ack| ())
            .map_err(|error| shared::error::chain(&error))
    }

    async fn place(
        &self,
        account: Option<&AccountId>,
        collection: Collection,
    ) -> Result<Place, BackfillError> {
        let owner = account.cloned();
        let store = &self.reader.store;
        let place = store
            .run("backfill_place", move |connection| {
                backfills::place(connection, owner.as_ref(), collection.name)
            })
            .await?;
        Ok(place.unwrap_or_default())
    }

    async fn note_place(
        &self,
        account: Option<&AccountId>,
        collection: Collection,
        place: Place,
    ) -> Result<(), BackfillError> {
        let owner = account.cloned();
        let store = &self.reader.store;
        Ok(store
            .run("backfill_note", move |connection| {
                backfills::note(connection, owner.as_ref(), collection.name, &place)
            })
            .await?)
    }

    async fn note_done(
        &self,
        account: Option<&AccountId>,
        collection: Collection,
    ) -> Result<(), BackfillError> {
        let owner = account.cloned();
        let store = &self.reader.store;
        Ok(store
            .run("backfill_done", move |connection| {
                backfills::done(connection, owner.as_ref(), collection.name)
            })
            .await?)
    }
}
