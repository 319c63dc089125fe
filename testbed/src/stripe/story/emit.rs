//! The events that Stripe makes of a change, and the faults in making them.

use serde_json::{Value, json};

use super::super::model::kinds::url_of;
use super::super::model::text;
use super::super::world::{NewEvent, NewThin};
use super::play::Stage;

impl Stage<'_> {
    /// Makes an event of an object as it now stands. `previous` only where Stripe shows it.
    pub(crate) fn emit(&mut self, kind: &str, object_id: &str, previous: Option<&Value>) {
        let object = self.object(object_id);
        let event_id = self.mint(event_prefix(&object), 23);
        if self.faults.ungenerated(self.seed, &event_id) {
            return self.emit_failure(kind, &object);
        }
        let twin = self
            .faults
            .twin(self.seed, &event_id)
            .then(|| self.mint(event_prefix(&object), 23));
        for id in std::iter::once(event_id).chain(twin) {
            let hidden = self.faults.invisible_ms(self.seed, &id);
            let visible_ms = self
                .now_s
                .saturating_mul(1000)
                .saturating_add(i64::try_from(hidden).unwrap_or(i64::MAX));
            let is_paired = self.faults.thin(self.seed, &id);
            let event = self.world.emit(NewEvent {
                id: id.clone(),
                kind,
                object: &object,
                previous,
                created: self.now_s,
                account: self.play.plan.booking.account.as_deref(),
                livemode: self.livemode,
                request: self.request.clone(),
                visible_ms,
                version: self.play.plan.version,
                ties: self.ties(&object),
            });
            self.events.push(event);
            if is_paired {
                self.emit_thin(&format!("v1.{kind}"), Some(&object), Some(&id), None);
            }
        }
    }

    /// Stripe could not make an event, and says so later (docs.stripe.com/webhooks/
    /// event-generation-failures).
    fn emit_failure(&mut self, kind: &str, object: &Value) {
        let (name, id) = (text(object, "object"), text(object, "id"));
        let impact = json!({"impact": {"event_type": kind, "related_object_id": id,
            "related_object_url": url_of(name, id)}});
        let failure = "v2.core.health.event_generation_failure.resolved";
        self.emit_thin(failure, None, None, Some(impact));
    }

    fn emit_thin(
        &mut self,
        kind: &str,
        related: Option<&Value>,
        snapshot: Option<&str>,
        data: Option<Value>,
    ) {
        let id = self.mint("evt_65", 23);
        let event = self.world.emit_thin(NewThin {
            id,
            kind,
            related,
            created: self.now_s,
            account: self.play.plan.booking.account.as_deref(),
            livemode: self.livemode,
            snapshot,
            data,
        });
        self.events.push(event);
    }
}

/// Events about payments begin with a 3, all others with a 1, as on Stripe.
fn event_prefix(object: &Value) -> &'static str {
    match text(object, "object") {
        "payment_intent" | "charge" | "refund" => "evt_3",
        _ => "evt_1",
    }
}
