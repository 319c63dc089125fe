//! The HTTP side: Stripe's API paths and the control API.
//!
//! Invariant: every answer carries `Request-Id` and `Date` (by the fake's clock), errors too.

pub(crate) mod control;
pub(crate) mod error;
mod expand;
pub(crate) mod idempotency;
pub(crate) mod page;
pub(crate) mod query;
pub(crate) mod read;
mod v2;

use std::sync::atomic::Ordering;
use std::time::{Duration, UNIX_EPOCH};

use actix_web::body::{MessageBody, SizedStream};
use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use serde_json::Value;

use super::faults::{ApiFault, Cut};
use super::history::{Line, Phase};
use super::inner::Shared;
use super::lock;
use super::model::{API_VERSION, text};
use super::random::{id, stream};
use error::ApiError;
use read::Reader;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::scope("/_control").configure(control::routes))
        .default_service(web::to(answer));
}

async fn answer(inner: web::Data<Shared>, request: HttpRequest, form: web::Bytes) -> HttpResponse {
    let shared: &Shared = &inner;
    shared.api_reads.fetch_add(1, Ordering::Relaxed);
    let (status, body, fault) = match authorized(shared, &request) {
        Err(error) => (error.status, error.body(), None),
        // Taken out first, so that the queue is not locked while the page is read.
        Ok(()) => match next_fault(shared, request.method() != Method::GET) {
            Some(fault) if fault.status != 200 => (fault.status, fault_body(&fault), Some(fault)),
            fault => {
                let (status, body) = right(shared, &request, &form, fault.as_ref());
                (status, body, fault)
            }
        },
    };
    record(shared, &request, status, &body);
    let fault = fault.unwrap_or_default();
    tokio::time::sleep(Duration::from_millis(fault.slow_ms)).await;
    respond(shared, status, &body, &fault)
}

/// The right answer; or, for a fault that repeats pages, the last list's.
fn right(
    inner: &Shared,
    request: &HttpRequest,
    form: &[u8],
    fault: Option<&ApiFault>,
) -> (u16, Value) {
    let repeated = fault
        .filter(|fault| fault.repeats_page)
        .and_then(|_| lock(&inner.last_page).clone());
    let outcome = match (repeated, request.method()) {
        (Some(page), _) => Ok(page),
        (None, &Method::GET) => read(inner, request),
        (None, _) => write(inner, request, form),
    };
    match outcome {
        Ok(body) => {
            if body.get("data").is_some_and(Value::is_array) {
                *lock(&inner.last_page) = Some(body.clone());
            }
            (200, body)
        }
        Err(error) => (error.status, error.body()),
    }
}

fn next_fault(inner: &Shared, writes: bool) -> Option<ApiFault> {
    lock(&inner.api_faults).next(writes)
}

fn fault_body(fault: &ApiFault) -> Value {
    let message = match fault.status {
        429 => "Request rate limit exceeded.",
        _ => "An error occurred; try again later.",
    };
    let code = match (fault.status, &fault.rate_limited_reason) {
        (429, Some(_)) => Some("rate_limit"),
        (429, None) => Some("lock_timeout"),
        _ => None,
    };
    ApiError {
        status: fault.status,
        code,
        message: message.to_owned(),
        param: None,
    }
    .body()
}

/// The key as a bearer token, or as the user name of basic authentication.
fn authorized(inner: &Shared, request: &HttpRequest) -> Result<(), ApiError> {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let key = &inner.config.api_key;
    let accepted = [
        format!("Bearer {key}"),
        format!("Basic {}", base64(&format!("{key}:"))),
    ];
    match given {
        Some(given) if accepted.iter().any(|wanted| wanted == given) => Ok(()),
        other => Err(ApiError::unauthorized(other)),
    }
}

/// What can be written: webhook endpoints, nothing else.
fn write(inner: &Shared, request: &HttpRequest, form: &[u8]) -> Result<Value, ApiError> {
    let unknown = || ApiError::unknown_url(request.method().as_str(), request.path());
    let path = request.path().strip_prefix("/v1/webhook_endpoints");
    let id = path.ok_or_else(unknown)?.strip_prefix('/');
    let text = String::from_utf8_lossy(form);
    let form = pairs(&text)?;
    let target = inner.target();
    let key = request.headers().get("idempotency-key");
    let key = key.and_then(|value| value.to_str().ok());
    let whole = format!("{} {} {text}", request.method(), request.path());
    lock(&inner.answered).once(key, &whole, || {
        let mut endpoints = lock(&inner.endpoints);
        match (request.method(), id) {
            (&Method::POST, None) => endpoints.create(&form, inner.clock.now_s()),
            (&Method::POST, Some(id)) => endpoints.update(id, &form, target.as_deref()),
            (&Method::DELETE, Some(id)) => endpoints.delete(id),
            _ => Err(unknown()),
        }
    })
}

