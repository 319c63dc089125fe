//! Findings whose class hangs on counts that were not there yet: judged again when they are.
//!
//! Invariant: only what is `unknown` gets a class, and only by evidence that is kept with it.

use shared::diffs::Finding;
use shared::ids::EventId;
use shared::kafka::producer::EventLog;

use super::attempts::tried;
use super::{Engine, SweepError};
use crate::evidence::{self, Circumstances};
use crate::store::sweeps;

/// Findings judged again at once.
const BATCH: i64 = 500;

impl<L: EventLog> Engine<L> {
    /// Judges them again; returns how many got a class.
    ///
    /// # Errors
    /// [`SweepError`].
    pub async fn classify(&self) -> Result<usize, SweepError> {
        let store = &self.reader.store;
        let unknown = store
            .run("findings_unknown", |connection| {
                sweeps::unknown(connection, BATCH)
            })
            .await?;
        let undecided: Vec<(i64, EventId, Circumstances)> = unknown
            .into_iter()
            .filter_map(|row| Some((row.id, row.event_id, evidence::undecided(&row.evidence)?)))
            .collect();
        let spans = undecided.iter().filter_map(|(_, event, around)| {
            Some((event.clone(), tried(around.created?, around.asked_at)?))
        });
        let answers = self.reader.counted(spans.collect()).await?;
        let decided: Vec<_> = undecided
            .into_iter()
            .filter_map(|(id, event, around)| {
                let answers = answers.get(&event).filter(|answers| answers.complete)?;
                let around = Circumstances {
                    answers: Some(*answers),
                    ..around
                };
                Some((id, evidence::classify(&Finding::Missing(event), around)))
            })
            .collect();
        let count = decided.len();
        if count > 0 {
            store
                .run("classify_findings", move |connection| {
                    decided
                        .iter()
                        .try_for_each(|(id, verdict)| sweeps::classify(connection, *id, verdict))
                })
                .await?;
        }
        Ok(count)
    }
}
