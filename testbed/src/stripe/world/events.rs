//! The event log that List Events reads.
//!
//! Invariant: an event's content never changes; only its `pending_webhooks` does, from one
//! rendering to the next. Order is `created`, then the order of appending.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use serde_json::Value;

use super::super::model::text;
use super::shapes::{self, Ties};

/// `(created, number)`: seconds since 1970 and the order of appending.
pub(crate) type Place = (i64, u64);

#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) place: Place,
    pub(crate) account: Option<String>,
    /// Not listed before this millisecond of the fake's clock.
    pub(crate) visible_ms: i64,
    /// The first endpoint's 2xx was seen for it.
    pub(crate) delivered: AtomicBool,
    /// Other endpoints whose 2xx was not seen yet.
    pub(crate) pending_elsewhere: AtomicU32,
    /// In the newest shape.
    value: Value,
    /// The version that it was made in; none for thin events.
    version: Option<String>,
    ties: Ties,
}

/// An event to be appended.
#[derive(Debug, Default)]
pub(crate) struct NewEntry<'a> {
    pub(crate) value: Value,
    pub(crate) account: Option<&'a str>,
    pub(crate) created: i64,
    pub(crate) visible_ms: i64,
    pub(crate) version: Option<&'a str>,
    pub(crate) ties: Ties,
}

impl Event {
    /// Endpoints that have not taken it yet.
    pub(crate) fn pending(&self) -> u32 {
        let first = u32::from(!self.delivered.load(Ordering::Relaxed));
        first.saturating_add(self.pending_elsewhere.load(Ordering::Relaxed))
    }

    /// The event as it stands, in its own version, with `pending_webhooks` of this moment; thin
    /// events have neither.
    pub(crate) fn render(&self) -> Value {
        self.render_as(None)
    }

    fn render_as(&self, version: Option<&str>) -> Value {
        let mut value = self.value.clone();
        if let Some(object) = value.as_object_mut()
            && object.contains_key("pending_webhooks")
        {
            object.insert("pending_webhooks".to_owned(), self.pending().into());
        }
        match self.version.as_deref() {
            Some(own) => shapes::shaped(value, version.unwrap_or(own), &self.ties),
            None => value,
        }
    }

    /// The body of a webhook, in the shape of the endpoint's version: indented by two, as
    /// Stripe's are.
    pub(crate) fn body(&self, version: Option<&str>) -> Vec<u8> {
        serde_json::to_vec_pretty(&self.render_as(version)).unwrap_or_default()
    }
}

#[derive(Debug, Default)]
pub(crate) struct EventLog {
    by_place: BTreeMap<Place, Arc<Event>>,
    by_id: HashMap<String, Place>,
    appended: u64,
}

impl EventLog {
    /// Appends an event; one whose id is known replaces nothing and is returned as it was.
    pub(crate) fn append(&mut self, new: NewEntry<'_>) -> Arc<Event> {
        let id = text(&new.value, "id").to_owned();
        if let Some(known) = self.find(&id) {
            return known;
        }
        self.appended += 1;
        let event = Arc::new(Event {
            kind: text(&new.value, "type").to_owned(),
            place: (new.created, self.appended),
            account: new.account.map(str::to_owned),
            visible_ms: new.visible_ms,
            delivered: AtomicBool::new(false),
            pending_elsewhere: AtomicU32::new(0),
            id: id.clone(),
            value: new.value,
            version: new.version.map(str::to_owned),
            ties: new.ties,
        });
        self.by_id.insert(id, event.place);
        self.by_place.insert(event.place, Arc::clone(&event));
        event
    }

    pub(crate) fn find(&self, id: &str) -> Option<Arc<Event>> {
        let place = self.by_id.get(id)?;
        self.by_place.get(place).cloned()
    }

    /// All events between two places (from inclusive, to exclusive), oldest first.
    pub(crate) fn between(
        &self,
        from: Place,
        to: Place,
    ) -> impl DoubleEndedIterator<Item = &Arc<Event>> {
        self.by_place
            .range(from..to.max(from))
            .map(|(_, event)| event)
    }

    /// All events, oldest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Event>> {
        self.by_place.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_place.len()
    }
}
