//! What was measured, beside what it must be: as a table and as JSON.

use std::fmt;

use comfy_table::Table;
use serde_json::{Map, Value, json};

use super::candidates::{ALL, Who};
use super::cells::{Cell, Figures, Runs, median};
use super::requests::Size;

/// The ingestor's rate over the better bare append's.
const RATE: f64 = 0.95;
/// Its processor time for a request over that append's.
const CPU: f64 = 1.25;
/// Its p99 at half of the better append's rate, over that append's.
const P99: f64 = 1.2;
/// MiB at saturation with usual bodies.
const PEAK_MIB: f64 = 40.0;
/// … and with large ones: one byte budget more.
const PEAK_LARGE_MIB: f64 = 40.0 + 64.0;

/// One figure beside its bound.
#[derive(Clone, Debug, serde::Serialize)]
pub(in crate::bench) struct Verdict {
    what: String,
    value: f64,
    bound: f64,
    /// Whether it must be at least the bound, not at most.
    at_least: bool,
    /// Whether it is.
    pub(in crate::bench) kept: bool,
}

impl Verdict {
    pub(in crate::bench) fn below(what: &str, value: f64, bound: f64) -> Self {
        Self {
            what: what.to_owned(),
            value,
            bound,
            at_least: false,
            kept: value <= bound,
        }
    }

    pub(in crate::bench) fn at_least(what: &str, value: f64, bound: f64) -> Self {
        Self {
            at_least: true,
            kept: value >= bound,
            ..Self::below(what, value, bound)
        }
    }

    fn of(self, cell: Cell) -> Self {
        Self {
            what: format!("{}: {}", cell.label(), self.what),
            ..self
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.at_least { "≥" } else { "≤" };
        let word = if self.kept { "kept" } else { "MISSED" };
        write!(
            f,
            "{}: {:.3} (must be {sign} {}): {word}",
            self.what, self.value, self.bound
        )
    }
}

/// The median of a candidate's runs; not a number: it has none.
fn middle_of(runs: &Runs, who: Who, figure: fn(&Figures) -> f64) -> f64 {
    runs.get(&who)
        .map_or(f64::NAN, |runs| median(runs, figure).0)
}

/// Which of two lets more through.
fn faster(runs: &Runs, [one, other]: [Who; 2]) -> Who {
    let rate = |who| middle_of(runs, who, |figures| figures.rate);
    if rate(one) >= rate(other) { one } else { other }
}

/// Compares the ingestor with the bare append that was the faster here.
pub(in crate::bench) fn judge(cell: Cell, runs: &Runs, half: Option<&Runs>) -> Vec<Verdict> {
    let better = faster(runs, [Who::Append0, Who::Append5]);
    let ratio =
        |runs: &Runs, figure| middle_of(runs, Who::Real, figure) / middle_of(runs, better, figure);
    let peak = match cell.size {
        Size::Usual => PEAK_MIB,
        Size::Large => PEAK_LARGE_MIB,
    };
    let mut verdicts = vec![
        Verdict::at_least(
            "rate over the better append's",
            ratio(runs, |f| f.rate),
            RATE,
        ),
        Verdict::below(
            "processor time over that append's",
            ratio(runs, |f| f.cpu_s_per_1000),
            CPU,
        ),
        Verdict::below(
            "memory, MiB",
            middle_of(runs, Who::Real, |f| f.peak_mib),
            peak,
        ),
    ];
    if let Some(half) = half {
        verdicts.push(Verdict::below(
            "p99 at half of its rate over that append's",
            ratio(half, |f| f.p99_ms),
            P99,
        ));
    }
    verdicts
        .into_iter()
        .map(|verdict| verdict.of(cell))
        .collect()
}

/// Prints one cell.
pub(in crate::bench) fn print(
    nodes: usize,
    cell: Cell,
    runs: &Runs,
    half: Option<&Runs>,
    verdicts: &[Verdict],
) {
    println!("\n{nodes} broker(s), {}, saturated:", cell.label());
    println!("{}", table(runs));
    if let Some(half) = half {
        println!("at half of the better append's rate:");
        println!("{}", table(half));
    }
    for verdict in verdicts {
        println!("  {verdict}");
    }
    println!("  {}", beside_its_record(runs));
}

/// How much of a miss is the record's: no floor, it tells where to look. (The bare append has a router
/// and the client library's own polling thread, which the ingestor has not.)
fn beside_its_record(runs: &Runs) -> String {
    let same = faster(runs, [Who::Record0, Who::Record5]);
    let ratio = |figure| middle_of(runs, Who::Real, figure) / middle_of(runs, same, figure);
    format!(
        "beside the better bare append of the same record: rate {:.3}, processor time {:.3}",
        ratio(|figures| figures.rate),
        ratio(|figures| figures.cpu_s_per_1000)
    )
}

fn table(runs: &Runs) -> Table {
    let mut table = Table::new();
    table.set_header([
        "",
        "requests/s",
        "± %",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "cpu s/1,000",
        "peak MiB",
    ]);
    for (who, runs) in ALL.iter().filter_map(|who| Some((who, runs.get(who)?))) {
        let middle = |figure: fn(&Figures) -> f64| median(runs, figure).0;
        let (rate, spread) = median(runs, |figures| figures.rate);
        table.add_row([
            who.label().to_owned(),
            format!("{rate:.0}"),
            format!("{:.0}", spread * 50.0),
            format!("{:.1}", middle(|f| f.p50_ms)),
            format!("{:.1}", middle(|f| f.p99_ms)),
            format!("{:.1}", middle(|f| f.p999_ms)),
            format!("{:.3}", middle(|f| f.cpu_s_per_1000)),
            format!("{:.1}", middle(|f| f.peak_mib)),
        ]);
    }
    table
}

/// Every run of every candidate.
pub(in crate::bench) fn json(runs: &Runs) -> Value {
    let all = runs.iter();
    let all = all.map(|(who, runs)| (who.label().to_owned(), json!(runs)));
    Value::Object(all.collect::<Map<_, _>>())
}

/// The nearest whole number that a rate can be.
pub(in crate::bench) fn whole(value: f64) -> Option<u32> {
    format!("{value:.0}").parse().ok()
}
