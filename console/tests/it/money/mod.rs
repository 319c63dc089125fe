//! Shares, findings, and decisions about money. The processor's part is played by SQL here: rows
//! that folding would have written, results that it would have noted.

mod assigning;
mod audit;
mod closing;
mod expecting;
mod findings;
mod listing;
mod pages;

use crate::fixture::{Answer, Event, Ledger, run};
use crate::operating::as_role;

/// Runs `bookend` with the rights of the operators' role.
fn bookend(ledger: &Ledger, arguments: &[&str]) -> Answer {
    let url = as_role(&ledger.url, "bookend_console");
    run(arguments, &[("DATABASE_URL", &url)], b"")
}

/// A succeeded payment intent that received `received`, in euros.
fn intent(ledger: &mut Ledger, id: &str, received: i64) {
    ledger.execute(&format!(
        "INSERT INTO objects (id, type, status, amount, amount_paid, currency, fold_version,
             version, updated_by)
         VALUES ('{id}', 'payment_intent', 'succeeded', {received}, {received}, 'eur', 4, 1, 'test')"
    ));
}

/// The part of a payment that belongs to a booking, or to none where its id is empty.
fn share(ledger: &mut Ledger, object: &str, booking: &str, captured: i64, refunded: i64) {
    ledger.execute(&format!(
        "INSERT INTO object_shares (object_id, booking_id, currency, attempt, at, paid_at,
             is_finished, is_free, is_settled, captured, authorized, in_flight, settled_elsewhere,
             from_balance, credited, refunded, refund_pending_action, disputed, lost, winners)
         VALUES ('{object}', '{booking}', 'eur', 'paid', 1790000000, 1790000000, true, false, true,
             {captured}, 0, 0, 0, 0, 0, {refunded}, 0, 0, 0, 'w')"
    ));
}

/// A folded booking that was paid this much, in euros.
fn booking(ledger: &mut Ledger, id: &str, paid: i64, refunded: i64) {
    ledger.execute(&format!(
        "INSERT INTO bookings (id, status, amount, currency, amount_paid, amount_refunded,
             amount_net, payments, fold_version, version, updated_by)
         VALUES ('{id}', 'confirmed', {paid}, 'eur', {paid}, {refunded}, {paid} - {refunded}, 1, 4,
             1, 'test')"
    ));
}

/// A payment of 5000 that two bookings share, 100 of it refunded, and one of 700 without a booking.
fn balanced() -> Ledger {
    let mut ledger = Ledger::new();
    intent(&mut ledger, "pi_1", 5_000);
    intent(&mut ledger, "pi_2", 700);
    share(&mut ledger, "pi_1", "bk_1", 3_000, 100);
    share(&mut ledger, "pi_1", "bk_2", 2_000, 0);
    share(&mut ledger, "pi_2", "", 700, 0);
    booking(&mut ledger, "bk_1", 3_000, 100);
    booking(&mut ledger, "bk_2", 2_000, 0);
    ledger
}

/// A finding of folding, open.
fn finding(ledger: &mut Ledger, identity: &str, kind: &str, object: &str, booking: &str) {
    ledger.execute(&format!(
        "INSERT INTO findings (kind, confidence, evidence, object_id, booking_id, identity, scope,
             detail, found_at)
         VALUES ('{kind}', 1, '{{\"payments\": [\"pi_1\", \"pi_9\"], \"amount\": 5000}}',
             nullif('{object}', ''), nullif('{booking}', ''), '{identity}', 'booking:{booking}',
             'paid by two payments', '2026-11-01T00:00:00Z')"
    ));
}

/// A sweep with one finding that is not repaired, and one that is.
fn swept(ledger: &mut Ledger) {
    ledger.execute(
        "INSERT INTO sweeps (kind, window_from, window_to, outcome)
         VALUES ('deep', now() - interval '1 day', now(), 'planned');
         INSERT INTO findings (sweep_id, kind, confidence, evidence, event_id, booking_id)
         SELECT id, 'never_delivered', 0.6, '{\"what\": \"listed_not_in_ledger\"}', 'evt_s1', 'bk_s'
         FROM sweeps;
         INSERT INTO findings (sweep_id, kind, confidence, evidence, event_id, repaired_at)
         SELECT id, 'refused_by_us', 0.9, '{}', 'evt_s2', now() FROM sweeps",
    );
}

/// The ledger row of an event about an object, without a booking in it: its record went under the
/// object's key.
fn record_of(ledger: &mut Ledger, event: &str, object: &str) {
    let body = serde_json::json!({
        "id": event, "object": "event", "type": "payment_intent.succeeded",
        "created": 1_790_000_000, "livemode": false,
        "data": {"object": {"id": object, "object": "payment_intent", "metadata": {}}},
    });
    ledger.event(&Event {
        id: event,
        object: Some(object),
        booking: None,
        payload: body.to_string().as_bytes(),
        ..Event::default()
    });
}
