//! Is it ready, and does it live?

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
struct State {
    unready: BTreeMap<&'static str, String>,
    beats: BTreeMap<&'static str, (Instant, Duration)>,
}

/// Components that are not ready, with the reason, and heartbeats that must not stop.
#[derive(Debug, Default)]
pub struct Health(Mutex<State>);

impl Health {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This component is ready.
    pub fn set_ready(&self, component: &'static str) {
        if self.state().unready.remove(component).is_some() {
            tracing::info!(component, "ready");
        }
    }

    /// This component is not ready, because of `reason`.
    pub fn set_unready(&self, component: &'static str, reason: impl Into<String>) {
        let reason = reason.into();
        let before = self.state().unready.insert(component, reason.clone());
        if before.as_ref() != Some(&reason) {
            tracing::warn!(component, reason, "not ready");
        }
    }

    /// What is not ready, one line each; empty: all is.
    #[must_use]
    pub fn unready(&self) -> Vec<String> {
        self.state()
            .unready
            .iter()
            .map(|(part, reason)| format!("{part}: {reason}"))
            .collect()
    }

    /// A sign of life from `component`; the next is due within `within`.
    pub fn beat(&self, component: &'static str, within: Duration) {
        self.state()
            .beats
            .insert(component, (Instant::now(), within));
    }

    /// Components whose heartbeat is overdue.
    #[must_use]
    pub fn overdue(&self) -> Vec<&'static str> {
        self.state()
            .beats
            .iter()
            .filter(|(_, (at, within))| at.elapsed() > *within)
            .map(|(component, _)| *component)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_only_when_every_component_is() {
        let health = Health::default();
        health.set_unready("kafka", "warming up");
        health.set_unready("schema", "older");
        health.set_ready("kafka");
        assert_eq!(health.unready(), ["schema: older"]);
        health.set_ready("schema");
        assert!(health.unready().is_empty());
    }

    #[test]
    fn a_heartbeat_that_stops_is_overdue() {
        let health = Health::default();
        health.beat("polling", Duration::ZERO);
        health.beat("worker", Duration::from_secs(60));
        std::thread::yield_now();
        assert_eq!(health.overdue(), ["polling"]);
    }
}
