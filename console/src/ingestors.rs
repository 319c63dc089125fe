//! What the ingestors themselves say about their signing secrets, on their operations listeners.
//!
//! *Invariant:* an ingestor that does not answer is a failure, never an empty answer: "no ingestor
//! lacks this secret" must not be concluded from silence. Read only.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Url;

/// Largest answer that is read, bytes.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// Longest wait for one ingestor.
const PATIENCE: Duration = Duration::from_secs(5);

const VERIFIED: &str = "bookend_webhook_verified_total";
const LAST_SEEN: &str = "bookend_secret_last_seen_timestamp_seconds";

/// What one ingestor's secret did since that ingestor began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Used {
    /// Signatures that held.
    pub(crate) verified: u64,
    /// When the last one came, seconds since 1970; 0: none did.
    pub(crate) last_seen: i64,
}

/// By the secrets' names; those that are loaded, and no other.
pub(crate) type Told = BTreeMap<String, Used>;

/// Why an ingestor's word is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IngestorError {
    #[error("{url} did not answer")]
    Unanswered {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{url} answered {status}")]
    Status { url: String, status: u16 },
    #[error("{url} tells nothing about signing secrets: is it an ingestor's OPS_ADDR?")]
    Silent { url: String },
    #[error("{url} answered more than 4 MiB")]
    TooLong { url: String },
    #[error("no client for the ingestors")]
    Client {
        #[source]
        source: reqwest::Error,
    },
    #[error("cannot start what waits for the ingestors")]
    Runtime {
        #[source]
        source: std::io::Error,
    },
}

/// Some ingestors, by their operations listeners.
pub(crate) struct Ingestors {
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
    urls: Vec<Url>,
}

/// `http://host:port`, or the whole address of the metrics.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn ops_url(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("not an http address".to_owned());
    }
    if url.path() == "/" {
        url.set_path("/metrics");
    }
    Ok(url)
}

impl Ingestors {
    /// # Errors
    /// When the machine has no runtime or no TLS for it.
    pub(crate) fn new(urls: Vec<Url>) -> Result<Self, IngestorError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| IngestorError::Runtime { source })?;
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|source| IngestorError::Client { source })?;
        Ok(Self {
            runtime,
            http,
            urls,
        })
    }

    /// Whether nobody named any.
    pub(crate) fn is_empty(&self) -> bool {
        self.urls.is_empty()
    }

    /// What each of them tells, in the order they were named.
    ///
    /// # Errors
    /// [`IngestorError`] of the first that does not.
    pub(crate) fn ask(&self) -> Result<Vec<Told>, IngestorError> {
        self.runtime.block_on(async {
            let mut all = Vec::with_capacity(self.urls.len());
            for url in &self.urls {
                all.push(self.one(url).await?);
            }
            Ok(all)
        })
    }

    async fn one(&self, url: &Url) -> Result<Told, IngestorError> {
        let shown = || url.to_string();
        let unanswered = |source: reqwest::Error| IngestorError::Unanswered {
            url: shown(),
            source: source.without_url(),
        };
        let mut answer = self
            .http
            .get(url.clone())
            .send()
            .await
            .map_err(unanswered)?;
        let status = answer.status().as_u16();
        if status != 200 {
            let url = shown();
            return Err(IngestorError::Status { url, status });
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unanswered)? {
            body.extend_from_slice(&chunk);
            if body.len() > MOST_BYTES {
                return Err(IngestorError::TooLong { url: shown() });
            }
        }
        let told = read(&String::from_utf8_lossy(&body));
        if told.is_empty() {
            return Err(IngestorError::Silent { url: shown() });
        }
        Ok(told)
    }
}

/// Reads the two series from Prometheus' text format
/// (prometheus.io/docs/instrumenting/exposition_formats).
fn read(text: &str) -> Told {
    let mut told = Told::new();
    for line in text.lines() {
        let Some((metric, rest)) = line.split_once('{') else {
            continue;
        };
        if metric != VERIFIED && metric != LAST_SEEN {
            continue;
        }
        let Some((name, value)) = labelled(rest) else {
            continue;
        };
        let used = told.entry(name).or_default();
        if metric == VERIFIED {
            used.verified = value.unsigned_abs();
        } else {
            used.last_seen = value;
        }
    }
    told
}

/// The value of the label `secret`, and the sample.
fn labelled(rest: &str) -> Option<(String, i64)> {
    let at = rest.find("secret=\"")?;
    let (_, quoted) = rest.split_at_checked(at + "secret=\"".len())?;
    let mut name = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => break,
            '\\' => name.push(characters.next()?),
            other => name.push(other),
        }
    }
    let value = rest.rsplit(' ').next()?;
    let whole = value.split('.').next()?;
    Some((name, whole.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_series_are_read_by_the_name_of_the_secret() {
        let text = "# TYPE bookend_webhook_verified_total counter\n\
            bookend_webhook_verified_total{otel_scope_name=\"bookend\",secret=\"main\"} 12\n\
            bookend_webhook_verified_total{secret=\"a\\\"b\\\\c\"} 0\n\
            bookend_webhook_received_total{outcome=\"ok\"} 12\n\
            bookend_secret_last_seen_timestamp_seconds{secret=\"main\"} 1790000000\n";
        let told = read(text);
        let main = Used {
            verified: 12,
            last_seen: 1_790_000_000,
        };
        assert_eq!(told["main"], main);
        assert_eq!(told["a\"b\\c"], Used::default());
        assert_eq!(told.len(), 2);
        assert!(read("bookend_webhook_verified_total{secret=\"cut").is_empty());
    }

    #[test]
    fn an_ops_listener_is_named_with_or_without_its_path() {
        let shown = |text| ops_url(text).map(|url| url.to_string());
        assert_eq!(shown("http://i:9464").unwrap(), "http://i:9464/metrics");
        assert_eq!(shown("http://i:1/other").unwrap(), "http://i:1/other");
        for bad in ["", "i:9464", "file:///metrics"] {
            assert!(ops_url(bad).is_err(), "{bad:?}");
        }
    }
}
