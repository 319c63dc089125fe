//! What sweeps found, and what the processor found while it folded.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Bool, Float, Nullable, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};
use serde::Serialize;

use super::{JsonText, rows};
use crate::args::SweepFindings;
use crate::failure::Failure;

/// One difference.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct FindingRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    /// None: found by the processor.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) sweep_id: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) plan_id: Option<String>,
    #[diesel(sql_type = Text)]
    pub(crate) kind: String,
    #[diesel(sql_type = Float)]
    pub(crate) confidence: f32,
    #[diesel(sql_type = Text)]
    pub(crate) evidence: JsonText,
    #[diesel(sql_type = Text)]
    pub(crate) account: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) event_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) object_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) booking_id: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) found_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) repaired_at: Option<DateTime<Utc>>,
}

/// Findings that match all filters, the newest first.
pub(crate) fn list(
    db: &mut PgConnection,
    filter: &SweepFindings,
) -> Result<Vec<FindingRow>, Failure> {
    let query = sql_query(
        "SELECT id, sweep_id, plan_id, kind, confidence, evidence::text AS evidence, account,
             event_id, object_id, booking_id, found_at, repaired_at
         FROM findings
         WHERE ($1 OR repaired_at IS NULL) AND ($2 IS NULL OR kind = $2)
           AND ($3 IS NULL OR booking_id = $3) AND ($4 IS NULL OR event_id = $4)
           AND ($5 IS NULL OR sweep_id = $5) AND ($6 IS NULL OR plan_id = $6)
           AND ($7 IS NULL OR found_at >= $7)
         ORDER BY found_at DESC, id DESC LIMIT $8",
    )
    .bind::<Bool, _>(filter.all)
    .bind::<Nullable<Text>, _>(filter.kind.as_deref())
    .bind::<Nullable<Text>, _>(filter.booking.as_ref().map(ToString::to_string))
    .bind::<Nullable<Text>, _>(filter.event.as_ref().map(ToString::to_string))
    .bind::<Nullable<BigInt>, _>(filter.sweep)
    .bind::<Nullable<Text>, _>(filter.plan.as_deref())
    .bind::<Nullable<Timestamptz>, _>(filter.since)
    .bind::<BigInt, _>(i64::from(filter.limit));
    rows(db, "reading the findings", query)
}
