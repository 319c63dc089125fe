//! One GET of Stripe's API: paced, timed, bounded, retried, its bytes untouched.
//!
//! Invariants: no redirect is followed (the key would travel with it); a body is never held
//! beyond its bound; attempts and pauses are those of [`super::retry`].
//!
//! Deliberately absent: every method but GET.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::error::StripeError;
use super::retry::{self, Fault, Limited, Verdict};
use crate::budget::{Grant, Purpose, Rate};
use crate::store::{Store, budget};
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shared::ids::AccountId;

/// The API version every call names, so that an account's upgrade changes nothing for us.
/// Source: <https://docs.stripe.com/api/versioning>.
pub const STRIPE_VERSION: &str = "2026-10-28.endive";

/// Bytes of one answer: a hundred events of the largest size that the ingestor takes would be more,
/// but then the sweep fails in the open, and Stripe's events are a few kilobytes each.
pub const BODY_LIMIT: usize = 32 * 1024 * 1024;

/// How long our monotonic clock is trusted to carry on Stripe's.
const DATE_VALID: Duration = Duration::from_secs(600);

/// Pause for everyone after a refusal for the rate that ended a call.
const HOLD_AFTER_REFUSAL: Duration = Duration::from_secs(2);

/// Shortest pause before the bucket is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// Longest `error.message` of Stripe's that is kept, in characters.
const MESSAGE_CHARS: usize = 300;

/// How to reach Stripe, and how far to go.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Addresses without a trailing slash, tried in turn; at least one.
    pub bases: Vec<String>,
    pub key: SecretString,
    /// One attempt, connection included.
    pub timeout: Duration,
    /// Attempts for one call, the first included.
    pub attempts: u32,
    /// Bytes of one answer.
    pub body_limit: usize,
}

/// A whole answer of 2xx.
#[derive(Debug)]
pub struct Reply {
    /// Exactly as sent; known to be one JSON value.
    pub body: Vec<u8>,
    /// The second in which the request was sent, by Stripe's clock: the answer's `Date` minus the
    /// call's length, rounded down. `None` when the answer names no date.
    pub sent_at: Option<i64>,
}

/// What bounds the calls.
#[derive(Clone)]
pub enum Budget {
    /// The bucket in Postgres, shared by every process; on a connection of its own, so that no
    /// call waits for a long query.
    Shared { store: Store, rate: Rate },
    /// Nothing: for measurements, and for servers of our own.
    Unbounded,
}

/// Stripe's API, for one purpose. Cheap to clone; all clones share budget and clock.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    purpose: Purpose,
}

struct Inner {
    http: reqwest::Client,
    settings: Settings,
    budget: Budget,
    /// When the last dated call was sent: by our monotonic clock, and by Stripe's.
    dated: std::sync::Mutex<Option<(Instant, i64)>>,
}

/// One attempt's failure: what it was, for the decision, and as an error, should it be the last.
type Failure = (Fault, StripeError);

impl Client {
    /// # Errors
    /// [`StripeError::Request`] when TLS can't be set up.
    pub fn new(settings: Settings, budget: Budget) -> Result<Self, StripeError> {
        let http = reqwest::Client::builder()
            .timeout(settings.timeout)
            .connect_timeout(settings.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("bookend-reconciler/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(StripeError::Request)?;
        Ok(Self {
            inner: Arc::new(Inner {
                http,
                settings,
                budget,
                dated: std::sync::Mutex::new(None),
            }),
            purpose: Purpose::Live,
        })
    }

    /// The same client, its calls as urgent as `purpose` is.
    #[must_use]
    pub fn for_purpose(&self, purpose: Purpose) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            purpose,
        }
    }

    /// The time by Stripe's clock, in seconds since 1970, never ahead of it and at most about two
    /// seconds behind: windows are cut in Stripe's time, so that a wrong clock of ours can't move
    /// a cursor past events that are yet to come. Calls Stripe only if no recent answer told.
    ///
    /// # Errors
    /// [`StripeError`], also when the answer names no date.
    pub async fn now(&self) -> Result<i64, StripeError> {
        if let Some(now) = self.known_now() {
            return Ok(now);
        }
        let limit = [("limit", "1".to_owned())];
        let reply = self.get("/v1/events", &limit, None).await?;
        reply.sent_at.ok_or(StripeError::Unreadable {
            what: "an answer without a date",
            cause: None,
        })
    }

