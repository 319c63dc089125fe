//! What the polling thread reports after each poll: that it lives, whether the process is ready, and
//! the state of its queues.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shared::runtime::Ops;

use crate::consumer::{Heartbeat, Queues, Stalled};
use crate::control::LastAnswer;
use crate::metrics::Metrics;

/// How often the processor must show that it polls.
const BEAT_WITHIN: Duration = Duration::from_secs(60);
/// Stalled partitions that a reason names.
const MAX_NAMED: usize = 3;

/// Reports to the operations listener.
pub(super) struct Heart {
    ops: Ops,
    queues: Arc<Queues>,
    metrics: Metrics,
    last_answer: Arc<LastAnswer>,
    stalled_after: Duration,
    stalled: Mutex<BTreeSet<i32>>,
}

impl Heart {
    pub(super) fn new(
        ops: &Ops,
        queues: &Arc<Queues>,
        last_answer: &Arc<LastAnswer>,
        stalled_after: Duration,
    ) -> Self {
        Self {
            ops: ops.clone(),
            queues: Arc::clone(queues),
            metrics: Metrics::new(),
            last_answer: Arc::clone(last_answer),
            stalled_after,
            stalled: Mutex::default(),
        }
    }

    /// Why nothing, or not everything, is applied; none: it is.
    fn trouble(&self, waiting: usize, held: usize) -> Option<String> {
        if self.last_answer.is_cut_off() {
            return Some("cut off from the database: its partitions are given up".to_owned());
        }
        if waiting > 0 {
            return Some(format!(
                "{waiting} partition(s) assigned but not claimed: is the database up?"
            ));
        }
        (held > 0).then(|| {
            format!(
                "the brake holds {held} partition(s), because too much failed: \
                 `bookend dead groups`, `bookend parked list`, then `bookend consumer resume`"
            )
        })
    }

    /// Not ready while a partition makes no progress.
    fn report_stalled(&self) {
        let now = self.queues.stalled(self.stalled_after);
        let partitions: BTreeSet<i32> = now.iter().map(|one| one.partition).collect();
        let mut before = self.stalled.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = partitions.difference(&before).count();
        *before = partitions;
        drop(before);
        self.metrics.stalled(now.len(), begun);
        match reason(&now, self.stalled_after) {
            Some(reason) => self.ops.health.set_unready("progress", reason),
            None => self.ops.health.set_ready("progress"),
        }
    }
}

impl Heartbeat for Heart {
    fn polled(&self, claimed: usize, waiting: usize) {
        self.ops.health.beat("polling", BEAT_WITHIN);
        self.metrics.queues(claimed, self.queues.waiting());
        let held = self.queues.held().len();
        self.metrics.consumption(held, self.queues.is_paused());
        self.report_stalled();
        match self.trouble(waiting, held) {
            Some(reason) => self.ops.health.set_unready("kafka", reason),
            // None assigned is ready, too: another member has them, and this one waits. So is one
            // that an operator paused: that is no fault of its own.
            None => self.ops.health.set_ready("kafka"),
        }
    }

    fn stopping(&self) -> bool {
        self.ops.stop.is_set() || self.last_answer.is_superseded()
    }
}

/// Why a process with these partitions is not ready. The same as long as they are the same and fail
/// in the same way: each change is a line of the log.
pub(crate) fn reason(stalled: &[Stalled], limit: Duration) -> Option<String> {
    if stalled.is_empty() {
        return None;
    }
    let mut named: Vec<String> = stalled
        .iter()
        .take(MAX_NAMED)
        .map(|one| {
            let trouble = one.trouble.as_deref().unwrap_or("its batch has not ended");
            format!("{} at offset {} ({trouble})", one.partition, one.offset)
        })
        .collect();
    if let Some(more) = stalled
        .len()
        .checked_sub(MAX_NAMED)
        .filter(|more| *more > 0)
    {
        named.push(format!("{more} more"));
    }
    Some(format!(
        "no progress for {limit:?} although records wait: partition {}; \
         see docs/runbooks/wedged-partition.md",
        named.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stalled(partition: i32, trouble: Option<&str>) -> Stalled {
        Stalled {
            partition,
            offset: 17,
            trouble: trouble.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn the_reason_names_partition_offset_and_error_and_stays_short() {
        let limit = Duration::from_secs(60);
        assert_eq!(reason(&[], limit), None);
        let one = reason(&[stalled(3, Some("refused"))], limit).unwrap_or_default();
        assert!(one.contains("for 60s") && one.contains("partition 3 at offset 17 (refused)"));
        let many: Vec<Stalled> = (0..12).map(|partition| stalled(partition, None)).collect();
        let many = reason(&many, limit).unwrap_or_default();
        assert!(
            many.contains("2 at offset 17 (its batch has not ended), 9 more;"),
            "{many}"
        );
    }
}
