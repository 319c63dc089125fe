//! Delivers events: signs, posts, retries, and lets the faults happen.
//!
//! Invariant: anything but a 2xx that was seen is a failure and is tried again with a fresh time
//! and signature until `retry_for` is over (docs.stripe.com/webhooks#behaviors). Redirects are
//! answers, not directions.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rand::RngExt;
use reqwest::header::CONTENT_TYPE;
use sha2::{Digest, Sha256};

use super::clock::millis;
use super::endpoints::FIRST;
use super::faults::{Duplicate, Fate, Faults};
use super::history::{Line, Phase};
use super::inner::Shared;
use super::lock;
use super::random::stream;
use super::signing::signature_header;
use super::stats::Delivery;
use super::world::events::Event;

/// The end of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Status(u16),
    /// Nothing was sent: no connection.
    NotSent,
    /// Sent, but no answer: it may have been taken or not.
    Unknown,
}

impl Answer {
    pub(crate) fn accepted(self) -> bool {
        matches!(self, Self::Status(200..=299))
    }

    pub(crate) fn status(self) -> Option<u16> {
        match self {
            Self::Status(status) => Some(status),
            Self::NotSent | Self::Unknown => None,
        }
    }
}

/// Decides the event's fate and starts its delivery.
pub(crate) fn dispatch(inner: &Shared, event: Arc<Event>) {
    elsewhere(inner, &event);
    if !lock(&inner.endpoints).first_wants(&event.kind) {
        return;
    }
    let fate = lock(&inner.faults).decide(inner.config.seed, &event.id);
    let delivery = Delivery::new(event.id.clone(), event.kind.clone(), fate.clone());
    lock(&inner.deliveries).insert(event.id.clone(), delivery);
    if fate.lost {
        let mut line = Line::new("lost", Phase::Info);
        line.event = Some(&event.id);
        inner.history.write(inner.clock.now_ms(), &line);
        return;
    }
    start(inner, event, fate);
}

/// Starts the deliveries to the endpoints beside the first: they meet no faults.
fn elsewhere(inner: &Shared, event: &Arc<Event>) {
    for id in lock(&inner.endpoints).others_wanting(&event.kind, event.account.is_some()) {
        let to = To::Other(id);
        let fate = Faults::default().decide(inner.config.seed, &event.id);
        let delivery = Delivery::new(event.id.clone(), event.kind.clone(), fate);
        lock(&inner.deliveries).insert(to.key(event), delivery);
        event.pending_elsewhere.fetch_add(1, Ordering::Relaxed);
        let (shared, event) = (Arc::clone(inner), Arc::clone(event));
        inner.runtime.spawn(async move {
            until_accepted(&shared, &event, &to, false).await;
            change(&shared, &to.key(&event), |delivery| delivery.done = true);
        });
    }
}

/// An endpoint.
#[derive(Clone, Debug)]
enum To {
    First,
    Other(String),
}

/// What one attempt needs to know of its endpoint.
struct Address {
    url: Option<String>,
    version: Option<String>,
    /// None: the first's, which can be rolled.
    secret: Option<String>,
}

impl To {
    /// Under which its delivery is kept.
    fn key(&self, event: &Event) -> String {
        match self {
            Self::First => event.id.clone(),
            Self::Other(id) => format!("{}@{id}", event.id),
        }
    }

    /// None: it was disabled or deleted, which ends its retries.
    fn address(&self, inner: &Shared) -> Option<Address> {
        let id = match self {
            Self::First => FIRST,
            Self::Other(id) => id,
        };
        let endpoint = lock(&inner.endpoints).get(id).cloned()?;
        let is_first = matches!(self, Self::First);
        endpoint.enabled.then(|| Address {
            url: if is_first {
                inner.target()
            } else {
                Some(endpoint.url)
            },
            version: endpoint.api_version,
            secret: (!is_first).then_some(endpoint.secret),
        })
    }

