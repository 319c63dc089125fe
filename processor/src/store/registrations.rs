//! `registrations`: read here, inserted only by the booking application.

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz};
use diesel::{QueryResult, RunQueryDsl, sql_query};

/// A registration as stored.
#[derive(Debug, Clone, diesel::QueryableByName)]
pub struct StoredRegistration {
    /// The booking.
    #[diesel(sql_type = Text)]
    pub booking_id: String,
    /// Minor units.
    #[diesel(sql_type = BigInt)]
    pub amount: i64,
    /// Three lower-case letters.
    #[diesel(sql_type = Text)]
    pub currency: String,
    /// The payment intent that will pay it.
    #[diesel(sql_type = Nullable<Text>)]
    pub payment_intent_id: Option<String>,
    /// Connected account.
    #[diesel(sql_type = Nullable<Text>)]
    pub account: Option<String>,
    /// When it was registered.
    #[diesel(sql_type = Timestamptz)]
    pub registered_at: DateTime<Utc>,
}

/// Registrations not folded yet of bookings after this one, at most `limit`, in their order.
///
/// # Errors
/// diesel's.
pub fn not_folded(
    conn: &mut PgConnection,
    after: &str,
    limit: i64,
) -> QueryResult<Vec<StoredRegistration>> {
    sql_query(
        "SELECT booking_id, amount, currency, payment_intent_id, account, registered_at \
         FROM registrations WHERE folded_at IS NULL AND booking_id > $1 \
         ORDER BY booking_id LIMIT $2",
    )
    .bind::<Text, _>(after)
    .bind::<BigInt, _>(limit)
    .load(conn)
}

/// The folded registrations of these bookings. To be read after their rows are locked.
///
/// # Errors
/// diesel's.
pub fn folded(
    conn: &mut PgConnection,
    bookings: &[String],
) -> QueryResult<Vec<StoredRegistration>> {
    sql_query(
        "SELECT booking_id, amount, currency, payment_intent_id, account, registered_at \
         FROM registrations WHERE folded_at IS NOT NULL AND booking_id = ANY ($1)",
    )
    .bind::<Array<Text>, _>(bookings)
    .load(conn)
}

/// Marks these as folded; how many were not yet.
///
/// # Errors
/// diesel's.
pub fn mark_folded(conn: &mut PgConnection, bookings: &[String]) -> QueryResult<usize> {
    sql_query(
        "UPDATE registrations SET folded_at = now() WHERE folded_at IS NULL AND booking_id = ANY ($1)",
    )
    .bind::<Array<Text>, _>(bookings)
    .execute(conn)
}

/// Objects that already claim one of these bookings, or belong to it: `(account, id, type)`.
///
/// # Errors
/// diesel's.
pub fn concerned(
    conn: &mut PgConnection,
    bookings: &[String],
) -> QueryResult<Vec<(shared::folding::graph::Key, String)>> {
    #[derive(diesel::QueryableByName)]
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
         SELECT o.account, o.id, o.type FROM object_claims c \
           JOIN objects o ON o.account = c.account AND o.id = c.object_id \
         WHERE c.booking_id = ANY ($1)",
    )
    .bind::<Array<Text>, _>(bookings)
    .load(conn)?;
    Ok(rows
        .into_iter()
        .map(|row| {
            (
                shared::folding::graph::Key {
                    account: row.account,
                    id: row.id,
                },
                row.kind,
            )
        })
        .collect())
}
