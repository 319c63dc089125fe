//! What one booking id on fifty thousand payments costs the other bookings of its partition.
//!
//! One partition is filled first: the payments that name one booking, and between them, evenly, those
//! of the others. Then a processor reads it. The rate is that of the others' events, from the first
//! that was applied to the last. The runs beside it have as many events, of which each names a
//! booking of its own. The busy booking must end held, and the money of all its payments kept.

use anyhow::{Context, ensure};
use diesel::prelude::*;
use diesel::sql_query;
use rdkafka::producer::{BaseRecord, Producer as _};
use serde_json::json;

use super::Part;
use super::drain::{Bed, Drain, Number, PATIENCE, median, rate, send, wait};
use crate::stripe::API_VERSION;

/// The share of the undisturbed rate that must be kept.
const FLOOR: f64 = 0.9;
/// Payments of the busy booking for one of another.
const SHARE: u64 = 5;

/// The part's settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Busy {
    /// Payments that name the busy booking.
    pub(super) payments: u64,
    /// Runs of each kind.
    pub(super) runs: u64,
}

impl Busy {
    /// Runs; blocks.
    ///
    /// # Errors
    /// When something could not be started, or the busy booking did not end right.
    pub(super) fn run(self) -> anyhow::Result<Part> {
        let bed = Bed::start("bench-busy")?;
        let others = self.payments / SHARE;
        println!(
            "one partition: {} payments of one booking, {others} of others; {} runs with and without",
            self.payments, self.runs
        );
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for run in 0..self.runs {
            for is_busy in [false, true] {
                let name = format!("busy_{run}_{is_busy}");
                let rate = self.once(&bed, &name, is_busy)?;
                let what = if is_busy {
                    "one booking"
                } else {
                    "each its own"
                };
                println!(
                    "  run {} {what:<16} {rate:>9.0} events/s",
                    run.saturating_add(1)
                );
                if is_busy { &mut with } else { &mut without }.push(rate);
            }
        }
        let medians = (median(&mut without), median(&mut with));
        let kept = medians.1 / medians.0;
        println!(
            "the other bookings   {:>7.0} events/s beside it, {:>7.0} without: {kept:.3}   floor {FLOOR}",
            medians.1, medians.0
        );
        Ok(Part {
            name: "busy",
            passed: kept >= FLOOR,
            result: json!({
                "payments": self.payments, "others": others, "runs": self.runs,
                "with_per_s": with, "without_per_s": without, "kept": kept, "floor": FLOOR,
            }),
        })
    }

    fn once(self, bed: &Bed, name: &str, is_busy: bool) -> anyhow::Result<f64> {
        let drain = bed.prepare(name)?;
        self.fill(&drain, is_busy)?;
        let mut processor = drain.start(bed)?;
        let mut conn = PgConnection::establish(&drain.url)?;
        let others = self.payments / SHARE;
        let of_others = "id LIKE 'evt\\_other\\_%'";
        let all = self.payments.saturating_add(others);
        wait(
            &mut conn,
            all,
            "SELECT count(*) AS n FROM events WHERE applied_at IS NOT NULL",
        )?;
        let rate = rate(&mut conn, others, of_others)?;
        if is_busy {
            self.check(&mut conn)?;
        }
        processor.terminate()?;
        Ok(rate)
    }

    /// Held, and every unit of its money in a share.
    fn check(self, conn: &mut PgConnection) -> anyhow::Result<()> {
        let held: Number = sql_query(
            "SELECT count(*) AS n FROM bookings WHERE id = 'b-busy' AND hold = 'too_many_payments'",
        )
        .get_result(conn)?;
        let kept: Number = sql_query(
            "SELECT coalesce(sum(captured), 0)::bigint AS n FROM object_shares WHERE booking_id = 'b-busy'",
        )
        .get_result(conn)?;
        let wanted = i64::try_from(self.payments.saturating_mul(100))?;
        ensure!(
            held.n == 1 && kept.n == wanted,
            "held {}, kept {} of {wanted}",
            held.n,
            kept.n
        );
        Ok(())
    }

    /// All into the first partition, in its order.
    fn fill(self, drain: &Drain, is_busy: bool) -> anyhow::Result<()> {
        let producer = drain.producer()?;
        let put = |n: &str, booking: &str| {
            let (key, body) = (booking.to_owned(), body(n, booking));
            let record = BaseRecord::to(&drain.events).partition(0);
            send(&producer, record.key(&key).payload(&body))
        };
        for n in 0..self.payments {
            let own = format!("b-own-{n}");
            let booking = if is_busy { "b-busy" } else { own.as_str() };
            put(&format!("busy_{n}"), booking)?;
            if n.checked_rem(SHARE) == Some(0) {
                let other = n / SHARE;
                put(&format!("other_{other}"), &format!("b-{other}"))?;
            }
        }
        producer.flush(PATIENCE).context("the topic was not filled")
    }
}

/// A payment of 1.00 euro that succeeded; about 2.5 KB.
fn body(n: &str, booking: &str) -> String {
    json!({
        "id": format!("evt_{n}"), "object": "event", "api_version": API_VERSION,
        "created": 1_790_000_000_u64, "livemode": false,
        "type": "payment_intent.succeeded", "pending_webhooks": 1,
        "request": {"id": null, "idempotency_key": null},
        "data": {"object": {
            "id": format!("pi_{n}"), "object": "payment_intent", "status": "succeeded",
            "amount": 100, "amount_received": 100, "currency": "eur",
            "metadata": {"booking_id": booking}, "description": "x".repeat(2_000),
        }},
    })
    .to_string()
}
