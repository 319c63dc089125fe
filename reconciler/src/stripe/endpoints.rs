//! The webhook endpoints of the account: where Stripe delivers to.
//!
//! Source: <https://docs.stripe.com/api/webhook_endpoints/list>.
//! Deliberately absent: changing them, which is an operator's doing with a key of his own.

use serde::Deserialize;

use super::client::Client;
use super::error::StripeError;

/// Endpoints read at most: Stripe permits 16 for each account.
/// Source: <https://docs.stripe.com/webhooks>.
const MAX_ENDPOINTS: usize = 100;

/// One endpoint as listed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Endpoint {
    pub id: String,
    pub url: String,
    /// `enabled` or `disabled`; an open set.
    pub status: String,
    /// `None`: events have the account's version.
    #[serde(default)]
    pub api_version: Option<String>,
    pub enabled_events: Vec<String>,
    #[serde(default)]
    pub livemode: bool,
    /// When it was made, in seconds since 1970.
    #[serde(default)]
    pub created: i64,
}

impl Endpoint {
    pub fn is_enabled(&self) -> bool {
        self.status == "enabled"
    }

    /// Whether events of this type are delivered to it: `*` is all, `a.*` a group.
    pub fn wants(&self, kind: &str) -> bool {
        self.enabled_events
            .iter()
            .any(|wanted| match wanted.strip_suffix('*') {
                Some(prefix) => kind.starts_with(prefix),
                None => wanted == kind,
            })
    }
}

/// Lists them all.
///
/// # Errors
/// [`StripeError`].
pub async fn list(client: &Client) -> Result<Vec<Endpoint>, StripeError> {
    #[derive(Deserialize)]
    struct List {
        data: Vec<Endpoint>,
    }
    let limit = [("limit", MAX_ENDPOINTS.to_string())];
    let reply = client.get("/v1/webhook_endpoints", &limit, None).await?;
    let list: List =
        serde_json::from_slice(&reply.body).map_err(|cause| StripeError::Unreadable {
            what: "not a list of webhook endpoints",
            cause: Some(cause),
        })?;
    Ok(list.data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_wants_what_it_names_by_itself_or_by_its_group() {
        let endpoint = |wanted: &[&str]| Endpoint {
            id: "we_1".to_owned(),
            url: "https://example.com".to_owned(),
            status: "enabled".to_owned(),
            api_version: None,
            enabled_events: wanted.iter().map(|&it| it.to_owned()).collect(),
            livemode: false,
            created: 0,
        };
        assert!(endpoint(&["*"]).wants("charge.succeeded"));
        assert!(endpoint(&["charge.*"]).wants("charge.succeeded"));
        assert!(endpoint(&["a", "charge.succeeded"]).wants("charge.succeeded"));
        assert!(!endpoint(&["charge.failed", "payout.*"]).wants("charge.succeeded"));
        assert!(!endpoint(&[]).wants("charge.succeeded"));
    }
}
