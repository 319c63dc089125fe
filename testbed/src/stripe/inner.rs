//! What the server, the stories and the deliveries of one fake share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::sync::Semaphore;

use super::api::idempotency::Answered;
use super::clock::Clock;
use super::conductor::Score;
use super::config::FakeConfig;
use super::endpoints::Endpoints;
use super::faults::{ApiFaults, Faults};
use super::history::History;
use super::lock;
use super::signing::Secrets;
use super::stats::{Delivery, Stats};
use super::truth::{Truth, of_world};
use super::world::World;

/// Locks are held for moments, never across an await, and never two at once except `world`
/// before `faults` and `answered` before `endpoints`.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: FakeConfig,
    pub(crate) clock: Clock,
    pub(crate) world: Mutex<World>,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) api_faults: Mutex<ApiFaults>,
    /// What the last list answered, for a fault that repeats it.
    pub(crate) last_page: Mutex<Option<Value>>,
    pub(crate) secrets: Mutex<Secrets>,
    pub(crate) target: Mutex<Option<String>>,
    pub(crate) endpoints: Mutex<Endpoints>,
    pub(crate) answered: Mutex<Answered>,
    pub(crate) deliveries: Mutex<BTreeMap<String, Delivery>>,
    /// Planned orders that wait for `play`.
    pub(crate) held: Mutex<Vec<Score>>,
    pub(crate) history: History,
    pub(crate) http: reqwest::Client,
    pub(crate) permits: Semaphore,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) illegal_steps: AtomicU64,
    pub(crate) api_reads: AtomicU64,
    /// Numbers requests and events put in by hand.
    pub(crate) requests: AtomicU64,
}

impl Inner {
    pub(crate) fn truth(&self) -> Truth {
        of_world(&lock(&self.world))
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut stats = Stats {
            illegal_steps: self.illegal_steps.load(Ordering::Relaxed),
            api_reads: self.api_reads.load(Ordering::Relaxed),
            ..Stats::default()
        };
        {
            let world = lock(&self.world);
            let types: BTreeSet<&str> = world.events.all().map(|e| e.kind.as_str()).collect();
            stats.events = u64::try_from(world.events.len()).unwrap_or(u64::MAX);
            stats.types = u64::try_from(types.len()).unwrap_or(u64::MAX);
            let running = world.plays.iter().filter(|play| !play.finished()).count();
            stats.stories_running = u64::try_from(running).unwrap_or(u64::MAX);
        }
        for delivery in lock(&self.deliveries).values() {
            stats.add(delivery);
        }
        stats
    }

    pub(crate) fn target(&self) -> Option<String> {
        lock(&self.target).clone()
    }

    pub(crate) fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }
}

pub(crate) type Shared = Arc<Inner>;
