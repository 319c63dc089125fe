//! What a body that is no event still shows of itself: enough for a ledger row, and for everybody
//! to call it by the same name.

use serde::Deserialize;

use super::MAX_CREATED;
use crate::ids::EventId;

#[derive(Deserialize)]
struct Loose {
    id: Option<String>,
    created: Option<i64>,
}

/// The id and time of a body that is JSON but no event: the id if it could be an event's, seconds
/// since 1970, 0 where absent or absurd.
#[must_use]
pub fn salvage(body: &[u8]) -> (Option<String>, i64) {
    let Ok(loose) = serde_json::from_slice::<Loose>(body) else {
        return (None, 0);
    };
    let id = loose.id.filter(|id| EventId::parse(id).is_ok());
    let created = loose.created.filter(|at| (0..=MAX_CREATED).contains(at));
    (id, created.unwrap_or(0))
}
