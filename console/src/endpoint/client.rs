//! The calls to Stripe: list the endpoints, create, update or remove one.
//!
//! *Invariant:* a request that writes carries an idempotency key, and is tried again only under the
//! same; what Stripe refused is not tried again.

use std::time::Duration;

use reqwest::{Method, Response};
use serde::{Deserialize, Deserializer};
use shared::config::{ExposeSecret as _, Secret};

use super::wanted::Listed;

/// How often one request is sent at most.
const ATTEMPTS: u32 = 3;
/// Pause before the second attempt; the third waits twice as long.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest message of Stripe's that is shown, characters.
const LONGEST_MESSAGE: usize = 500;

/// Why Stripe did not do it, or is not known to have done it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StripeError {
    /// Nothing was done.
    #[error("Stripe refused with {status}: {message}")]
    Refused { status: u16, message: String },
    /// Whether it was done is not known.
    #[error("Stripe did not answer")]
    Unanswered {
        #[source]
        source: reqwest::Error,
    },
    /// Whether it was done is not known.
    #[error("Stripe answers {status}, {ATTEMPTS} times")]
    Failing { status: u16 },
    #[error("Stripe's answer cannot be read")]
    Unreadable {
        #[source]
        source: serde_json::Error,
    },
    #[error("Stripe lists more than 100 endpoints, and only so many are looked at")]
    TooMany,
    #[error("no client for Stripe")]
    Client {
        #[source]
        source: reqwest::Error,
    },
    #[error("cannot start what waits for Stripe")]
    Runtime {
        #[source]
        source: std::io::Error,
    },
}

/// What became of the endpoint, and, once only, its signing secret.
#[derive(Deserialize)]
pub(crate) struct Made {
    #[serde(flatten)]
    pub(crate) endpoint: Listed,
    #[serde(default, deserialize_with = "secret")]
    pub(crate) secret: Option<Secret>,
}

fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(Secret::from))
}

#[derive(Deserialize)]
struct List {
    data: Vec<Listed>,
    has_more: bool,
}

#[derive(Deserialize)]
struct Refused {
    error: Told,
}

#[derive(Deserialize)]
struct Told {
    message: Option<String>,
}

/// Stripe, as one operator's key reaches it.
pub(crate) struct Client {
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
    base: String,
    key: Secret,
}

impl Client {
    /// `limit` bounds each request.
    ///
    /// # Errors
    /// When the machine has no runtime or no TLS for it.
    pub(crate) fn new(base: String, key: Secret, limit: Duration) -> Result<Self, StripeError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| StripeError::Runtime { source })?;
        let http = reqwest::Client::builder()
            .timeout(limit)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|source| StripeError::Client { source })?;
        Ok(Self {
            runtime,
            http,
            base,
            key,
        })
    }

    /// All endpoints of the key's account and mode.
    ///
    /// # Errors
    /// Stripe's.
    pub(crate) fn list(&self) -> Result<Vec<Listed>, StripeError> {
        let body = self.ask(&Method::GET, "/v1/webhook_endpoints?limit=100", None)?;
        let list: List = read(&body)?;
        if list.has_more {
            return Err(StripeError::TooMany);
        }
        Ok(list.data)
    }

    /// Creates one, or updates `id`.
    ///
    /// # Errors
    /// Stripe's.
    pub(crate) fn write(
        &self,
        id: Option<&str>,
        form: &[(String, String)],
        idempotency_key: &str,
    ) -> Result<Made, StripeError> {
        let path = match id {
            Some(id) => format!("/v1/webhook_endpoints/{id}"),
            None => "/v1/webhook_endpoints".to_owned(),
        };
        let form = encoded(form);
        read(&self.ask(&Method::POST, &path, Some((idempotency_key, &form)))?)
    }

    /// Removes one; one that is not there is removed.
    ///
    /// # Errors
    /// Stripe's.
    pub(crate) fn delete(&self, id: &str) -> Result<(), StripeError> {
        let path = format!("/v1/webhook_endpoints/{id}");
        match self.ask(&Method::DELETE, &path, None) {
            Ok(_) | Err(StripeError::Refused { status: 404, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn ask(
        &self,
        method: &Method,
        path: &str,
        form: Option<(&str, &str)>,
    ) -> Result<Vec<u8>, StripeError> {
        self.runtime.block_on(async {
            let mut attempt = 1;
            loop {
                let outcome = self.once(method, path, form).await;
                match outcome {
                    Err(StripeError::Unanswered { .. } | StripeError::Failing { .. })
                        if attempt < ATTEMPTS =>
                    {
                        tokio::time::sleep(PAUSE.saturating_mul(attempt)).await;
                        attempt += 1;
                    }
                    outcome => return outcome,
                }
            }
        })
    }

    async fn once(
        &self,
        method: &Method,
        path: &str,
        form: Option<(&str, &str)>,
    ) -> Result<Vec<u8>, StripeError> {
        let url = format!("{}{path}", self.base);
        let mut request = self
            .http
            .request(method.clone(), url)
            .bearer_auth(self.key.expose_secret());
        if let Some((idempotency_key, form)) = form {
            request = request
                .header("Idempotency-Key", idempotency_key)
                .header("Content-Type", "application/x-www-form-urlencoded")
                .body(form.to_owned());
        }
        let answer = request.send().await.map_err(unanswered)?;
        let status = answer.status().as_u16();
        let body = whole(answer).await?;
        match status {
            200 => Ok(body),
            // A conflict is another request under the same key that has not ended.
            409 | 429 | 500..=599 => Err(StripeError::Failing { status }),
            _ => Err(StripeError::Refused {
                status,
                message: message(&body),
            }),
        }
    }
}

async fn whole(answer: Response) -> Result<Vec<u8>, StripeError> {
    Ok(answer.bytes().await.map_err(unanswered)?.to_vec())
}

fn unanswered(source: reqwest::Error) -> StripeError {
    StripeError::Unanswered {
        source: source.without_url(),
    }
}

fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, StripeError> {
    serde_json::from_slice(body).map_err(|source| StripeError::Unreadable { source })
}

fn message(body: &[u8]) -> String {
    let told: Option<Refused> = serde_json::from_slice(body).ok();
    let told = told.and_then(|refused| refused.error.message);
    let told = told.unwrap_or_else(|| "no message".to_owned());
    told.chars().take(LONGEST_MESSAGE).collect()
}

/// `application/x-www-form-urlencoded`.
fn encoded(form: &[(String, String)]) -> String {
    let Ok(mut url) = reqwest::Url::parse("http://form") else {
        return String::new();
    };
    url.query_pairs_mut().extend_pairs(form);
    url.query().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_encoded_so_that_no_value_becomes_another_parameter() {
        let pairs = [
            ("url", "https://a/?b=1&disabled=true"),
            ("enabled_events[0]", "*"),
        ];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            encoded(&pairs),
            "url=https%3A%2F%2Fa%2F%3Fb%3D1%26disabled%3Dtrue&enabled_events%5B0%5D=*"
        );
    }

    #[test]
    fn what_stripe_says_about_a_refusal_is_told_and_bounded() {
        let told = br#"{"error":{"message":"Invalid URL","type":"invalid_request_error"}}"#;
        assert_eq!(message(told), "Invalid URL");
        assert_eq!(message(b"<html>"), "no message");
        let long = format!(r#"{{"error":{{"message":"{}"}}}}"#, "x".repeat(9_000));
        assert_eq!(message(long.as_bytes()).len(), LONGEST_MESSAGE);
    }
}
