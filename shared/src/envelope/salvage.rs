//! What a body that is no event still shows of itself: enough for a ledger row, and for everybody
//! to call it by the same name.

use serde::Deserialize;

use super::MAX_CREATED;
use crate::ids::EventId;

/// Longest type that is believed, bytes.
const MAX_TYPE_BYTES: usize = 100;

/// What could be read of a body that is no event.
#[derive(Debug, Default)]
pub struct Salvaged {
    /// Its id, if it could be an event's.
    pub id: Option<String>,
    /// Seconds since 1970; 0 where absent or absurd.
    pub created: i64,
    /// Its type, where it is one: letters, digits, dots and underscores.
    pub event_type: Option<String>,
}

/// The id, time and type of a body that is JSON but no event.
#[must_use]
pub fn salvage(body: &[u8]) -> Salvaged {
    #[derive(Deserialize)]
    struct Loose {
        id: Option<String>,
        created: Option<i64>,
    }
    let Ok(loose) = serde_json::from_slice::<Loose>(body) else {
        return Salvaged::default();
    };
    let id = loose.id.filter(|id| EventId::parse(id).is_ok());
    let created = loose.created.filter(|at| (0..=MAX_CREATED).contains(at));
    Salvaged {
        id,
        created: created.unwrap_or(0),
        event_type: event_type(body),
    }
}

fn event_type(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Typed {
        r#type: String,
    }
    let typed: Typed = serde_json::from_slice(body).ok()?;
    let sane = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
    let known = !typed.r#type.is_empty() && typed.r#type.len() <= MAX_TYPE_BYTES;
    (known && typed.r#type.chars().all(sane)).then_some(typed.r#type)
}
