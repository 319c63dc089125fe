//! The query of a list: `limit`, both cursors, `created`, types and equality filters.
//!
//! Invariant: what is not understood is refused, as Stripe does, never ignored: a client that
//! misspells a filter must not get a page that looks right.

use super::error::ApiError;

/// A parsed list query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) limit: usize,
    pub(crate) cursor: Cursor,
    /// Seconds, half-open: from inclusive, to exclusive.
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// Names or groups with `*`; empty = all.
    pub(crate) types: Vec<String>,
    pub(crate) delivered: Option<bool>,
    /// Fields that must equal a value, for example `payment_intent`.
    pub(crate) equal: Vec<(String, String)>,
    /// What is to be expanded; only an invoice's payments are.
    pub(crate) expand: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cursor {
    Newest,
    /// Backwards in time from this id.
    After(String),
    /// Forwards in time: the page next after this id, still newest first.
    Before(String),
}

/// At most this many in `types[]`.
const MAX_TYPES: usize = 20;
const MAX_LIMIT: i64 = 100;

/// Parses the decoded pairs of a query. `filters` are the equality filters this list knows.
///
/// # Errors
/// Stripe's 400 for whatever it would refuse.
pub(crate) fn parse(pairs: &[(String, String)], filters: &[&str]) -> Result<Query, ApiError> {
    let mut query = Query {
        limit: 10,
        cursor: Cursor::Newest,
        from: i64::MIN,
        to: i64::MAX,
        types: Vec::new(),
        delivered: None,
        equal: Vec::new(),
        expand: Vec::new(),
    };
    let mut single_type = false;
    for (name, value) in pairs {
        match base(name) {
            "limit" => query.limit = limit(value)?,
            "starting_after" => set_cursor(&mut query, Cursor::After(value.clone()))?,
            "ending_before" => set_cursor(&mut query, Cursor::Before(value.clone()))?,
            "created" => created(&mut query, name, value)?,
            "type" if filters.contains(&"type") => {
                single_type = true;
                query.types.push(value.clone());
            }
            "types" if filters.contains(&"type") => query.types.push(value.clone()),
            "delivery_success" if filters.contains(&"type") => {
                query.delivered = Some(value == "true");
            }
            "expand" => query.expand.push(value.clone()),
            // By its whole name: a filter may be nested, as `payment[payment_intent]` is.
            field if filters.contains(&field) => {
                query.equal.push((name.clone(), value.clone()));
            }
            _ => {
                return Err(ApiError {
                    status: 400,
                    code: Some("parameter_unknown"),
                    message: format!("Received unknown parameter: {name}"),
                    param: Some(name.clone()),
                });
            }
        }
    }
    check_types(&query, single_type)?;
    Ok(query)
}

fn base(name: &str) -> &str {
    name.split('[').next().unwrap_or(name)
}

fn check_types(query: &Query, single_type: bool) -> Result<(), ApiError> {
    if single_type && query.types.len() > 1 {
        let message = "You may only specify one of these parameters: type, types.";
        return Err(ApiError::bad_request(message, "types"));
    }
    if query.types.len() > MAX_TYPES {
        let message = format!("You may specify at most {MAX_TYPES} types.");
        return Err(ApiError::bad_request(message, "types"));
    }
    Ok(())
}

fn limit(value: &str) -> Result<usize, ApiError> {
    let parsed: i64 = integer("limit", value)?;
    if parsed > MAX_LIMIT {
        let message = format!(
            "This value must be less than or equal to {MAX_LIMIT} (it currently is '{parsed}')."
        );
        return Err(ApiError::bad_request(message, "limit"));
    }
    match usize::try_from(parsed) {
        Ok(limit) if limit > 0 => Ok(limit),
        Ok(_) | Err(_) => Err(ApiError::bad_request(
            "This value must be greater than or equal to 1.",
            "limit",
        )),
    }
}

fn integer(name: &str, value: &str) -> Result<i64, ApiError> {
    value
        .parse()
        .or(Err(()))
        .map_err(|()| ApiError::bad_request(format!("Invalid integer: {value}"), name))
}

fn set_cursor(query: &mut Query, cursor: Cursor) -> Result<(), ApiError> {
    if query.cursor != Cursor::Newest {
        let message =
            "You may only specify one of these parameters: starting_after, ending_before.";
        return Err(ApiError::bad_request(message, "ending_before"));
    }
    query.cursor = cursor;
    Ok(())
}

fn created(query: &mut Query, name: &str, value: &str) -> Result<(), ApiError> {
    let second = integer(name, value)?;
    match name {
        "created" => {
            query.from = second;
            query.to = second.saturating_add(1);
        }
        "created[gte]" => query.from = query.from.max(second),
        "created[gt]" => query.from = query.from.max(second.saturating_add(1)),
        "created[lt]" => query.to = query.to.min(second),
        "created[lte]" => query.to = query.to.min(second.saturating_add(1)),
        _ => {
            return Err(ApiError::bad_request(
                format!("Received unknown parameter: {name}"),
                name,
            ));
        }
    }
    Ok(())
}

/// Whether a type is meant by a name or by a group such as `charge.*`.
pub(crate) fn type_matches(pattern: &str, kind: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = kind.strip_prefix(first) else {
        return false;
    };
    let mut open = false;
    for part in parts {
        open = true;
        if part.is_empty() {
            continue;
        }
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = rest.get(at + part.len()..).unwrap_or_default();
        open = false;
    }
    open || rest.is_empty()
}
