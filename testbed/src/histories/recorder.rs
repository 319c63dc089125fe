//! Keeps the objects of a history, and writes an event for each change.

mod asides;

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;
use serde_json::{Map, Value, json};

use super::Input;
use super::ledger::Ledger;
use super::shape::{OLD, before_basil, previous, without_old};
use crate::stripe::random::{Random, chance};

/// How often things happen at once, and how well events explain themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mix {
    /// One step in twenty falls into the second of the step before. Events named after a state
    /// (`payment_intent.processing`) carry no `previous_attributes`, `….updated` ones do.
    Natural,
    /// Nine steps in ten do, and every event explains itself.
    Bursts,
    /// Nine steps in ten do, and one event in three explains nothing.
    Ties,
}

/// What an object was like after a change.
#[derive(Debug)]
struct Change {
    state: Value,
    /// It is how the object was made: nothing can come before it.
    made: bool,
    /// Its event does not tell what was before.
    silent: bool,
}

/// Writes a history.
#[derive(Debug)]
pub struct Recorder {
    pub(super) random: Random,
    pub(super) now: i64,
    number: u64,
    mix: Mix,
    /// Events have the shape of before 2025-03-31.basil, and Stripe behaves as it did then.
    pub(super) old_version: bool,
    /// Connected account of the next events; none: the platform.
    pub(super) account: Option<String>,
    /// `context` of the next events.
    pub(super) context: Option<String>,
    pub(super) ledger: Ledger,
    pub(super) scenario: &'static str,
    inputs: Vec<Input>,
    lost: BTreeSet<usize>,
    to_observe: BTreeSet<String>,
    accounts: BTreeMap<String, String>,
    /// Fields that only a retrieved object has.
    answers: BTreeMap<String, Map<String, Value>>,
    objects: BTreeMap<String, Value>,
    /// Each object's changes in the present second.
    second: BTreeMap<String, (i64, Vec<Change>)>,
    events: Vec<Value>,
    made: u64,
    has_burst: bool,
    has_tie: bool,
}

impl Recorder {
    pub(super) fn new(number: u64, mix: Mix, mut random: Random) -> Self {
        Self {
            now: 1_780_000_000_i64.saturating_add(random.random_range(0..8_000_000)),
            old_version: chance(&mut random, 0.3),
            account: None,
            context: None,
            ledger: Ledger::default(),
            scenario: "",
            inputs: Vec::new(),
            lost: BTreeSet::new(),
            to_observe: BTreeSet::new(),
            accounts: BTreeMap::new(),
            answers: BTreeMap::new(),
            random,
            number,
            mix,
            objects: BTreeMap::new(),
            second: BTreeMap::new(),
            events: Vec::new(),
            made: 0,
            has_burst: false,
            has_tie: false,
        }
    }

    /// Whether something of this probability happens.
    pub(super) fn happens(&mut self, probability: f64) -> bool {
        chance(&mut self.random, probability)
    }

