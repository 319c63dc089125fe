//! `GET /v2/core/events`: thin events (docs.stripe.com/api/v2/core/events/list).
//!
//! Newest first; the next page is a URL that the answer tells, null at the end.

use chrono::DateTime;
use serde_json::{Value, json};

use super::super::model::text;
use super::super::world::events::{Event, Place};
use super::error::ApiError;
use super::page::{Side, cut};
use super::query::type_matches;
use super::read::Reader;

const PATH: &str = "/v2/core/events";

struct Query {
    limit: usize,
    before: Option<Place>,
    from: i64,
    to: i64,
    object: Option<String>,
    types: Vec<String>,
}

impl Reader<'_> {
    /// Answers a GET of thin events: the list, or one.
    ///
    /// # Errors
    /// Stripe's refusal.
    pub(crate) fn get_v2(&self, path: &str, pairs: &[(String, String)]) -> Result<Value, ApiError> {
        if path == PATH {
            return self.list_thin(pairs);
        }
        let id = path
            .strip_prefix(PATH)
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or_else(|| ApiError::unknown_url("GET", path))?;
        let found = self.world.thin.find(id).filter(|event| self.visible(event));
        found
            .map(|event| event.render())
            .ok_or_else(|| ApiError::missing("event", id))
    }

    fn list_thin(&self, pairs: &[(String, String)]) -> Result<Value, ApiError> {
        let query = parse(pairs)?;
        let from = (query.from.max(self.oldest_s()), 0);
        let side = query.before.map_or(Side::Newest, Side::OlderThan);
        let events = self
            .world
            .thin
            .between(from, (query.to, 0))
            .filter(|event| self.visible(event) && query.wants(event))
            .map(|event| (event.place, event));
        let (page, more) = cut(events, side, query.limit);
        let next = page.last().filter(|_| more).map(|last| {
            let (second, number) = last.place;
            let mut url = format!("{PATH}?limit={}&page={second}.{number}", query.limit);
            for (name, value) in pairs {
                if name != "limit" && name != "page" {
                    url.push_str(&format!("&{name}={value}"));
                }
            }
            url
        });
        let data: Vec<Value> = page.into_iter().map(|event| event.render()).collect();
        Ok(json!({"data": data, "next_page_url": next, "previous_page_url": null}))
    }
}

impl Query {
    fn wants(&self, event: &Event) -> bool {
        let value = event.render();
        let related = value.get("related_object").unwrap_or(&Value::Null);
        self.object
            .as_deref()
            .is_none_or(|id| text(related, "id") == id)
            && (self.types.is_empty()
                || self
                    .types
                    .iter()
                    .any(|wanted| type_matches(wanted, &event.kind)))
    }
}

fn parse(pairs: &[(String, String)]) -> Result<Query, ApiError> {
    let mut query = Query {
        limit: 20,
        before: None,
        from: i64::MIN,
        to: i64::MAX,
        object: None,
        types: Vec::new(),
    };
    for (name, value) in pairs {
        let bad = || ApiError::bad_request(format!("Invalid value: {value}"), name);
        let second = || {
            let time = DateTime::parse_from_rfc3339(value);
            time.map(|time| time.timestamp())
                .or(Err(()))
                .map_err(|()| bad())
        };
        match name.as_str() {
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=100).contains(limit));
                query.limit = limit.ok_or_else(bad)?;
            }
            "page" => {
                let place = value.split_once('.').and_then(|(second, number)| {
                    Some((second.parse().ok()?, number.parse().ok()?))
                });
                query.before = Some(place.ok_or_else(bad)?);
            }
            "object_id" => query.object = Some(value.clone()),
            "created[gte]" => query.from = second()?,
            "created[gt]" => query.from = second()?.saturating_add(1),
            "created[lt]" => query.to = second()?,
            "created[lte]" => query.to = second()?.saturating_add(1),
            types if types.starts_with("types") => query.types.push(value.clone()),
            _ => {
                let told = format!("Received unknown parameter: {name}");
                return Err(ApiError::bad_request(told, name));
            }
        }
    }
    Ok(query)
}
