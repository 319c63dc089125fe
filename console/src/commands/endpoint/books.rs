//! What the reconciler is to take for ours among the endpoints: a person's word, written down.

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, Bool, Nullable, Text};
use diesel::{RunQueryDsl as _, sql_query};

use crate::endpoint::Listed;
use crate::failure::Failure;

/// What is there now is ours and as it shall be: a later difference is an alarm. `url`: its address
/// where Stripe's answer has none.
///
/// # Errors
/// The database's.
pub(crate) fn accept(db: &mut PgConnection, url: &str, now: &Listed) -> Result<(), Failure> {
    sql_query(
        "INSERT INTO webhook_endpoints AS e (id, url, status, api_version, enabled_events, livemode,
             ours, accepted_url, accepted_version, accepted_events)
         VALUES ($1, $2, $3, $4, $5, $6, true, $2, $4, $5)
         ON CONFLICT (id) DO UPDATE
             SET url = excluded.url, status = excluded.status, api_version = excluded.api_version,
                 enabled_events = excluded.enabled_events, livemode = excluded.livemode, ours = true,
                 accepted_url = excluded.accepted_url,
                 accepted_version = excluded.accepted_version,
                 accepted_events = excluded.accepted_events, seen_at = now(), gone_at = NULL",
    )
    .bind::<Text, _>(&now.id)
    .bind::<Text, _>(if now.url.is_empty() { url } else { &now.url })
    .bind::<Text, _>(&now.status)
    .bind::<Nullable<Text>, _>(&now.api_version)
    .bind::<Array<Text>, _>(&now.enabled_events)
    .bind::<Bool, _>(now.livemode)
    .execute(db)
    .map(drop)
    .map_err(|source| Failure::Query {
        doing: "accepting the endpoint",
        source,
    })
}

/// The endpoint is none of ours any more: that it is disabled or gone is no alarm.
///
/// # Errors
/// The database's.
pub(crate) fn retire(db: &mut PgConnection, id: &str) -> Result<(), Failure> {
    sql_query(
        "UPDATE webhook_endpoints SET ours = false, accepted_url = NULL, accepted_version = NULL,
             accepted_events = NULL
         WHERE id = $1 AND (ours OR accepted_url IS NOT NULL)",
    )
    .bind::<Text, _>(id)
    .execute(db)
    .map(drop)
    .map_err(|source| Failure::Query {
        doing: "retiring the endpoint",
        source,
    })
}
