//! `registrations` and `registered_intents`: read here, inserted only by the booking application.

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Text};
use diesel::{QueryResult, QueryableByName, RunQueryDsl, sql_query};
use shared::folding::graph::Key;

/// Bookings after this one that have a registration or a registered payment intent that is not
/// folded yet, at most `limit`, in their order.
///
/// # Errors
/// diesel's.
pub fn not_folded(conn: &mut PgConnection, after: &str, limit: i64) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        booking_id: String,
    }
    let rows: Vec<Row> = sql_query(
        "(SELECT booking_id FROM registrations WHERE folded_at IS NULL AND booking_id > $1 \
          ORDER BY booking_id LIMIT $2) \
         UNION \
         (SELECT booking_id FROM registered_intents WHERE folded_at IS NULL AND booking_id > $1 \
          ORDER BY booking_id LIMIT $2) \
         ORDER BY booking_id LIMIT $2",
    )
    .bind::<Text, _>(after)
    .bind::<BigInt, _>(limit)
    .load(conn)?;
    Ok(rows.into_iter().map(|row| row.booking_id).collect())
}

/// Marks what these bookings registered as folded: the first statement of the transaction that
/// folds it, which then reads it like any other.
///
/// # Errors
/// diesel's.
pub fn mark_folded(conn: &mut PgConnection, bookings: &[String]) -> QueryResult<usize> {
    let mut marked = 0_usize;
    for statement in [
        "UPDATE registrations SET folded_at = now() WHERE folded_at IS NULL AND booking_id = ANY ($1)",
        "UPDATE registered_intents SET folded_at = now() \
         WHERE folded_at IS NULL AND booking_id = ANY ($1)",
    ] {
        let rows = sql_query(statement)
            .bind::<Array<Text>, _>(bookings)
            .execute(conn)?;
        marked = marked.saturating_add(rows);
    }
    Ok(marked)
}

/// Objects that name one of these bookings, belong to it, or are registered for it, with their
/// Stripe object name.
///
/// # Errors
/// diesel's.
pub fn concerned(conn: &mut PgConnection, bookings: &[String]) -> QueryResult<Vec<(Key, String)>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        account: String,
        #[diesel(sql_type = Text)]
        id: String,
        #[diesel(sql_type = Text)]
        kind: String,
    }
    let rows: Vec<Row> = sql_query(
        "SELECT o.account, o.id, o.type AS kind FROM objects o WHERE o.booking_id = ANY ($1) \
         UNION \
         SELECT o.account, o.id, o.type FROM object_mentions m \
           JOIN objects o ON o.account = m.account AND o.id = m.object_id \
         WHERE m.booking_id = ANY ($1) \
         UNION \
         SELECT o.account, o.id, o.type FROM object_shares s \
           JOIN objects o ON o.account = s.account AND o.id = s.object_id \
         WHERE s.booking_id = ANY ($1) \
         UNION \
         SELECT coalesce(r.account, ''), i.payment_intent_id, 'payment_intent' \
         FROM registered_intents i JOIN registrations r ON r.booking_id = i.booking_id \
         WHERE i.booking_id = ANY ($1) \
         UNION \
         SELECT o.account, o.id, o.type FROM registered_intents i \
           JOIN objects o ON o.account = '' AND o.id = i.payment_intent_id \
         WHERE i.booking_id = ANY ($1)",
    )
    .bind::<Array<Text>, _>(bookings)
    .load(conn)?;
    let rows = rows.into_iter().map(|row| {
        let key = Key {
            account: row.account,
            id: row.id,
        };
        (key, row.kind)
    });
    Ok(rows.collect())
}
