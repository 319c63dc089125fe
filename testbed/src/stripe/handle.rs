//! What a test or the demo can do to a running fake. The control API offers the same.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::conductor::{Order, Score, When, perform, prepare};
use super::delivery::{dispatch, phase, post, resend, sign};
use super::faults::{ApiFault, Faults};
use super::history::{Line, Phase};
use super::inner::{Inner, Shared};
use super::lock;
use super::model::{API_VERSION, number};
use super::random::{id, stream};
use super::signing::signature_header;
use super::stats::{Delivery, Stats};
use super::story::Booking;
use super::truth::Truth;
use super::world::NewEvent;
use super::world::shapes::Ties;

/// An event put in by hand: the object becomes as given, and an event says so.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewObjectEvent {
    /// The event's type.
    #[serde(rename = "type")]
    pub kind: String,
    pub object: Value,
    #[serde(default)]
    pub previous_attributes: Option<Value>,
    /// Seconds since 1970; none = now.
    #[serde(default)]
    pub created: Option<i64>,
    /// Minted if none is given.
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    pub account: Option<String>,
    /// False: it happened, but no webhook is sent.
    #[serde(default)]
    pub deliver: bool,
}

/// A cheap view of a fake with everything that can be done to it.
#[derive(Clone, Debug)]
pub struct Control(Shared);

impl Control {
    pub(crate) fn new(inner: &Arc<Inner>) -> Self {
        Self(Arc::clone(inner))
    }

    /// Plans bookings and lets their stories happen; see [`Order`]. Returns what the booking
    /// application would register.
    pub fn create_bookings(&self, order: &Order) -> Vec<Booking> {
        let (bookings, score) = prepare(&self.0, order);
        if order.when == When::Held {
            lock(&self.0.held).push(score);
        } else {
            perform(&self.0, score, order.when);
        }
        bookings
    }

    /// Lets all held orders begin now.
    pub fn play(&self) {
        let held: Vec<Score> = std::mem::take(&mut *lock(&self.0.held));
        for score in held {
            perform(&self.0, score, When::Live);
        }
    }

    /// All bookings so far, in the order of creation.
    pub fn bookings(&self) -> Vec<Booking> {
        let world = lock(&self.0.world);
        world
            .plays
            .iter()
            .map(|play| play.plan.booking.clone())
            .collect()
    }

    /// Puts an event in by hand and returns its id.
    pub fn add_event(&self, new: &NewObjectEvent) -> String {
        let inner = &self.0;
        let number_of = inner.next_request();
        let mut random = stream(inner.config.seed, &format!("by-hand/{number_of}"));
        let event_id = new
            .id
            .clone()
            .unwrap_or_else(|| id(&mut random, "evt_1", 23));
        let now_s = inner.clock.now_s();
        let event = {
            let mut world = lock(&inner.world);
            world
                .objects
                .put(new.account.as_deref(), new.object.clone());
            world.emit(NewEvent {
                id: event_id.clone(),
                kind: &new.kind,
                object: &new.object,
                previous: new.previous_attributes.as_ref(),
                created: new.created.unwrap_or(now_s),
                account: new.account.as_deref(),
                livemode: inner.config.livemode,
                request: None,
                visible_ms: 0,
                version: API_VERSION,
                ties: Ties::new(),
            })
        };
        if new.deliver {
            dispatch(inner, event);
        }
        event_id
    }

    /// Puts an object in, or changes one, without any event: such a change only a retrieve shows.
    pub fn put_object(&self, account: Option<&str>, object: Value) {
        lock(&self.0.world).objects.put(account, object);
    }

    /// Sends an event's webhook (again) without faults, as a resend from the Dashboard does;
    /// false if there is no such event.
    pub fn resend(&self, event_id: &str) -> bool {
        let event = lock(&self.0.world).events.find(event_id);
        let found = event.is_some();
        if let Some(event) = event {
            resend(&self.0, event);
        }
        found
    }

    /// From now on deliveries meet these faults; those already decided keep theirs.
    pub fn set_faults(&self, faults: Faults) {
        *lock(&self.0.faults) = faults;
    }

    /// The API's next answers are this.
    pub fn add_api_fault(&self, fault: ApiFault) {
        lock(&self.0.api_faults).push(fault);
    }

    /// The API answers as it should again.
    pub fn clear_api_faults(&self) {
        lock(&self.0.api_faults).clear();
    }

    /// A new signing secret; the old one signs beside it for `overlap` of the fake's clock.
    pub fn roll_secret(&self, secret: &str, overlap: Duration) {
        let now_ms = self.0.clock.now_ms();
        lock(&self.0.secrets).roll(secret.to_owned(), overlap, now_ms);
        self.0.history.write(now_ms, &Line::new("roll", Phase::Ok));
    }

    /// Moves the fake's clock on; signatures keep the machine's time.
    pub fn advance(&self, by: Duration) {
        self.0.clock.advance(by);
    }

    pub fn set_target(&self, target: Option<String>) {
        *lock(&self.0.target) = target;
    }

    pub fn truth(&self) -> Truth {
        self.0.truth()
    }

    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    /// What became of every event's delivery so far, by event id.
    pub fn deliveries(&self) -> Vec<Delivery> {
        lock(&self.0.deliveries).values().cloned().collect()
    }

    /// Every event so far as the API would render it, oldest first, whatever was delivered.
    pub fn events(&self) -> Vec<Value> {
        let mut events: Vec<Value> = lock(&self.0.world)
            .events
            .all()
            .map(|event| event.render())
            .collect();
        events.sort_by_key(|event| number(event, "created"));
        events
    }

    /// No story is running and no delivery is under way or waiting for a retry.
    pub fn is_idle(&self) -> bool {
        let stats = self.stats();
        stats.stories_running == 0 && stats.in_flight == 0
    }

    /// The header with which a body sent now would be signed.
    pub fn sign(&self, body: &[u8]) -> String {
        sign(&self.0, body)
    }

    /// The header by a given secret at a given second.
    pub fn sign_with(&self, secret: &str, timestamp_s: i64, body: &[u8]) -> String {
        signature_header(&[secret], timestamp_s, body, false)
    }

    /// Signs and sends any bytes once; the answer's status, or none.
    pub async fn send_raw(&self, body: Vec<u8>) -> Option<u16> {
        let signature = sign(&self.0, &body);
        let mut line = Line::new("raw", Phase::Invoke);
        line.sig = Some(&signature);
        self.0.history.write(self.0.clock.now_ms(), &line);
        let (answer, _) = post(&self.0, self.0.target(), body, Some(&signature)).await;
        line.phase = phase(answer, false);
        line.status = answer.status();
        self.0.history.write(self.0.clock.now_ms(), &line);
        answer.status()
    }
}
