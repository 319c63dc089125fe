//! A failing booking stops alone: what waits for it, what does not, and how it ends.

mod drain;
pub(crate) mod give_up;
mod hold;

use serde_json::Value;
use testbed::services::Service;

use crate::harness::{Harness, PATIENCE, event, intent};

/// Second of the first event of every booking here.
const START: i64 = 1_790_000_000;

/// Heads are tried again soon; a named rule counts this often.
pub(crate) fn start(harness: &Harness, attempts: u32) -> Service {
    let mut service = harness
        .builder()
        .env("PARK_ATTEMPTS", attempts.to_string())
        .env("PARK_RETRY_BASE", "100ms")
        .env("PARK_RETRY_CAP", "400ms")
        .spawn(harness.dir())
        .expect("processor starts");
    service.wait_ready(PATIENCE).expect("processor is ready");
    service
}

/// A rule of the schema that the booking breaks as soon as it is paid.
pub(crate) fn block(harness: &Harness, booking: &str) {
    harness.execute(&format!(
        "ALTER TABLE bookings ADD CONSTRAINT planted CHECK (id <> '{booking}' OR amount_paid = 0) NOT VALID"
    ));
}

/// A trigger that refuses with an error that has no name for our client.
pub(crate) fn block_without_a_name(harness: &Harness, booking: &str) {
    harness.execute(&format!(
        "CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
           IF NEW.id = '{booking}' AND NEW.amount_paid > 0 THEN RAISE EXCEPTION 'planted' USING ERRCODE = 'XX001'; END IF; \
           RETURN NEW; END $$"
    ));
    harness.execute(
        "CREATE TRIGGER planted BEFORE UPDATE ON bookings FOR EACH ROW EXECUTE FUNCTION planted()",
    );
}

pub(crate) fn unblock(harness: &Harness) {
    harness.execute("ALTER TABLE bookings DROP CONSTRAINT IF EXISTS planted");
    harness.execute("DROP TRIGGER IF EXISTS planted ON bookings");
}

/// What happened to a booking's payment, in this second of its life.
pub(crate) fn step(booking: &str, second: i64, status: &str) -> Vec<u8> {
    let name = booking.replace('-', "");
    let object = intent(&format!("pi_{name}"), Some(booking), status, 500);
    let id = format!("evt_{name}_{second}");
    let kind = match status {
        "succeeded" => "payment_intent.succeeded",
        "processing" => "payment_intent.processing",
        _ => "payment_intent.created",
    };
    event(&id, START + second, kind, object, Value::Null)
}

/// A charge of that payment without a word about its booking, refunded so far.
pub(crate) fn charge(booking: &str, second: i64, refunded: i64) -> Vec<u8> {
    let name = booking.replace('-', "");
    let object = serde_json::json!({
        "id": format!("ch_{name}"), "object": "charge", "status": "succeeded", "amount": 500,
        "amount_captured": 500, "amount_refunded": refunded, "currency": "eur", "paid": true,
        "payment_intent": format!("pi_{name}"), "metadata": {},
    });
    let id = format!("evt_{name}_{second}");
    event(&id, START + second, "charge.refunded", object, Value::Null)
}

/// Events of a queue, in its order.
pub(crate) fn queue(harness: &Harness, booking: &str) -> String {
    let sql = format!(
        "SELECT string_agg(event_id, ' ' ORDER BY created, partition, \"offset\", event_id) \
         FROM parked_events WHERE booking_id = '{booking}'"
    );
    harness.text(&sql).unwrap_or_default()
}

pub(crate) fn hold(harness: &Harness, booking: &str) -> Option<String> {
    harness.text(&format!("SELECT hold FROM bookings WHERE id = '{booking}'"))
}
