//! What Stripe says of its deliveries of events that we do not hold, and what our ingestors answered
//! meanwhile.
//!
//! Invariant: evidence only. What can't be had is "not told"; no repair waits for it or depends on it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use shared::diffs::{Comparison, Finding};
use shared::ids::{AccountId, EventId};
use shared::kafka::producer::EventLog;
use shared::windows::Window;

use super::inspect::Listed;
use super::{Engine, Reader, SweepError};
use crate::evidence::{Answers, Delivered};
use crate::stripe::endpoints::{self, Endpoint};
use crate::stripe::{Lister, Query, StripeError};

/// How long Stripe tries to deliver an event, in seconds.
/// Source: <https://docs.stripe.com/webhooks>, "Retry behavior".
const RETRY_SPAN_S: i64 = 3 * 86_400;
/// Seconds by which Stripe's clock as we know it, and the ingestors' clocks, may be behind.
const SLACK_S: i64 = 5;

/// When Stripe tried to deliver an event, as far as it was asked about.
pub(super) fn tried(created: i64, asked_at: i64) -> Option<Window> {
    let until = created.saturating_add(RETRY_SPAN_S);
    Window::new(created, until.min(asked_at.saturating_add(SLACK_S)))
}

/// What Stripe says of its deliveries.
#[derive(Debug, Default)]
pub struct Attempts {
    succeeded: BTreeSet<EventId>,
    failed: BTreeSet<EventId>,
    /// `None`: not known.
    endpoints: Option<Vec<Endpoint>>,
}

impl Attempts {
    pub(super) fn of(&self, id: &EventId) -> Delivered {
        match (self.succeeded.contains(id), self.failed.contains(id)) {
            (true, _) => Delivered::Yes,
            (false, true) => Delivered::No,
            (false, false) => Delivered::NotTold,
        }
    }

    /// Endpoints that want an event of these bytes, created in this second; one that is disabled by
    /// now counts, because it was tried before. `None`: not known, also where one is younger than the
    /// event: what was listed as delivered then had nobody to be delivered to.
    pub(super) fn endpoints_for(&self, raw: &[u8], created: i64) -> Option<usize> {
        #[derive(Deserialize)]
        struct Event {
            r#type: String,
        }
        let kind = serde_json::from_slice::<Event>(raw).ok()?.r#type;
        let wanting = || self.endpoints.iter().flatten().filter(|it| it.wants(&kind));
        let known = self.endpoints.is_some() && wanting().all(|it| it.created <= created);
        known.then(|| wanting().count())
    }
}

impl Reader {
    /// Asks for the deliveries of those events of a list that the ledger lacks; no call when there
    /// are none.
    ///
    /// # Errors
    /// [`SweepError`] when our own database is away; what Stripe does not tell is no error.
    pub(super) async fn attempts(
        &self,
        account: Option<&AccountId>,
        listed: &Listed,
    ) -> Result<Attempts, SweepError> {
        let created = || listed.unknown.values().map(|event| event.created);
        let span = created()
            .min()
            .zip(created().max())
            .and_then(|(first, last)| Window::new(first, last.saturating_add(1)));
        let Some(span) = span else {
            return Ok(Attempts::default());
        };
        let mut attempts = Attempts {
            // A connected account's events go to endpoints of ours and of its own, and only ours
            // are listed.
            endpoints: match account {
                None => told(endpoints::list(&self.client).await)?,
                Some(_) => None,
            },
            ..Attempts::default()
        };
        let all: BTreeSet<EventId> = listed.unknown.keys().cloned().collect();
        attempts.failed = self.under(account, span, false, &all).await?;
        if attempts.failed.len() < all.len() {
            attempts.succeeded = self.under(account, span, true, &all).await?;
        }
        Ok(attempts)
    }

    /// Those of `all` that are listed under `delivered`; fewer when the list can't be walked.
    async fn under(
        &self,
        account: Option<&AccountId>,
        span: Window,
        delivered: bool,
        all: &BTreeSet<EventId>,
    ) -> Result<BTreeSet<EventId>, SweepError> {
        let query = Query {
            account: account.cloned(),
            window: span,
            types: &[],
            delivered: Some(delivered),
            max_events: self.limits.max_events,
        };
        let (mut lister, mut found) = (Lister::new(&self.client, query), BTreeSet::new());
        while let Some(Some(page)) = told(lister.next_page().await)? {
            let ours = page.into_iter().map(|event| event.id);
            found.extend(ours.filter(|id| all.contains(id)));
            if found.len() == all.len() {
                break;
            }
        }
        Ok(found)
    }
}

