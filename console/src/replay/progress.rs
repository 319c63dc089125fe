//! Shows on a terminal's standard error how far it is; off a terminal it says nothing.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Between two looks of the line.
const EVERY: Duration = Duration::from_millis(200);

/// A line that is written over.
pub(crate) struct Progress {
    doing: &'static str,
    total: usize,
    done: usize,
    shown: Option<Instant>,
    on_terminal: bool,
}

impl Progress {
    pub(crate) fn new(doing: &'static str, total: usize) -> Self {
        Self {
            doing,
            total,
            done: 0,
            shown: None,
            on_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// So many more are done.
    pub(crate) fn advance(&mut self, by: usize) {
        self.done = self.done.saturating_add(by);
        let due = self.shown.is_none_or(|shown| shown.elapsed() >= EVERY);
        if self.on_terminal && (due || self.done >= self.total) {
            self.shown = Some(Instant::now());
            self.write(&format!(
                "\r{} {} of {}\u{1b}[K",
                self.doing, self.done, self.total
            ));
        }
    }

    fn write(&self, text: &str) {
        let mut out = std::io::stderr().lock();
        // Progress is a courtesy: a terminal that is gone is no failure.
        drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            self.write("\n");
        }
    }
}
