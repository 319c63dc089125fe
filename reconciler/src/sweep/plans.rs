//! Repairs that a person approved: the window is swept once more, with so much allowed as was shown.
//!
//! Invariant: an approval permits the number it was given for; where more is missing by now, nothing
//! is published and a new plan waits.

use shared::ids::AccountId;
use shared::kafka::producer::EventLog;
use shared::windows::{self, Window};

use super::window::{Order, Report};
use super::{Engine, SweepError};
use crate::store::plans::{self, Approved, Progress};
use crate::store::sweeps::{Kind, Outcome};

/// Distance kept from the edge of Stripe's list, in seconds.
const EDGE_S: i64 = 60;

impl<L: EventLog> Engine<L> {
    /// Carries out the plan whose turn it is; `None`: there is none. What fails is tried again, and
    /// what was published by then is not published twice.
    ///
    /// # Errors
    /// [`SweepError`] when our own database is away.
    pub async fn plan(&self) -> Result<Option<(String, Progress)>, SweepError> {
        let store = &self.reader.store;
        let Some(plan) = store.run("next_plan", plans::next_approved).await? else {
            return Ok(None);
        };
        let progress = match self.carry_out_plan(&plan).await {
            Ok(progress) => progress,
            Err(error) if error.is_lost() => return Err(error),
            // The next plan has its turn meanwhile.
            Err(error) => Progress::Waits(shared::error::chain(&error)),
        };
        let (id, noted) = (plan.id.clone(), progress.clone());
        store
            .run("plan_progressed", move |connection| {
                plans::progressed(connection, &id, &noted)
            })
            .await?;
        Ok(Some((plan.id, progress)))
    }

    async fn carry_out_plan(&self, plan: &Approved) -> Result<Progress, SweepError> {
        let now = self.reader.client.now().await?;
        // It was planned from the edge of what is listed for certain; Stripe lists a little more.
        let edge = now.saturating_sub(windows::STRIPE_RETENTION_S - EDGE_S);
        let (from, to) = (plan.window_from.timestamp(), plan.window_to.timestamp());
        let listed = Window::new(from.max(edge), to);
        let Some(window) = listed else {
            let why = "Stripe no longer lists its window".to_owned();
            return Ok(Progress::Failed(why));
        };
        let order = Order {
            kind: Kind::Plan,
            account: AccountId::parse(&plan.account).ok(),
            window,
            hole: Window::new(from, window.from()),
            plan: Some(plan.id.clone()),
        };
        let allowed = plan.missing.saturating_sub(plan.published).max(0);
        let mut left = usize::try_from(allowed).unwrap_or(0);
        let (reports, _listed) = self.sweep_within(order, &mut left).await?;
        Ok(judge(&reports))
    }
}

/// How a plan stands after these sweeps.
fn judge(reports: &[Report]) -> Progress {
    let found = |outcome| reports.iter().find(|report| report.outcome == outcome);
    if let Some(report) = found(Outcome::Planned) {
        return Progress::Failed(format!(
            "{} events are missing by now, more than were approved: see {}",
            report.counts.missing,
            report.plan.as_deref().unwrap_or("the new plan"),
        ));
    }
    if let Some(report) = found(Outcome::Open) {
        let records = report.lag.map_or(0, |lag| lag.records);
        return Progress::Waits(format!("the processor is {records} records behind"));
    }
    if found(Outcome::Failed).is_some() {
        return Progress::Waits("the log did not acknowledge all of it".to_owned());
    }
    Progress::Done
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
    use super::*;
    use crate::barrier::Lag;
    use crate::store::sweeps::Counts;

    fn report(outcome: Outcome) -> Report {
        Report {
            window: Window::new(0, 10).unwrap(),
            outcome,
            counts: Counts {
                listed: 9,
                missing: 9,
                repaired: 0,
            },
            comparison: None,
            lag: (outcome == Outcome::Open).then_some(Lag {
                records: 5,
                partitions: 1,
            }),
            plan: (outcome == Outcome::Planned).then(|| "plan_2".to_owned()),
        }
    }

    #[test]
    fn a_plan_is_done_when_every_part_of_its_window_is() {
        let all = [report(Outcome::Complete), report(Outcome::Repaired)];
        assert_eq!(judge(&all), Progress::Done);
    }

    #[test]
    fn more_missing_than_was_approved_ends_the_plan_and_names_the_next() {
        let Progress::Failed(why) = judge(&[report(Outcome::Planned)]) else {
            panic!("it must not be carried out");
        };
        assert!(why.contains("9 events") && why.contains("plan_2"), "{why}");
    }

    #[test]
    fn what_is_not_done_yet_waits() {
        assert!(
            matches!(judge(&[report(Outcome::Open)]), Progress::Waits(why) if why.contains('5'))
        );
        assert!(matches!(
            judge(&[report(Outcome::Failed)]),
            Progress::Waits(_)
        ));
    }
}
