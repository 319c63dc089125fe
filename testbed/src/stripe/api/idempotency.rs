//! What was answered to a request that writes, by its `Idempotency-Key`: the same key again gets the
//! same answer, and nothing is done again (docs.stripe.com/api/idempotent_requests).
//!
//! Invariant: the same key with another request is refused. Left out: forgetting keys after a day.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::ApiError;

/// The answers so far.
#[derive(Debug, Default)]
pub(crate) struct Answered(BTreeMap<String, (String, Result<Value, ApiError>)>);

impl Answered {
    /// The answer of before, or the one that `work` gives now.
    ///
    /// # Errors
    /// The answer's; 400 when the key was used for another request.
    pub(crate) fn once(
        &mut self,
        key: Option<&str>,
        request: &str,
        work: impl FnOnce() -> Result<Value, ApiError>,
    ) -> Result<Value, ApiError> {
        let Some(key) = key else {
            return work();
        };
        match self.0.get(key) {
            Some((known, answer)) if known == request => answer.clone(),
            Some(_) => Err(ApiError {
                status: 400,
                code: Some("idempotency_key_in_use"),
                message: "Keys for idempotent requests can only be used with the same parameters \
                          they were first used with."
                    .to_owned(),
                param: None,
            }),
            None => {
                let answer = work();
                let kept = (request.to_owned(), answer.clone());
                self.0.insert(key.to_owned(), kept);
                answer
            }
        }
    }
}
