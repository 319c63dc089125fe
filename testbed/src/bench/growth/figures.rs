//! Figures at each size, and whether each keeps its floor: pure.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

/// The share of a rate at the first size that must be kept; a time may grow as much.
pub(super) const FLOOR: f64 = 0.8;
/// Times below this are not compared, in milliseconds: they are the machine's noise.
pub(super) const MIN_COMPARED_MS: f64 = 10.0;

/// The unit of a figure, and its floor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// A second; more is better.
    Rate,
    /// A rate without a floor.
    Shown,
    /// Milliseconds; less is better. With the most that is allowed whatever it was before.
    Time { max_ms: f64 },
}

/// One figure at one size.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) value: f64,
}

impl Figure {
    pub(super) fn rate(name: impl Into<String>, value: f64) -> Self {
        let (name, kind) = (name.into(), Kind::Rate);
        Self { name, kind, value }
    }

    /// A rate that is printed and has no floor.
    pub(super) fn shown(name: impl Into<String>, value: f64) -> Self {
        let (name, kind) = (name.into(), Kind::Shown);
        Self { name, kind, value }
    }

    /// A time that is compared only with itself.
    pub(super) fn time(name: impl Into<String>, value: f64) -> Self {
        Self::bounded(name, value, f64::INFINITY)
    }

    pub(super) fn bounded(name: impl Into<String>, value: f64, max_ms: f64) -> Self {
        let (name, kind) = (name.into(), Kind::Time { max_ms });
        Self { name, kind, value }
    }

    /// True: it keeps its floor beside the same figure at the first size.
    pub(super) fn keeps(&self, first: f64) -> bool {
        match self.kind {
            Kind::Rate => self.value >= FLOOR * first,
            Kind::Shown => true,
            Kind::Time { max_ms } => {
                let grew = self.value > (first / FLOOR).max(MIN_COMPARED_MS);
                !grew && self.value <= max_ms
            }
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Rate | Kind::Shown => write!(f, "{:>10.0}/s ", self.value),
            Kind::Time { .. } => write!(f, "{:>10.2} ms", self.value),
        }
    }
}

/// The figures of all sizes.
#[derive(Debug, Default)]
pub(super) struct Report {
    sizes: Vec<u64>,
    columns: Vec<Vec<Figure>>,
}

impl Report {
    pub(super) fn add(&mut self, events: u64, figures: Vec<Figure>) {
        self.sizes.push(events);
        self.columns.push(figures);
    }

    /// The values of one figure, one for each size that has it, and whether all keep their floor.
    fn line(&self, name: &str) -> (Vec<&Figure>, bool) {
        let of = |column: &'_ Vec<Figure>| column.iter().position(|figure| figure.name == name);
        let all: Vec<&Figure> = self
            .columns
            .iter()
            .filter_map(|column| column.get(of(column)?))
            .collect();
        let first = all.first().map_or(f64::NAN, |figure| figure.value);
        let kept = all.iter().all(|figure| figure.keeps(first));
        (all, kept)
    }

    fn names(&self) -> Vec<&str> {
        let first = self.columns.first().map(Vec::as_slice).unwrap_or_default();
        first.iter().map(|figure| figure.name.as_str()).collect()
    }

    /// Prints a line for each figure; whether all are kept.
    pub(super) fn print(&self) -> bool {
        let sizes: String = self.sizes.iter().map(|n| format!("{n:>13}")).collect();
        println!(
            "{:<58}{sizes}   floor {FLOOR} of the first",
            "figure, at so many events"
        );
        let mut passed = true;
        for name in self.names() {
            let (all, kept) = self.line(name);
            let values: String = all.iter().map(ToString::to_string).collect();
            let verdict = match (kept, all.first().map(|figure| figure.kind)) {
                (_, Some(Kind::Shown)) => "no floor",
                (true, _) => "kept",
                (false, _) => "MISSED",
            };
            println!("{name:<58}{values}   {verdict}");
            passed &= kept;
        }
        passed
    }

    pub(super) fn json(&self) -> Value {
        let lines = self.names().into_iter().map(|name| {
            let (all, kept) = self.line(name);
            let values: Vec<f64> = all.iter().map(|figure| figure.value).collect();
            json!({"name": name, "values": values, "kept": kept})
        });
        json!({
            "sizes": self.sizes, "floor": FLOOR, "not_compared_below_ms": MIN_COMPARED_MS,
            "figures": lines.collect::<Vec<_>>(),
        })
    }
}

pub(super) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_keeps_its_floor_down_to_eight_tenths_and_time_up_to_ten_eighths() {
        assert!(Figure::rate("r", 80.0).keeps(100.0));
        assert!(!Figure::rate("r", 79.0).keeps(100.0));
        assert!(Figure::shown("r", 1.0).keeps(100.0));
        assert!(Figure::time("t", 125.0).keeps(100.0));
        assert!(!Figure::time("t", 126.0).keeps(100.0));
    }

    #[test]
    fn short_time_is_noise_and_a_long_one_is_missed_even_where_it_did_not_grow() {
        assert!(Figure::time("t", 9.9).keeps(1.0));
        assert!(!Figure::bounded("t", 101.0, 100.0).keeps(101.0));
        assert!(Figure::bounded("t", 100.0, 100.0).keeps(100.0));
    }

    #[test]
    fn one_missed_figure_is_reported_and_the_others_are_kept() {
        let mut report = Report::default();
        report.add(1, vec![Figure::rate("a", 10.0), Figure::rate("b", 10.0)]);
        report.add(2, vec![Figure::rate("a", 9.0), Figure::rate("b", 7.0)]);
        assert!(report.line("a").1 && !report.line("b").1);
        assert!(!report.print());
    }
}
