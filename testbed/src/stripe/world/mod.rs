//! What really happened at the fake Stripe: objects, events and the bookings behind them.
//!
//! Invariant: the world changes only through steps of the state machines (or what a test puts in
//! by hand), whatever was delivered of it.

pub(crate) mod events;
pub(crate) mod objects;
pub(crate) mod shapes;

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

use super::model::kinds::url_of;
use super::model::text;
use super::story::play::Play;
use events::{Event, EventLog, NewEntry};
use objects::Objects;
use shapes::Ties;

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) objects: Objects,
    pub(crate) events: EventLog,
    /// Thin events, which have a list of their own.
    pub(crate) thin: EventLog,
    pub(crate) plays: Vec<Play>,
    /// Bookings planned so far; numbers the next one.
    pub(crate) planned: u64,
}

/// An event about to happen.
#[derive(Debug)]
pub(crate) struct NewEvent<'a> {
    pub(crate) id: String,
    pub(crate) kind: &'a str,
    pub(crate) object: &'a Value,
    pub(crate) previous: Option<&'a Value>,
    pub(crate) created: i64,
    pub(crate) account: Option<&'a str>,
    pub(crate) livemode: bool,
    /// `request.id`; none when Stripe itself caused the event.
    pub(crate) request: Option<String>,
    pub(crate) visible_ms: i64,
    pub(crate) version: &'a str,
    pub(crate) ties: Ties,
}

/// A thin event about to happen.
#[derive(Debug)]
pub(crate) struct NewThin<'a> {
    pub(crate) id: String,
    pub(crate) kind: &'a str,
    /// The object that it names.
    pub(crate) related: Option<&'a Value>,
    pub(crate) created: i64,
    pub(crate) account: Option<&'a str>,
    pub(crate) livemode: bool,
    /// The snapshot event for the same change.
    pub(crate) snapshot: Option<&'a str>,
    pub(crate) data: Option<Value>,
}

impl World {
    /// Appends the event to the log and returns it.
    pub(crate) fn emit(&mut self, new: NewEvent<'_>) -> Arc<Event> {
        let mut data = json!({ "object": new.object });
        if let (Some(data), Some(previous)) = (data.as_object_mut(), new.previous) {
            data.insert("previous_attributes".to_owned(), previous.clone());
        }
        let mut value = json!({
            "id": new.id, "object": "event", "api_version": new.version, "created": new.created,
            "data": data, "livemode": new.livemode, "pending_webhooks": 1,
            "request": {"id": new.request, "idempotency_key": null}, "type": new.kind,
        });
        if let (Some(value), Some(account)) = (value.as_object_mut(), new.account) {
            value.insert("account".to_owned(), json!(account));
        }
        self.events.append(NewEntry {
            value,
            account: new.account,
            created: new.created,
            visible_ms: new.visible_ms,
            version: Some(new.version),
            ties: new.ties,
        })
    }

    /// Appends a thin event to its log and returns it (docs.stripe.com/api/v2/core/events).
    pub(crate) fn emit_thin(&mut self, new: NewThin<'_>) -> Arc<Event> {
        let created = DateTime::from_timestamp(new.created, 0).unwrap_or_default();
        let mut value = json!({
            "id": new.id, "object": "v2.core.event", "type": new.kind, "livemode": new.livemode,
            "created": created.to_rfc3339_opts(SecondsFormat::Millis, true), "reason": null,
        });
        if let Some(value) = value.as_object_mut() {
            let mut put = |name: &str, it: Option<Value>| {
                value.extend(it.map(|it| (name.to_owned(), it)));
            };
            put("context", new.account.map(Value::from));
            put("snapshot_event", new.snapshot.map(Value::from));
            put("data", new.data);
            put(
                "related_object",
                new.related.map(|object| {
                    let (kind, id) = (text(object, "object"), text(object, "id"));
                    json!({"id": id, "type": kind, "url": url_of(kind, id)})
                }),
            );
        }
        self.thin.append(NewEntry {
            value,
            account: new.account,
            created: new.created,
            ..NewEntry::default()
        })
    }
}