    /// Its 2xx was seen.
    fn accepted(&self, event: &Event) {
        match self {
            Self::First => event.delivered.store(true, Ordering::Relaxed),
            Self::Other(_) => {
                event.pending_elsewhere.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

/// Sends an event again without any fault, whatever became of it before.
pub(crate) fn resend(inner: &Shared, event: Arc<Event>) {
    let clean = Faults::default().decide(inner.config.seed, &event.id);
    lock(&inner.deliveries)
        .entry(event.id.clone())
        .or_insert_with(|| Delivery::new(event.id.clone(), event.kind.clone(), clean.clone()))
        .done = false;
    start(inner, event, clean);
}

fn start(inner: &Shared, event: Arc<Event>, fate: Fate) {
    let shared = Arc::clone(inner);
    inner.runtime.spawn(async move {
        deliver(&shared, &event, &fate).await;
        change(&shared, &event.id, |delivery| delivery.done = true);
    });
}

async fn deliver(inner: &Shared, event: &Event, fate: &Fate) {
    let hold = i64::try_from(fate.hold_ms).unwrap_or(i64::MAX);
    let due = inner.clock.now_ms().saturating_add(hold);
    inner.clock.sleep_until(due).await;
    match fate.duplicate {
        Duplicate::No => until_accepted(inner, event, &To::First, fate.answer_lost).await,
        Duplicate::Concurrent => {
            let first = until_accepted(inner, event, &To::First, fate.answer_lost);
            let second = until_accepted(inner, event, &To::First, false);
            futures_util::future::join(first, second).await;
        }
        Duplicate::Afterwards => {
            until_accepted(inner, event, &To::First, fate.answer_lost).await;
            until_accepted(inner, event, &To::First, false).await;
        }
    }
}

async fn until_accepted(inner: &Shared, event: &Event, to: &To, mut lose_answer: bool) {
    let policy = inner.config.delivery;
    let mut jitter = stream(inner.config.seed, &format!("backoff/{}", event.id));
    let ends = inner
        .clock
        .now_ms()
        .saturating_add(millis(policy.retry_for));
    let mut pause = policy.retry_base;
    loop {
        let Some(address) = to.address(inner) else {
            change(inner, &to.key(event), |delivery| delivery.gave_up = true);
            return;
        };
        let answer = attempt(inner, event, to, address, lose_answer).await;
        if answer.accepted() {
            if !lose_answer {
                to.accepted(event);
                return;
            }
            lose_answer = false;
        }
        let wait = pause.mul_f64(jitter.random_range(0.5..=1.0));
        let due = inner.clock.now_ms().saturating_add(millis(wait));
        if due <= ends {
            inner.clock.sleep_until(due).await;
        }
        // The clock may have been advanced far beyond what was due.
        if due > ends || inner.clock.now_ms() > ends {
            change(inner, &to.key(event), |delivery| delivery.gave_up = true);
            return;
        }
        pause = pause.saturating_mul(2).min(policy.retry_cap);
    }
}

/// One request with its lines in the history. A lost answer is written as `info`.
async fn attempt(
    inner: &Shared,
    event: &Event,
    to: &To,
    address: Address,
    lose_answer: bool,
) -> Answer {
    // A closed semaphore means that the fake is being stopped.
    let Ok(_permit) = inner.permits.acquire().await else {
        return Answer::NotSent;
    };
    let body = event.body(address.version.as_deref());
    let signature = match &address.secret {
        None => sign(inner, &body),
        Some(secret) => signature_header(&[secret], inner.clock.wall_s(), &body, false),
    };
    let (key, mut number) = (to.key(event), 0);
    change(inner, &key, |delivery| {
        delivery.attempts += 1;
        delivery.first_sent_ms.get_or_insert(inner.clock.now_ms());
        number = delivery.attempts;
    });
    let sha256 = hex::encode(Sha256::digest(&body));
    let mut line = Line::new("deliver", Phase::Invoke);
    line.event = Some(&event.id);
    line.attempt = Some(number);
    line.sha256 = Some(&sha256);
    line.sig = Some(&signature);
    inner.history.write(inner.clock.now_ms(), &line);
    let (answer, took) = post(inner, address.url, body, Some(&signature)).await;
    change(inner, &key, |delivery| {
        delivery.answers.push(answer.status().unwrap_or(0));
        if answer.accepted() {
            delivery.accepted += 1;
            delivery
                .first_accepted_ms
                .get_or_insert(inner.clock.now_ms());
        }
    });
    line.phase = phase(answer, lose_answer);
    line.status = answer.status();
    line.ms = Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    inner.history.write(inner.clock.now_ms(), &line);
    answer
}

pub(crate) fn phase(answer: Answer, lose_answer: bool) -> Phase {
    match answer {
        Answer::Status(200..=299) if lose_answer => Phase::Info,
        Answer::Status(200..=299) => Phase::Ok,
        Answer::Status(_) | Answer::NotSent => Phase::Fail,
        Answer::Unknown => Phase::Info,
    }
}

/// The header for a body sent now: one `v1` for each active secret.
pub(crate) fn sign(inner: &Shared, body: &[u8]) -> String {
    let v0_noise = lock(&inner.faults).v0_noise;
    let secrets = lock(&inner.secrets);
    let active = secrets.active(inner.clock.now_ms());
    signature_header(&active, inner.clock.wall_s(), body, v0_noise)
}

/// Posts a body and reads the whole answer.
pub(crate) async fn post(
    inner: &Shared,
    target: Option<String>,
    body: Vec<u8>,
    signature: Option<&str>,
) -> (Answer, Duration) {
    let begun = Instant::now();
    let Some(target) = target else {
        return (Answer::NotSent, begun.elapsed());
    };
    let mut request = inner
        .http
        .post(target)
        .timeout(inner.config.delivery.timeout)
        .header(CONTENT_TYPE, "application/json; charset=utf-8")
        .header(
            "user-agent",
            "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        )
        .body(body);
    if let Some(signature) = signature {
        request = request.header("stripe-signature", signature);
    }
    let answer = match request.send().await {
        Ok(response) => {
            let status = response.status().as_u16();
            // A status whose body never ends is no answer.
            match response.bytes().await {
                Ok(_) => Answer::Status(status),
                Err(_) => Answer::Unknown,
            }
        }
        Err(error) if error.is_connect() => Answer::NotSent,
        Err(_) => Answer::Unknown,
    };
    (answer, begun.elapsed())
}

fn change(inner: &Shared, event: &str, change: impl FnOnce(&mut Delivery)) {
    if let Some(delivery) = lock(&inner.deliveries).get_mut(event) {
        change(delivery);
    }
}
