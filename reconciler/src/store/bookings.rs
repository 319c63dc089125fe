//! Bookings that wait for money or are held, and the objects they hang on.

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Double, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName, RunQueryDsl, sql_query};
use shared::windows::Window;

use super::at;

/// One object of a booking that is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Subject {
    #[diesel(sql_type = Text)]
    pub booking_id: String,
    /// Empty: our own account.
    #[diesel(sql_type = Text)]
    pub account: String,
    #[diesel(sql_type = Text)]
    pub object_id: String,
    #[diesel(sql_type = Text)]
    pub object_type: String,
}

/// What to look at of bookings that have waited, or been held, longer than `age` seconds: of those
/// that wait the payment intents, and the sessions that have none yet, registrations without any
/// event included; of those that are held every object. Longest waiting first, at most `limit`;
/// `skip` are booking ids that were looked at too recently.
///
/// An object whose observation is parked is left out: another would fail as that one did.
pub fn waiting(
    connection: &mut PgConnection,
    age: f64,
    skip: &[String],
    limit: i64,
) -> QueryResult<Vec<Subject>> {
    sql_query(
        "WITH late AS ( \
           SELECT b.id, b.updated_at AS since, b.hold IS NOT NULL AS held FROM bookings b \
           WHERE (b.status IN ('pending', 'processing', 'requires_action') OR b.hold IS NOT NULL) \
             AND b.updated_at < now() - make_interval(secs => $1) AND b.id <> ALL($2) \
           UNION ALL \
           SELECT r.booking_id, r.registered_at, false FROM registrations r \
           WHERE r.registered_at < now() - make_interval(secs => $1) \
             AND r.booking_id <> ALL($2) \
             AND NOT EXISTS (SELECT 1 FROM bookings b WHERE b.id = r.booking_id) \
         ), candidates AS ( \
           SELECT l.id AS booking_id, l.since, o.account, o.id AS object_id, o.type AS object_type \
           FROM late l JOIN objects o ON o.booking_id = l.id \
           WHERE l.held OR o.type IN ('payment_intent', 'checkout.session') \
           UNION \
           SELECT l.id, l.since, coalesce(r.account, ''), r.payment_intent_id, 'payment_intent' \
           FROM late l JOIN registrations r ON r.booking_id = l.id \
           WHERE r.payment_intent_id IS NOT NULL \
         ) \
         SELECT c.booking_id, c.account, c.object_id, c.object_type FROM candidates c \
         WHERE NOT EXISTS ( \
           SELECT 1 FROM events e WHERE e.object_id = c.object_id \
             AND coalesce(e.account, '') = c.account \
             AND e.record_kind = 'observation' AND e.disposition = 'parked') \
         ORDER BY c.since, c.booking_id, c.object_id LIMIT $3",
    )
    .bind::<Double, _>(age)
    .bind::<Array<Text>, _>(skip)
    .bind::<BigInt, _>(limit)
    .load(connection)
}

/// The bookings with events in the window whose row is not what their last transition left: changed
/// by something else than the processor, or in part. Sorted.
pub fn differing_from_history(
    connection: &mut PgConnection,
    window: Window,
) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = Text)]
        id: String,
    }
    let rows: Vec<Id> = sql_query(
        "SELECT b.id FROM bookings b \
         LEFT JOIN LATERAL ( \
           SELECT t.version, t.after FROM booking_transitions t \
           WHERE t.booking_id = b.id ORDER BY t.version DESC LIMIT 1 \
         ) t ON true \
         WHERE b.version > 0 \
           AND EXISTS (SELECT 1 FROM events e WHERE e.booking_id = b.id \
                       AND e.created >= $1 AND e.created < $2) \
           AND (t.version IS DISTINCT FROM b.version \
             OR t.after ->> 'status' IS DISTINCT FROM b.status \
             OR (t.after ->> 'amount')::bigint IS DISTINCT FROM b.amount \
             OR t.after ->> 'currency' IS DISTINCT FROM b.currency \
             OR (t.after ->> 'amount_paid')::bigint IS DISTINCT FROM b.amount_paid \
             OR (t.after ->> 'amount_refunded')::bigint IS DISTINCT FROM b.amount_refunded \
             OR t.after ->> 'hold' IS DISTINCT FROM b.hold) \
         ORDER BY b.id",
    )
    .bind::<Timestamptz, _>(at(window.from()))
    .bind::<Timestamptz, _>(at(window.to()))
    .load(connection)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}
