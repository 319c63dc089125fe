//! Payment intents that name another booking than the one they are held under.
//!
//! No event tells that an intent's metadata changed (`payment_intent.updated` does not exist), so
//! only an observation does. Invariant: a claim that the ledger's latest snapshot of the intent
//! names already is none to learn: a stronger one (an assignment, a registration) outweighs it, and
//! to publish it again would change nothing.
//!
//! Deliberately absent: deciding which booking wins; folding does.

use std::collections::BTreeMap;

use serde::Deserialize;
use shared::db::objects::StoredObject;
use shared::folding::graph::Key;
use shared::folding::{KeptReading, Reading};
use shared::kafka::producer::EventLog;

use super::look::Retrieved;
use super::view::View;
use super::{Engine, SweepError};
use crate::store::ledger::{self, Latest};

/// A booking that an object names and that the ledger does not know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewClaim {
    /// The booking that it is held under.
    pub(super) held: Option<String>,
    pub(super) claimed: String,
}

impl<L: EventLog> Engine<L> {
    /// The claims of these objects that nothing in the ledger has told.
    pub(super) async fn new_claims(
        &self,
        retrieved: &[Retrieved],
        stored: &BTreeMap<Key, StoredObject>,
    ) -> Result<BTreeMap<Key, NewClaim>, SweepError> {
        let mut claims: BTreeMap<Key, NewClaim> = retrieved
            .iter()
            .filter(|one| one.subject.object_type == "payment_intent")
            .filter_map(|one| {
                let key = one.key();
                let claim = differing(stored.get(&key)?, &one.view)?;
                Some((key, claim))
            })
            .collect();
        if claims.is_empty() {
            return Ok(claims);
        }
        let keys: Vec<Key> = claims.keys().cloned().collect();
        let latest = self
            .reader
            .store
            .run("latest_snapshots", move |connection| {
                ledger::latest(connection, &keys)
            })
            .await?;
        for (key, snapshot) in latest {
            let told = claim_of(&snapshot);
            if claims.get(&key).map(|new| &new.claimed) == told.as_ref() {
                claims.remove(&key);
            }
        }
        Ok(claims)
    }
}

/// The claim of a retrieved object that is not the booking it is held under.
fn differing(stored: &StoredObject, view: &View) -> Option<NewClaim> {
    let claimed = view.claim()?;
    let held = stored.booking_id.as_deref();
    (held != Some(claimed)).then(|| NewClaim {
        held: held.map(str::to_owned),
        claimed: claimed.to_owned(),
    })
}

/// The booking that a ledger row's snapshot names.
fn claim_of(snapshot: &Latest) -> Option<String> {
    #[derive(Deserialize)]
    struct Event {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        object: View,
    }
    if let Some(kept) = &snapshot.reading {
        let kept: KeptReading = serde_json::from_str(kept).ok()?;
        return Reading::from(kept).object?.1.fields.booking;
    }
    let view = match snapshot.is_observation {
        true => serde_json::from_slice(&snapshot.payload).ok()?,
        false => {
            serde_json::from_slice::<Event>(&snapshot.payload)
                .ok()?
                .data
                .object
        }
    };
    view.claim().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use shared::envelope::decode;
    use shared::folding::read_event;

    use super::*;

    #[test]
    fn claim_of_a_removed_payload_is_read_from_its_reading() {
        let body = r#"{"id":"evt_1","object":"event","type":"payment_intent.created","created":1,
            "data":{"object":{"object":"payment_intent","id":"pi_1","metadata":{"booking_id":"B-1"}}}}"#;
        let reading = read_event(&decode(body.as_bytes()).unwrap());
        let claim = claim_of(&Latest {
            is_observation: false,
            payload: Vec::new(),
            reading: serde_json::to_string(&KeptReading::from(reading)).ok(),
        });
        assert_eq!(claim.as_deref(), Some("B-1"));
    }

    fn told(is_observation: bool, payload: &str) -> Option<String> {
        claim_of(&Latest {
            is_observation,
            payload: payload.as_bytes().to_vec(),
            reading: None,
        })
    }

    #[test]
    fn claim_of_a_ledger_row_is_read_from_event_and_observation() {
        let object = r#"{"id":"pi_1","metadata":{"booking_id":"B-1"}}"#;
        let event = format!(r#"{{"id":"evt_1","data":{{"object":{object}}}}}"#);
        assert_eq!(told(true, object).as_deref(), Some("B-1"));
        assert_eq!(told(false, &event).as_deref(), Some("B-1"));
        assert_eq!(told(false, object), None);
        assert_eq!(told(true, "no JSON"), None);
    }
}
