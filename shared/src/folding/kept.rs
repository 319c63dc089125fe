//! A reading as it is kept when its payload is removed.
//!
//! Invariant: nothing of a reading is lost on the way to JSON and back. An object's state keeps the
//! marks of a snapshot apart, so a snapshot's own JSON leaves them out; here they stand beside it.
//! Every later version reads what this one wrote: fields are added, never renamed.

use serde::{Deserialize, Serialize};

use super::object::{Marks, Snapshot};
use super::readings::{Link, Reading};
use crate::envelope::ObjectRef;

/// All parts of a [`Reading`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptReading {
    object: Option<KeptObject>,
    links: Vec<Link>,
    mentions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_method_type: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeptObject {
    object: ObjectRef,
    snapshot: Snapshot,
    #[serde(default)]
    marks: Marks,
}

impl From<Reading> for KeptReading {
    fn from(reading: Reading) -> Self {
        Self {
            object: reading.object.map(|(object, snapshot)| KeptObject {
                object,
                marks: snapshot.marks.clone(),
                snapshot,
            }),
            links: reading.links,
            mentions: reading.mentions,
            payment_method_type: reading.payment_method_type,
        }
    }
}

impl From<KeptReading> for Reading {
    fn from(kept: KeptReading) -> Self {
        Self {
            object: kept.object.map(|kept| {
                let snapshot = Snapshot {
                    marks: kept.marks,
                    ..kept.snapshot
                };
                (kept.object, snapshot)
            }),
            links: kept.links,
            mentions: kept.mentions,
            payment_method_type: kept.payment_method_type,
        }
    }
}