    /// An id of this history.
    pub(super) fn id(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}_{}x{}", self.number, self.made)
    }

    /// Time goes by, or does not.
    pub(super) fn tick(&mut self, most_seconds: i64) {
        let at_once = match self.mix {
            Mix::Natural => 0.05,
            Mix::Bursts | Mix::Ties => 0.9,
        };
        if !self.happens(at_once) {
            self.wait(most_seconds);
        }
    }

    /// At least a second goes by.
    pub(super) fn wait(&mut self, most_seconds: i64) {
        self.now += self.random.random_range(1..=most_seconds.max(1));
    }

    pub(super) fn get(&self, id: &str) -> &Value {
        self.objects.get(id).unwrap_or(&Value::Null)
    }

    pub(super) fn of_kind(&self, kind: &str) -> Vec<&Value> {
        let found = self.objects.values();
        found
            .filter(|object| super::expected::text(object, "object") == kind)
            .collect()
    }

    /// A new object and its event.
    pub(super) fn create(&mut self, event_type: &str, object: Value) -> String {
        let id = super::expected::id_of(&object);
        self.objects.insert(id.clone(), object);
        // Only an event `….created` says that nothing was before.
        self.note(&id, None, !event_type.ends_with(".created"));
        self.emit(event_type, &id, None);
        id
    }

    /// A change and its event.
    pub(super) fn change(&mut self, event_type: &str, id: &str, patch: &Value) {
        let mut object = self.get(id).clone();
        let mut before = Map::new();
        let fields = patch.as_object().into_iter().flatten();
        for (name, new) in fields.filter(|(name, _)| self.old_version || *name != OLD) {
            let old = object.get(name).cloned().unwrap_or_default();
            if old != *new {
                before.insert(name.clone(), old);
                if let Some(object) = object.as_object_mut() {
                    object.insert(name.clone(), new.clone());
                }
            }
        }
        if before.is_empty() {
            return;
        }
        let was = self.objects.insert(id.to_owned(), object);
        let explains = match self.mix {
            Mix::Natural => event_type.ends_with(".updated"),
            Mix::Bursts => true,
            // A summary of features cannot be retrieved: its events always explain themselves.
            Mix::Ties => event_type.starts_with("entitlements") || !self.happens(0.33),
        };
        let before = explains.then_some(Value::Object(before));
        self.note(id, was, before.is_none());
        self.emit(event_type, id, before);
    }

    /// Another event for the change before, with the same content.
    pub(super) fn also(&mut self, event_type: &str) {
        let Some(mut event) = self.events.last().cloned() else {
            return;
        };
        let id = self.id("evt");
        if let Some(event) = event.as_object_mut() {
            event.insert("id".into(), id.into());
            event.insert("type".into(), event_type.into());
        }
        self.events.push(event);
    }

    /// An event of an object that has not changed.
    pub(super) fn notify(&mut self, event_type: &str, id: &str) {
        self.emit(event_type, id, None);
    }

    /// A change that no event reports.
    pub(super) fn change_silently(&mut self, id: &str, patch: &Value) {
        let Some(object) = self.objects.get_mut(id).and_then(Value::as_object_mut) else {
            return;
        };
        for (name, new) in patch.as_object().into_iter().flatten() {
            object.insert(name.clone(), new.clone());
        }
    }

    /// The last event is never delivered.
    pub(super) fn lose_last_event(&mut self) {
        self.lost.extend(self.events.len().checked_sub(1));
    }

    /// The object is gone; its event carries its last state.
    pub(super) fn delete(&mut self, event_type: &str, id: &str) {
        self.emit(event_type, id, None);
        let gone = json!({"id": id, "object": self.get(id).get("object"), "deleted": true});
        self.objects.insert(id.to_owned(), gone);
    }

    /// Whether a reader of the events can know what came last in this second. `was`: what the
    /// object was like before, if it was there.
    fn note(&mut self, id: &str, was: Option<Value>, silent: bool) {
        let state = self.get(id).clone();
        let created = was.is_none() && !silent;
        let (at, seen) = self.second.entry(id.to_owned()).or_default();
        if *at != self.now {
            *at = self.now;
            seen.clear();
            // Where the second began is a place that the object can come back to.
            seen.extend(was.map(|state| Change {
                state,
                made: true,
                silent: false,
            }));
        }
        self.has_burst |= seen.iter().any(|one| !one.made);
        let change = Change {
            state,
            made: created,
            silent,
        };
        // Back where it was: both ends are possible.
        self.has_tie |= seen.iter().any(|old| old.state == change.state);
        seen.push(change);
        // One that tells nothing, among others, may have come at any place.
        let changes = seen.iter().filter(|one| !one.made).count();
        self.has_tie |= changes > 1 && seen.iter().any(|one| one.silent);
    }

    fn emit(&mut self, event_type: &str, id: &str, before: Option<Value>) {
        let event_id = self.id("evt");
        let old_version = self.old_version;
        let shape = |value: Value| {
            if old_version {
                before_basil(value)
            } else {
                without_old(value)
            }
        };
        let version = if old_version {
            "2024-06-20"
        } else {
            "2026-10-28.endive"
        };
        let object = self.get(id).clone();
        let mut data = json!({ "object": shape(object.clone()) });
        if let (Some(before), Some(data)) = (before, data.as_object_mut()) {
            data.insert(
                "previous_attributes".into(),
                previous(&shape, &object, &before),
            );
        }
        let mut event = json!({
            "id": event_id, "object": "event", "type": event_type, "created": self.now,
            "livemode": false, "api_version": version, "pending_webhooks": 1, "request": null,
            "data": data,
        });
        let origin = [("account", &self.account), ("context", &self.context)];
        for (name, value) in origin {
            if let (Some(value), Some(event)) = (value, event.as_object_mut()) {
                event.insert(name.into(), value.as_str().into());
            }
        }
        if let Some(account) = self.origin() {
            self.accounts.insert(id.to_owned(), account);
        }
        self.events.push(event);
    }

    /// Account of the next events: `account`, else the last account of `context`.
    fn origin(&self) -> Option<String> {
        let context = self.context.as_deref();
        let last = context.and_then(|path| path.rsplit('/').next());
        self.account.clone().or_else(|| last.map(str::to_owned))
    }
}
