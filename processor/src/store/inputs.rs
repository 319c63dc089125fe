//! What operators put in: `assignments`, `amendments`, `finding_closures`. Insert-only.

use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{QueryResult, RunQueryDsl, sql_query};

/// Which booking an object belongs to; none: no booking. Written before, it stays as it is.
///
/// # Errors
/// diesel's.
pub fn assign(
    conn: &mut PgConnection,
    (account, object_id): (&str, &str),
    booking_id: Option<&str>,
    action_id: &str,
) -> QueryResult<usize> {
    sql_query(
        "INSERT INTO assignments (account, object_id, action_id, booking_id) \
         VALUES ($1, $2, $3, $4) ON CONFLICT ON CONSTRAINT assignments_pkey DO NOTHING",
    )
    .bind::<Text, _>(account)
    .bind::<Text, _>(object_id)
    .bind::<Text, _>(action_id)
    .bind::<Nullable<Text>, _>(booking_id)
    .execute(conn)
}

/// What a booking expects. `kind` is `amend` or `accept`; amounts are minor units.
///
/// # Errors
/// diesel's.
pub fn amend(
    conn: &mut PgConnection,
    booking_id: &str,
    kind: &str,
    (amount, currency): (i64, &str),
    action_id: &str,
) -> QueryResult<usize> {
    sql_query(
        "INSERT INTO amendments (booking_id, action_id, kind, amount, currency) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT ON CONSTRAINT amendments_pkey DO NOTHING",
    )
    .bind::<Text, _>(booking_id)
    .bind::<Text, _>(action_id)
    .bind::<Text, _>(kind)
    .bind::<BigInt, _>(amount)
    .bind::<Text, _>(currency)
    .execute(conn)
}

/// Closes a finding, whether it is open now or not; how many that were open.
///
/// # Errors
/// diesel's.
pub fn close_finding(
    conn: &mut PgConnection,
    identity: &str,
    reason: &str,
    action_id: &str,
) -> QueryResult<usize> {
    sql_query(
        "INSERT INTO finding_closures (identity, action_id, reason) VALUES ($1, $2, $3) \
         ON CONFLICT ON CONSTRAINT finding_closures_pkey DO NOTHING",
    )
    .bind::<Text, _>(identity)
    .bind::<Text, _>(action_id)
    .bind::<Text, _>(reason)
    .execute(conn)?;
    sql_query(
        "UPDATE findings SET closed_at = now(), closed_by = $2 \
         WHERE identity = $1 AND closed_at IS NULL",
    )
    .bind::<Text, _>(identity)
    .bind::<Text, _>(action_id)
    .execute(conn)
}
