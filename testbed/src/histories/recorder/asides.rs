//! Everything beside the events: human inputs, retrieved fields, and the finished history.

use rand::RngExt;
use serde_json::Value;

use super::Recorder;
use crate::histories::expected::Expected;
use crate::histories::shape::{OLD, without_old};
use crate::histories::{History, Input};

impl Recorder {
    /// A retrieved object has this field; events never have it.
    pub(in crate::histories) fn answer(&mut self, id: &str, name: &str, value: Value) {
        let fields = self.answers.entry(id.to_owned()).or_default();
        fields.insert(name.to_owned(), value);
    }

    /// Events alone do not tell the truth about this object: it must be retrieved.
    pub(in crate::histories) fn must_be_observed(&mut self, id: &str) {
        self.to_observe.insert(id.to_owned());
    }

    /// A person assigns a payment, now or at some earlier moment.
    pub(in crate::histories) fn assign(&mut self, object: &str, booking: Option<&str>) {
        let at_event = self.random.random_range(0..=self.events.len());
        self.ledger.hand_over(object, booking);
        self.inputs.push(Input::Assign {
            at_event,
            object: object.to_owned(),
            booking: booking.map(str::to_owned),
        });
    }

    /// A person changes the amount that is expected, now or at some earlier moment.
    pub(in crate::histories) fn amend(&mut self, booking: &str, amount: i64) {
        let at_event = self.random.random_range(0..=self.events.len());
        self.ledger.amend(booking, amount);
        self.inputs.push(Input::Amend {
            at_event,
            booking: booking.to_owned(),
            amount,
        });
    }

    pub(in crate::histories) fn finish(self) -> History {
        let mut truth = Vec::new();
        let mut expected = Vec::new();
        for (id, object) in self.objects {
            let renamed = object.get(OLD).and_then(Value::as_object).cloned();
            let mut now = without_old(object);
            let mut of = Expected::of(&now);
            // Events of the old shape have another value there than a retrieved object.
            let renamed = renamed.filter(|_| self.old_version).unwrap_or_default();
            of.fields.retain(|path, _| {
                !renamed.contains_key(path.rsplit('/').next().unwrap_or_default())
            });
            if let (Some(more), Some(now)) = (self.answers.get(&id), now.as_object_mut()) {
                now.extend(more.clone());
            }
            expected.push(of);
            truth.push(now);
        }
        History {
            scenario: self.scenario,
            old_version: self.old_version,
            events: self.events,
            truth,
            expected,
            bookings: self.ledger.bookings(),
            unassigned: self.ledger.unassigned(),
            inputs: self.inputs,
            lost: self.lost,
            to_observe: self.to_observe,
            accounts: self.accounts,
            has_burst: self.has_burst,
            has_tie: self.has_tie,
        }
    }
}
