//! Rows as the processor would have written them, for tests that need no processor.

use serde_json::{Value, json};
use shared::envelope::decode_observation;
use shared::folding::{Columns, ObjectState, read_observation};

use testbed::stripe::Booking;

use super::Rig;

/// An object of `booking`, folded from what Stripe would have answered for it at second `at`.
pub(crate) fn believe(rig: &Rig, account: &str, booking: &str, object: &Value, at: i64) {
    let body = object.to_string().into_bytes();
    let observed = decode_observation(&body).unwrap();
    let (reference, snapshot) = read_observation(&observed, "obs_before", at)
        .object
        .unwrap();
    let mut state = ObjectState::default();
    state.join(snapshot);
    let columns = Columns::of(&state);
    let text = |value: &Option<String>| {
        value
            .as_ref()
            .map_or("NULL".to_owned(), |text| format!("'{text}'"))
    };
    let number = |value: Option<i64>| value.map_or("NULL".to_owned(), |number| number.to_string());
    rig.database.execute(&format!(
        "INSERT INTO objects (account, id, type, status, amount, amount_paid, amount_refunded, \
         currency, customer, settled, state, booking_id, version, updated_by) VALUES \
         ('{account}', '{}', '{}', {}, {}, {}, {}, {}, {}, {}, '{}', '{booking}', 1, 'test')",
        reference.id,
        reference.kind,
        text(&columns.status),
        number(columns.amount),
        number(columns.amount_paid),
        number(columns.amount_refunded),
        text(&columns.currency),
        text(&columns.customer),
        columns.settled,
        json!(state),
    ));
}

/// A booking's row, last changed an hour ago.
pub(crate) fn booking(rig: &Rig, id: &str, status: &str, hold: Option<&str>) {
    let hold = hold.map_or("NULL".to_owned(), |hold| format!("'{hold}'"));
    rig.database.execute(&format!(
        "INSERT INTO bookings (id, status, hold, version, updated_at, updated_by) \
         VALUES ('{id}', '{status}', {hold}, 1, now() - interval '1 hour', 'test')"
    ));
}

/// Every check that was put off is due now.
pub(crate) fn all_due(rig: &Rig) {
    rig.database
        .execute("UPDATE booking_checks SET due_at = now() WHERE due_at IS NOT NULL");
}

/// Bookings are searched from the beginning: no walk finds what a test dates back behind it.
pub(crate) fn search_anew(rig: &Rig) {
    rig.database
        .execute("DELETE FROM cursors WHERE sweep LIKE 'pending%'");
}

/// What the booking application expects of these bookings.
pub(crate) fn register(rig: &Rig, bookings: &[Booking]) {
    for booking in bookings {
        // Some are known by the intent that they are registered with, and by nothing else.
        let intent = booking.payment_intent.as_ref();
        let intent = intent.map_or_else(|| "NULL".to_owned(), |id| format!("'{id}'"));
        rig.database.execute(&format!(
            "SELECT register_booking('{}', {}, '{}', {intent})",
            booking.id, booking.amount, booking.currency
        ));
    }
}
