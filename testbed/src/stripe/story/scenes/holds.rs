//! Scenes of authorizations: captured whole, in part, in parts, released, or left standing.

use super::super::{Action, Hold, Story};
use super::Script;

/// Cards hold money for a week.
const WEEK_S: i64 = 7 * 86_400;
/// The authorizations that expire in a story do so after this time.
const SHORT_MS: i64 = 4_000;

impl Script<'_> {
    /// Writes the story; false if it is about something else.
    pub(super) fn held(&mut self, story: Story) -> bool {
        let amount = self.amount;
        match story {
            Story::PartialCapture | Story::PartialCaptureOldShape => self.captured(amount, story),
            Story::AuthorizationCaptured | Story::ReleasedThenRefunded => {
                self.captured(amount, story);
            }
            Story::AuthorizationStanding => {
                self.authorized(WEEK_S);
            }
            Story::AuthorizationVoided | Story::AuthorizationVoidedOldShape => {
                self.authorized(WEEK_S);
                self.pause(500, 3_000).hold(Hold::Void);
                self.pause(0, 900).hold(Hold::ReferenceRelease);
            }
            Story::AuthorizationExpired | Story::AuthorizationExpiredOldShape => {
                let for_ms = SHORT_MS.saturating_mul(self.stretch);
                self.authorized(for_ms / 1_000);
                self.pause(SHORT_MS, SHORT_MS).hold(Hold::Expire);
                self.pause(0, 900).hold(Hold::ReferenceRelease);
            }
            Story::Multicapture | Story::MulticaptureStanding => self.captured_in_parts(story),
            _ => return false,
        }
        true
    }

    pub(super) fn hold(&mut self, hold: Hold) -> &mut Self {
        self.then(Action::Hold(hold))
    }

    fn authorized(&mut self, for_s: i64) -> &mut Self {
        self.checkout().begin(true).pause(0, 500);
        self.hold(Hold::Authorize { for_s })
            .then(Action::CompleteSession)
    }

    fn captured(&mut self, amount: i64, story: Story) {
        self.authorized(WEEK_S);
        self.pause(500, 3_000).hold(Hold::Capture { amount });
        self.pause(0, 1_000).then(Action::Settle);
        self.pause(0, 900).hold(Hold::ReferenceRelease);
        if story == Story::ReleasedThenRefunded {
            self.pause(1_200, 3_000).then(Action::Refund {
                amount: amount / 4,
                pending: false,
            });
        }
    }

    fn captured_in_parts(&mut self, story: Story) {
        let first = self.amount / 2;
        let second = self.amount / 5;
        self.authorized(WEEK_S);
        self.pause(500, 2_000)
            .hold(Hold::CapturePart { amount: first });
        if story == Story::MulticaptureStanding {
            return;
        }
        self.pause(0, 2_000)
            .hold(Hold::CapturePart { amount: second });
        let amount = self.amount - first - second;
        self.pause(500, 2_000).hold(Hold::Capture { amount });
        self.pause(0, 1_000).then(Action::Settle);
    }
}