fn pairs(query: &str) -> Result<Vec<(String, String)>, ApiError> {
    web::Query::<Vec<(String, String)>>::from_query(query)
        .map(web::Query::into_inner)
        .map_err(|error| ApiError::bad_request(error.to_string(), "query"))
}

fn read(inner: &Shared, request: &HttpRequest) -> Result<Value, ApiError> {
    let path = request.path();
    let is_v2 = path.starts_with("/v2/");
    let pairs = pairs(request.query_string())?;
    let account = request
        .headers()
        .get(if is_v2 {
            "stripe-context"
        } else {
            "stripe-account"
        })
        .and_then(|value| value.to_str().ok());
    let target = inner.target();
    let now_ms = inner.clock.now_ms();
    let endpoints = lock(&inner.endpoints).clone();
    let world = lock(&inner.world);
    let reader = Reader {
        world: &world,
        account,
        now_ms,
        target: target.as_deref(),
        endpoints: &endpoints,
    };
    match path.strip_prefix("/v1/") {
        Some(below) => reader.get(below, &pairs),
        None => reader.get_v2(path, &pairs),
    }
}

/// Reads go into the history too, with what they returned: a checker may need to know what a
/// reconciler could have seen.
fn record(inner: &Shared, request: &HttpRequest, status: u16, body: &Value) {
    let list = body.get("data").and_then(Value::as_array);
    let ids: Vec<String> = match list {
        Some(items) => items
            .iter()
            .map(|item| text(item, "id").to_owned())
            .collect(),
        None => vec![text(body, "id").to_owned()],
    };
    let phase = if status == 200 {
        Phase::Ok
    } else {
        Phase::Fail
    };
    let mut line = Line::new(if list.is_some() { "list" } else { "retrieve" }, phase);
    let path = request.uri().to_string();
    line.status = Some(status);
    line.path = Some(&path);
    line.ids = Some(&ids);
    inner.history.write(inner.clock.now_ms(), &line);
}

/// Adds the headers that every answer of Stripe's has.
pub(crate) fn respond(inner: &Shared, status: u16, body: &Value, fault: &ApiFault) -> HttpResponse {
    let number = inner.next_request();
    let mut random = stream(inner.config.seed, &format!("request-id/{number}"));
    let now = Duration::from_secs(u64::try_from(inner.clock.now_s()).unwrap_or_default());
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponseBuilder::new(code);
    response
        .insert_header(("Request-Id", id(&mut random, "req_", 14)))
        .insert_header(("Stripe-Version", API_VERSION))
        .insert_header(header::Date((UNIX_EPOCH + now).into()));
    if let Some(reason) = &fault.rate_limited_reason {
        response.insert_header(("Stripe-Rate-Limited-Reason", reason.as_str()));
    }
    if let Some(retry) = fault.should_retry {
        response.insert_header(("Stripe-Should-Retry", retry.to_string()));
    }
    if let Some(seconds) = fault.retry_after_s {
        response.insert_header(("Retry-After", seconds.to_string()));
    }
    response.content_type("application/json");
    let text = serde_json::to_string_pretty(body).unwrap_or_default();
    match fault.cut {
        None => response.body(text),
        Some(cut) => response.body(early_end(text, cut)),
    }
}

/// A body that is announced whole and ends early, with an error that closes the connection.
fn early_end(text: String, cut: Cut) -> impl MessageBody + 'static {
    let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
    let half = match cut {
        Cut::Reset => Vec::new(),
        Cut::Truncated => text.into_bytes(),
    };
    let half = half.get(..half.len() / 2).map(web::Bytes::copy_from_slice);
    let some = half.filter(|half| !half.is_empty()).map(Ok);
    let end = Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
    let chunks = some.into_iter().chain(std::iter::once(end));
    SizedStream::new(length, futures_util::stream::iter(chunks))
}

/// Standard base64 with padding (RFC 4648): the clients' basic authentication.
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let word = (0..3).fold(0_u32, |word, at| {
            (word << 8) | u32::from(chunk.get(at).copied().unwrap_or(0))
        });
        for place in 0..4_usize {
            let index = (word >> (18 - 6 * place)) & 63;
            let digit = usize::try_from(index).ok().and_then(|at| DIGITS.get(at));
            out.push(if place > chunk.len() {
                '='
            } else {
                digit.map_or('=', |byte| char::from(*byte))
            });
        }
    }
    out
}
