//! What one poisoned and one blocked booking cost the other 998.
//!
//! The topic is filled first, the bookings' events interleaved; then a processor reads it. The rate
//! is that of the other bookings' events, from the first that was applied to the last. Runs with
//! and without trouble alternate, each in a database and topics of its own. After a run with
//! trouble the rule is lifted, and the blocked booking must end right, in order.

use anyhow::{Context, ensure};
use diesel::prelude::*;
use diesel::sql_query;
use rdkafka::producer::{BaseRecord, Producer as _};
use serde_json::json;

use super::Part;
use super::drain::{Bed, Drain, Number, PATIENCE, median, rate, send, wait};
use crate::stack::postgres::execute;
use crate::stripe::API_VERSION;

const BOOKINGS: u64 = 1_000;
/// Its second event breaks a rule of the schema.
const BLOCKED: u64 = 0;
/// None of its events can be read.
const POISONED: u64 = 1;
/// The share of the undisturbed rate that must be kept.
const FLOOR: f64 = 0.95;

/// The part's settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parking {
    /// Events of each booking.
    pub(super) events: u64,
    /// Runs of each kind.
    pub(super) runs: u64,
}

impl Parking {
    /// Runs; blocks.
    ///
    /// # Errors
    /// When something could not be started, or a booking did not end right.
    pub(super) fn run(self) -> anyhow::Result<Part> {
        let bed = Bed::start("bench-parking")?;
        println!(
            "{BOOKINGS} bookings of {} events; one poisoned, one blocked; {} runs with and without",
            self.events, self.runs
        );
        let (mut without, mut troubled) = (Vec::new(), Vec::new());
        for run in 0..self.runs {
            for trouble in [false, true] {
                let name = format!("bench_{run}_{trouble}");
                let rate = self.once(&bed, &name, trouble)?;
                println!(
                    "  run {} {:<16} {rate:>9.0} events/s",
                    run.saturating_add(1),
                    if trouble { "with trouble" } else { "without" }
                );
                if trouble { &mut troubled } else { &mut without }.push(rate);
            }
        }
        let medians = (median(&mut without), median(&mut troubled));
        let kept = medians.1 / medians.0;
        println!(
            "the other {} bookings   {:>7.0} events/s with, {:>7.0} without: {kept:.3}   floor {FLOOR}",
            BOOKINGS.saturating_sub(2),
            medians.1,
            medians.0
        );
        Ok(Part {
            name: "parking",
            passed: kept >= FLOOR,
            result: json!({
                "bookings": BOOKINGS, "events_each": self.events, "runs": self.runs,
                "with_per_s": troubled, "without_per_s": without, "kept": kept, "floor": FLOOR,
            }),
        })
    }

    fn once(self, bed: &Bed, name: &str, trouble: bool) -> anyhow::Result<f64> {
        let drain = bed.prepare(name)?;
        let url = drain.url.clone();
        if trouble {
            execute(
                &url,
                &format!(
                    "ALTER TABLE bookings ADD CONSTRAINT planted \
                     CHECK (id <> 'b-{BLOCKED}' OR status = 'pending')"
                ),
            )?;
        }
        self.fill(&drain, trouble)?;
        let mut processor = drain.start(bed)?;
        let mut conn = PgConnection::establish(&url)?;
        let others = BOOKINGS.saturating_sub(2).saturating_mul(self.events);
        let of_others = format!("booking_id NOT IN ('b-{BLOCKED}', 'b-{POISONED}')");
        wait(
            &mut conn,
            others,
            &format!(
                "SELECT count(*) AS n FROM events WHERE applied_at IS NOT NULL AND {of_others}"
            ),
        )?;
        let rate = rate(&mut conn, others, &of_others)?;
        if trouble {
            self.release(&mut conn, &url)?;
        }
        processor.terminate()?;
        Ok(rate)
    }

    /// Lifts the rule; the blocked booking must then end right, its events applied in order.
    fn release(self, conn: &mut PgConnection, url: &str) -> anyhow::Result<()> {
        wait(
            conn,
            self.events,
            &format!("SELECT count(*) AS n FROM dead_letters WHERE key = 'b-{POISONED}'"),
        )?;
        let parked = self.events.saturating_sub(1);
        wait(
            conn,
            parked,
            &format!("SELECT count(*) AS n FROM parked_events WHERE booking_id = 'b-{BLOCKED}'"),
        )?;
        execute(url, "ALTER TABLE bookings DROP CONSTRAINT planted")?;
        wait(
            conn,
            1,
            &format!(
                "SELECT count(*) AS n FROM bookings WHERE id = 'b-{BLOCKED}' AND status = 'confirmed' \
             AND hold IS NULL AND amount_paid = 5000"
            ),
        )?;
        let unordered: Number = sql_query(format!(
            "SELECT count(*) AS n FROM (SELECT created - lag(created) OVER (ORDER BY apply_seq) AS step \
             FROM events WHERE booking_id = 'b-{BLOCKED}') s WHERE step < interval '0'"
        ))
        .get_result(conn)?;
        ensure!(
            unordered.n == 0,
            "the blocked booking was applied out of order"
        );
        Ok(())
    }

    /// Every booking's events, interleaved.
    fn fill(self, drain: &Drain, trouble: bool) -> anyhow::Result<()> {
        let producer = drain.producer()?;
        for step in 0..self.events {
            for booking in 0..BOOKINGS {
                let mut body = body(booking, step, step.saturating_add(1) == self.events);
                if trouble && booking == POISONED {
                    body.truncate(body.len() / 2);
                }
                let key = format!("b-{booking}");
                send(
                    &producer,
                    BaseRecord::to(&drain.events).key(&key).payload(&body),
                )?;
            }
        }
        producer.flush(PATIENCE).context("the topic was not filled")
    }
}

/// Made, then processing for a while, then paid; about 2.5 KB.
fn body(booking: u64, step: u64, last: bool) -> String {
    let (kind, status, received) = match (step, last) {
        (0, _) => ("created", "requires_payment_method", 0),
        (_, false) => ("processing", "processing", 0),
        (_, true) => ("succeeded", "succeeded", 5_000),
    };
    json!({
        "id": format!("evt_{booking}_{step}"), "object": "event", "api_version": API_VERSION,
        "created": 1_790_000_000_u64.saturating_add(step), "livemode": false,
        "type": format!("payment_intent.{kind}"), "pending_webhooks": 1,
        "request": {"id": null, "idempotency_key": null},
        "data": {"object": {
            "id": format!("pi_{booking}"), "object": "payment_intent", "status": status,
            "amount": 5_000, "amount_received": received, "currency": "eur",
            "metadata": {"booking_id": format!("b-{booking}")}, "description": "x".repeat(2_000),
        }},
    })
    .to_string()
}
