//! A Stripe list of any size: made-up events that are served and stored without being kept.
//!
//! Invariant: an event is a pure function of its number, so a million of them take no memory, and
//! the list and the ledger made from one [`Volume`] hold the same ids at the same seconds. It
//! deliberately has no story, no webhooks and no faults: for these there is [`super::Fake`].

mod event;
mod ledger;
mod list;
mod server;

pub use ledger::fill;
pub use server::VolumeServer;

/// So many events, evenly spread over a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volume {
    /// First second since 1970.
    pub from: i64,
    /// The second after the last.
    pub to: i64,
    /// How many. The oldest has number 0.
    pub count: u64,
}

impl Volume {
    /// The id of an event.
    #[must_use]
    pub fn id(number: u64) -> String {
        format!("evt_vol_{number:09}")
    }

    /// The number of an id, if it is one of ours.
    #[must_use]
    pub fn number(self, id: &str) -> Option<u64> {
        let digits = id.strip_prefix("evt_vol_")?;
        let number = digits.parse().ok()?;
        (number < self.count && Self::id(number) == id).then_some(number)
    }

    /// When an event was created.
    #[must_use]
    pub fn created(self, number: u64) -> i64 {
        let span = i128::from(self.to.saturating_sub(self.from));
        let after = i128::from(number).saturating_mul(span) / i128::from(self.count.max(1));
        self.from
            .saturating_add(i64::try_from(after).unwrap_or(i64::MAX))
    }

    /// How many were created before this second.
    #[must_use]
    pub fn before(self, second: i64) -> u64 {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low.midpoint(high);
            if self.created(middle) < second {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        low
    }
}
