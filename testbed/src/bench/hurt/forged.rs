//! Ten thousand forged requests a second beside honest ones: each costs a MAC and nothing more.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{ingestor, metric};
use crate::bench::ingest::cells::Cell;
use crate::bench::ingest::load::{Load, Pace, count};
use crate::bench::ingest::report::Verdict;
use crate::bench::proc::cpu_seconds;

/// Forged requests a second.
const FORGED: u32 = 10_000;
/// Honest ones.
const HONEST: u32 = 200;
const LASTS: Duration = Duration::from_secs(10);

pub(super) fn run(dir: &Path, brokers: &str) -> anyhow::Result<Vec<Verdict>> {
    let (service, address) = ingestor(dir, brokers)?;
    println!("\nforged: {FORGED} forged requests/s beside {HONEST} honest ones");
    let cell = Cell::usual(64);
    let honest = cell.bodies();
    let forged = honest.iter().map(|request| forge(request));
    let load = |requests, connections, rate| Load {
        address,
        requests,
        connections,
        keep_alive: true,
        pace: Pace::Steady(rate),
        lasts: LASTS,
    };
    let flood = load(Arc::new(forged.collect()), 256, FORGED);
    let honest = load(honest, 16, HONEST);
    let before = cpu_seconds(service.pid()).unwrap_or(0.0);
    let (flooded, honest) = std::thread::scope(|scope| {
        let flood = scope.spawn(|| flood.run());
        let honest = honest.run();
        (flood.join(), honest)
    });
    let flooded = flooded.map_err(|_panicked| anyhow::anyhow!("the flood ended badly"))??;
    let honest = honest?;
    let used = cpu_seconds(service.pid()).unwrap_or(0.0) - before;
    let refused = flooded.by_status.get(&400).copied().unwrap_or(0);
    let counted = metric(&service, "bookend_webhook_received_total", "hmac_mismatch");
    let stored = metric(&service, "bookend_webhook_received_total", "\"ok\"");
    println!(
        "{refused} refused ({:.0}/s), processor time {used:.1} s, honest p99 {:.1} ms",
        count(refused) / flooded.seconds,
        honest.per_mille(990)
    );
    Ok(vec![
        Verdict::below(
            "forged: p99 of the honest, ms",
            honest.per_mille(990),
            1_000.0,
        ),
        Verdict::below("forged: honest not accepted", count(honest.others()), 0.0),
        Verdict::at_least(
            "forged: refused, of those sent",
            count(refused) / f64::from(FORGED) / LASTS.as_secs_f64(),
            0.999,
        ),
        Verdict::below(
            "forged: refused but not counted as such",
            (counted - count(refused)).abs(),
            0.0,
        ),
        Verdict::below(
            "forged: stored beside the honest",
            stored - count(honest.accepted_us.len()),
            0.0,
        ),
    ])
}

/// The request with the last digit of its MAC changed.
fn forge(request: &[u8]) -> Vec<u8> {
    let mut forged = request.to_vec();
    let at = forged.windows(4).position(|four| four == b",v1=");
    if let Some(digit) = at.and_then(|at| forged.get_mut(at.saturating_add(67))) {
        *digit = if *digit == b'0' { b'1' } else { b'0' };
    }
    forged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forged_request_differs_in_one_digit_of_its_mac() {
        let request = b"Stripe-Signature: t=1,v1=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nX: y";
        let forged = forge(request);
        let differ = request.iter().zip(&forged).filter(|(a, b)| a != b).count();
        assert_eq!(differ, 1);
        assert!(forged.windows(5).any(|five| five == b"aaa0\r"));
    }
}