/// Spans by their begin, in groups that begin within a day: each is one read of the counts.
fn near(mut spans: Vec<(EventId, Window)>) -> Vec<Vec<(EventId, Window)>> {
    spans.sort_by_key(|(_, span)| span.from());
    let mut groups: Vec<Vec<(EventId, Window)>> = Vec::new();
    for one in spans {
        let fits = |group: &&mut Vec<(EventId, Window)>| {
            group
                .first()
                .is_some_and(|(_, first)| one.1.from().saturating_sub(first.from()) < 86_400)
        };
        match groups.last_mut().filter(fits) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    groups
}

/// What Stripe told, if it did; only a database that is away is an error.
fn told<T>(answer: Result<T, StripeError>) -> Result<Option<T>, SweepError> {
    match answer {
        Ok(told) => Ok(Some(told)),
        Err(StripeError::Budget(error)) => Err(error.into()),
        Err(error) => {
            tracing::debug!(error = %shared::error::chain(&error), "Stripe does not tell of its deliveries");
            Ok(None)
        }
    }
}

impl<L: EventLog> Engine<L> {
    /// What the ingestors answered while Stripe tried to deliver each missing event that it says was
    /// not delivered.
    pub(super) async fn answers(
        &self,
        listed: &Listed,
        attempts: &Attempts,
        comparison: &Comparison,
    ) -> Result<BTreeMap<EventId, Answers>, SweepError> {
        let span = |finding: &Finding| match finding {
            Finding::Missing(id) if attempts.of(id) == Delivered::No => {
                let created = listed.unknown.get(id)?.created;
                Some((id.clone(), tried(created, listed.asked_at)?))
            }
            Finding::Missing(_)
            | Finding::Unlisted(_)
            | Finding::Dead(_)
            | Finding::ParkedTooLong(_) => None,
        };
        let spans: Vec<(EventId, Window)> = comparison.findings.iter().filter_map(span).collect();
        self.reader.counted(spans).await
    }
}

impl Reader {
    /// What was counted in each of these spans; nothing for those nobody counted in.
    pub(super) async fn counted(
        &self,
        spans: Vec<(EventId, Window)>,
    ) -> Result<BTreeMap<EventId, Answers>, SweepError> {
        let Some(stats) = self.stats.as_ref().filter(|_stats| !spans.is_empty()) else {
            return Ok(BTreeMap::new());
        };
        let mut answers = BTreeMap::new();
        for group in near(spans) {
            let (ids, spans): (Vec<EventId>, Vec<Window>) = group.into_iter().unzip();
            match stats.each(spans).await {
                Ok(counted) => {
                    answers.extend(ids.into_iter().zip(counted.iter().map(Answers::from)))
                }
                Err(error) => {
                    tracing::warn!(error = %shared::error::chain(&error), "the ingestors' counts are not known");
                }
            }
        }
        Ok(answers)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn endpoint(created: i64, wanted: &str, status: &str) -> Endpoint {
        Endpoint {
            id: "we_1".to_owned(),
            url: "https://example.com".to_owned(),
            status: status.to_owned(),
            api_version: None,
            enabled_events: vec![wanted.to_owned()],
            livemode: false,
            created,
        }
    }

    fn count(endpoints: Option<Vec<Endpoint>>) -> Option<usize> {
        let attempts = Attempts {
            endpoints,
            ..Attempts::default()
        };
        attempts.endpoints_for(br#"{"type":"charge.succeeded"}"#, 100)
    }

    #[test]
    fn endpoints_that_were_tried_count_and_one_that_came_later_makes_it_unknown() {
        assert_eq!(count(None), None);
        assert_eq!(count(Some(Vec::new())), Some(0));
        assert_eq!(count(Some(vec![endpoint(100, "*", "enabled")])), Some(1));
        let disabled = endpoint(1, "charge.*", "disabled");
        assert_eq!(count(Some(vec![disabled])), Some(1), "it was tried before");
        assert_eq!(count(Some(vec![endpoint(101, "*", "enabled")])), None);
        let other = endpoint(101, "payout.*", "enabled");
        assert_eq!(count(Some(vec![other])), Some(0), "it never wanted it");
    }

    #[test]
    fn spans_are_read_together_only_where_they_begin_within_a_day() {
        let span = |n: u32, from: i64| {
            let id = EventId::parse(&format!("evt_{n}")).unwrap();
            (id, Window::new(from, from + 9_999_999).unwrap())
        };
        let groups = near(vec![
            span(3, 90_000),
            span(1, 0),
            span(2, 86_399),
            span(4, 176_400),
        ]);
        let sizes: Vec<usize> = groups.iter().map(Vec::len).collect();
        assert_eq!(sizes, [2, 1, 1]);
    }

    #[test]
    fn deliveries_are_tried_for_three_days_and_asked_about_until_now() {
        let three_days = 3 * 86_400;
        assert_eq!(tried(0, 100), Window::new(0, 105));
        assert_eq!(tried(0, 10 * three_days), Window::new(0, three_days));
    }
}