    /// The same, if a recent answer told; never calls.
    pub fn known_now(&self) -> Option<i64> {
        let dated = *self
            .inner
            .dated
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (sent, at) = dated?;
        let elapsed = sent.elapsed();
        let passed = i64::try_from(elapsed.as_secs()).ok()?;
        (elapsed < DATE_VALID).then(|| at.saturating_add(passed))
    }

    /// GETs `path` (beginning with `/`) with `query`, for a connected account or, with `None`, our
    /// own. Takes as long as its attempts and pauses do; safe to drop at any point.
    ///
    /// # Errors
    /// [`StripeError`], after the last attempt.
    pub async fn get(
        &self,
        path: &str,
        query: &[(&str, String)],
        account: Option<&AccountId>,
    ) -> Result<Reply, StripeError> {
        let mut bases = self.inner.settings.bases.iter().cycle();
        let mut base = bases.next().map(String::as_str).unwrap_or_default();
        let mut attempt = 0;
        loop {
            self.wait_for_turn().await?;
            let (fault, error) = match self.attempt(base, path, query, account).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            match retry::decide(fault, attempt, self.inner.settings.attempts, rand::random()) {
                Verdict::GiveUp => {
                    if let Fault::Limited {
                        by: Limited::Account,
                        ..
                    } = fault
                    {
                        self.hold(HOLD_AFTER_REFUSAL).await?;
                    }
                    return Err(error);
                }
                Verdict::Retry {
                    after,
                    elsewhere,
                    hold_all,
                } => {
                    let pause_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
                    tracing::warn!(path, attempt, pause_ms, error = %shared::error::chain(&error), "Stripe call is tried again");
                    if elsewhere {
                        base = bases.next().map(String::as_str).unwrap_or_default();
                    }
                    if !(hold_all && self.hold(after).await?) {
                        tokio::time::sleep(after).await;
                    }
                }
            }
            attempt += 1;
        }
    }

    /// Holds everyone back; `false` where nobody shares a budget.
    async fn hold(&self, pause: Duration) -> Result<bool, StripeError> {
        let Budget::Shared { store, .. } = &self.inner.budget else {
            return Ok(false);
        };
        let held = move |row: &mut _| budget::hold(row, pause);
        store.run("hold_budget", held).await?;
        Ok(true)
    }

    /// Returns when this call may be sent.
    async fn wait_for_turn(&self) -> Result<(), StripeError> {
        let Budget::Shared { store, rate } = &self.inner.budget else {
            return Ok(());
        };
        let (rate, purpose) = (*rate, self.purpose);
        loop {
            let asked = move |row: &mut _| budget::take(row, rate, purpose);
            match store.run("take_budget", asked).await? {
                Grant::Taken(pause) => {
                    tokio::time::sleep(pause).await;
                    return Ok(());
                }
                Grant::NotYet(pause) => tokio::time::sleep(pause.max(ASK_AGAIN)).await,
            }
        }
    }

    async fn attempt(
        &self,
        base: &str,
        path: &str,
        query: &[(&str, String)],
        account: Option<&AccountId>,
    ) -> Result<Reply, Failure> {
        let mut request = self
            .inner
            .http
            .get(format!("{base}{path}"))
            .query(query)
            .bearer_auth(self.inner.settings.key.expose_secret())
            .header("Stripe-Version", STRIPE_VERSION);
        if let Some(account) = account {
            request = request.header("Stripe-Account", account.as_str());
        }
        let started = Instant::now();
        let response = request.send().await.map_err(connection)?;
        let took = started.elapsed();
        let (status, headers) = (response.status(), response.headers().clone());
        let request_id = text(&headers, "request-id");
        tracing::debug!(
            path,
            status = status.as_u16(),
            stripe.request_id = request_id.as_deref().unwrap_or(""),
            "Stripe answered"
        );
        let body = self.body(response).await;
        if !status.is_success() {
            return Err(refused(
                status.as_u16(),
                &headers,
                request_id,
                &body.unwrap_or_default(),
            ));
        }
        let body = body?;
        serde_json::from_slice::<serde::de::IgnoredAny>(&body)
            .map_err(|cause| unreadable("not one whole JSON value", cause))?;
        let sent_at = sent_at(&headers, took);
        if let Some(sent_at) = sent_at {
            *self
                .inner
                .dated
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some((started, sent_at));
        }
        Ok(Reply { body, sent_at })
    }

