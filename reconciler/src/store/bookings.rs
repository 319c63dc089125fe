//! Bookings that wait for money or are held, and the objects they hang on.

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, BigInt, Bool, Text, Timestamptz};
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

/// One booking that has waited, or has been held, too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub id: String,
    pub held: bool,
}

/// The objects of these bookings that decide what they wait for: payment intents, sessions,
/// invoices and subscriptions, and charges that are payments themselves; of a held booking every
/// object. In the order of the bookings, at most `limit`.
///
/// An object whose observation is parked is left out: another would fail as that one did. An
/// account that has disconnected is not asked.
pub fn subjects(
    connection: &mut PgConnection,
    bookings: &[Waiting],
    limit: i64,
) -> QueryResult<Vec<Subject>> {
    let ids: Vec<&str> = bookings.iter().map(|it| it.id.as_str()).collect();
    let held: Vec<bool> = bookings.iter().map(|it| it.held).collect();
    sql_query(
        // Bounds: at most `limit` bookings come in, and each way to an object begins at their ids:
        // objects_by_booking, object_shares_by_booking (whose predicate is repeated for the
        // planner) and the unique booking of registered_intents.
        "WITH late AS ( \
           SELECT * FROM unnest($1, $2) WITH ORDINALITY AS l (id, held, nth) \
         ), named AS ( \
           SELECT l.nth, l.id AS booking_id, o.account, o.id AS object_id, o.type AS object_type \
           FROM late l JOIN objects o ON o.booking_id = l.id \
           WHERE l.held OR o.type IN ( \
             'payment_intent', 'checkout.session', 'invoice', 'subscription') \
           UNION \
           SELECT l.nth, l.id, o.account, o.id, o.type \
           FROM late l JOIN object_shares s ON s.booking_id = l.id AND s.booking_id <> '' \
             JOIN objects o ON o.account = s.account AND o.id = s.object_id \
           UNION \
           SELECT l.nth, l.id, coalesce(r.account, ''), i.payment_intent_id, 'payment_intent' \
           FROM late l JOIN registered_intents i ON i.booking_id = l.id \
             LEFT JOIN registrations r ON r.booking_id = l.id \
         ) \
         SELECT n.booking_id, n.account, n.object_id, n.object_type FROM named n \
         WHERE NOT EXISTS ( \
             SELECT FROM events e WHERE e.object_id = n.object_id \
               AND coalesce(e.account, '') = n.account \
               AND e.record_kind = 'observation' AND e.disposition = 'parked') \
           AND NOT EXISTS (SELECT FROM accounts a WHERE a.id = n.account AND a.deauthorized) \
         ORDER BY n.nth, n.account, n.object_id LIMIT $3",
    )
    .bind::<Array<Text>, _>(ids)
    .bind::<Array<Bool>, _>(held)
    .bind::<BigInt, _>(limit)
    .load(connection)
}

/// The bookings with events in the window whose row is not what their last transition left: changed
/// by something else than the processor, or in part. A transition of before the newer amounts
/// lacks them: absent counts as 0. Sorted.
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
             OR coalesce((t.after ->> 'amount_authorized')::bigint, 0) <> b.amount_authorized \
             OR coalesce((t.after ->> 'amount_in_flight')::bigint, 0) <> b.amount_in_flight \
             OR coalesce((t.after ->> 'amount_settled_elsewhere')::bigint, 0) <> b.amount_settled_elsewhere \
             OR coalesce((t.after ->> 'amount_from_balance')::bigint, 0) <> b.amount_from_balance \
             OR coalesce((t.after ->> 'amount_credited')::bigint, 0) <> b.amount_credited \
             OR coalesce((t.after ->> 'amount_refund_pending_action')::bigint, 0) <> b.amount_refund_pending_action \
             OR coalesce((t.after ->> 'amount_disputed')::bigint, 0) <> b.amount_disputed \
             OR coalesce((t.after ->> 'amount_lost')::bigint, 0) <> b.amount_lost \
             OR coalesce((t.after ->> 'amount_net')::bigint, 0) <> b.amount_net \
             OR coalesce((t.after ->> 'payments')::bigint, 0) <> b.payments \
             OR t.after ->> 'hold' IS DISTINCT FROM b.hold) \
         ORDER BY b.id",
    )
    .bind::<Timestamptz, _>(at(window.from()))
    .bind::<Timestamptz, _>(at(window.to()))
    .load(connection)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}
