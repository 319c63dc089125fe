//! Errors in Stripe's shape (docs.stripe.com/api/errors).

use serde_json::{Value, json};

/// One refusal, as it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) code: Option<&'static str>,
    pub(crate) message: String,
    pub(crate) param: Option<String>,
}

impl ApiError {
    pub(crate) fn bad_request(message: impl Into<String>, param: &str) -> Self {
        Self {
            status: 400,
            code: None,
            message: message.into(),
            param: Some(param.to_owned()),
        }
    }

    /// Of an object asked for by its id.
    pub(crate) fn missing(kind: &str, id: &str) -> Self {
        Self {
            status: 404,
            code: Some("resource_missing"),
            message: format!("No such {kind}: '{id}'"),
            param: Some("id".to_owned()),
        }
    }

    /// Of a cursor that names nothing; 400, not 404, as the list itself exists.
    pub(crate) fn missing_cursor(kind: &str, id: &str, param: &str) -> Self {
        Self {
            status: 400,
            code: Some("resource_missing"),
            message: format!("No such {kind}: '{id}'"),
            param: Some(param.to_owned()),
        }
    }

    pub(crate) fn aged_out(id: &str, param: &str) -> Self {
        Self {
            status: 400,
            code: Some("resource_missing"),
            message: format!(
                "The event {id} is no longer available because it's aged out of our retention policy"
            ),
            param: Some(param.to_owned()),
        }
    }

    pub(crate) fn unauthorized(given: Option<&str>) -> Self {
        let message = match given {
            None => "You did not provide an API key. You need to provide your API key in the \
                     Authorization header, using Bearer auth."
                .to_owned(),
            Some(_) => "Invalid API Key provided.".to_owned(),
        };
        Self {
            status: 401,
            code: None,
            message,
            param: None,
        }
    }

    pub(crate) fn unknown_url(method: &str, path: &str) -> Self {
        Self {
            status: 404,
            code: None,
            message: format!("Unrecognized request URL ({method}: {path})."),
            param: None,
        }
    }

    pub(crate) fn body(&self) -> Value {
        let kind = match self.status {
            500..=599 => "api_error",
            409 => "idempotency_error",
            _ => "invalid_request_error",
        };
        let mut error = json!({"type": kind, "message": self.message});
        if let Some(fields) = error.as_object_mut() {
            fields.extend(self.code.map(|code| ("code".to_owned(), json!(code))));
            fields.extend(self.param.as_ref().map(|p| ("param".to_owned(), json!(p))));
        }
        json!({ "error": error })
    }
}