    /// Reads a body up to its bound.
    async fn body(&self, mut response: reqwest::Response) -> Result<Vec<u8>, Failure> {
        let limit = self.inner.settings.body_limit;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(connection)? {
            if body.len().saturating_add(chunk.len()) > limit {
                return Err((Fault::TooLarge, StripeError::TooLarge { limit }));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn connection(cause: reqwest::Error) -> Failure {
    // The address is ours and may hold credentials of a proxy; it tells nothing that logs lack.
    let cause = cause.without_url();
    if cause.is_builder() {
        (Fault::TooLarge, StripeError::Request(cause))
    } else {
        (Fault::Connection, StripeError::Unreachable(cause))
    }
}

fn unreadable(what: &'static str, cause: serde_json::Error) -> Failure {
    let cause = Some(cause);
    (Fault::Unreadable, StripeError::Unreadable { what, cause })
}

fn refused(status: u16, headers: &HeaderMap, request_id: Option<String>, body: &[u8]) -> Failure {
    let should_retry = text(headers, "stripe-should-retry").and_then(|said| said.parse().ok());
    let retry_after = text(headers, "retry-after")
        .and_then(|said| said.parse().ok())
        .map(Duration::from_secs);
    let reason = text(headers, "stripe-rate-limited-reason");
    let fault = match status {
        429 => Fault::Limited {
            by: Limited::by(reason.as_deref()),
            should_retry,
            retry_after,
        },
        status => Fault::Status {
            status,
            should_retry,
            retry_after,
        },
    };
    let told = serde_json::from_slice::<ErrorBody>(body)
        .unwrap_or_default()
        .error;
    let error = StripeError::Refused {
        status,
        kind: reason
            .or(told.code)
            .or(told.kind)
            .unwrap_or_else(|| "unknown".to_owned()),
        message: told
            .message
            .unwrap_or_default()
            .chars()
            .take(MESSAGE_CHARS)
            .collect(),
        request_id,
    };
    (fault, error)
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// `Date` is whole seconds and marks the answer; a state read then is no older than the request.
/// Rounded down: an observation may claim too early a second, never too late a one.
fn sent_at(headers: &HeaderMap, took: Duration) -> Option<i64> {
    let date = chrono::DateTime::parse_from_rfc2822(&text(headers, "date")?).ok()?;
    let seconds = i64::try_from(took.as_secs()).ok()?.checked_add(1)?;
    date.timestamp().checked_sub(seconds)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorDetail {
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<String>,
    message: Option<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn dated(date: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("date", date.parse().unwrap());
        headers
    }

    #[test]
    fn time_of_an_observation_is_the_answers_date_minus_the_call_rounded_down() {
        let headers = dated("Sun, 06 Nov 1994 08:49:37 GMT");
        let at = |ms| sent_at(&headers, Duration::from_millis(ms)).unwrap();
        assert_eq!(at(3), 784_111_777 - 1);
        assert_eq!(at(2_500), 784_111_777 - 3);
    }

    #[test]
    fn answer_without_a_readable_date_dates_nothing() {
        assert_eq!(sent_at(&HeaderMap::new(), Duration::ZERO), None);
        assert_eq!(sent_at(&dated("yesterday"), Duration::ZERO), None);
    }

    #[test]
    fn error_body_that_is_no_json_still_makes_an_error() {
        let (_, error) = refused(502, &HeaderMap::new(), None, b"<html>");
        assert_eq!(error.to_string(), "Stripe answered 502 (unknown): ");
    }

    #[test]
    fn only_the_words_true_and_false_count_as_stripes_wish() {
        let mut headers = HeaderMap::new();
        headers.insert("stripe-should-retry", "maybe".parse().unwrap());
        let (fault, _) = refused(500, &headers, None, b"{}");
        assert!(matches!(
            fault,
            Fault::Status {
                should_retry: None,
                ..
            }
        ));
    }
}
