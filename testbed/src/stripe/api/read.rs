//! The read side of the API: lists and single objects.

use serde_json::Value;

use super::super::endpoints::Endpoints;
use super::super::model::kinds::KINDS;
use super::super::model::text;
use super::super::world::World;
use super::super::world::events::Event;
use super::error::ApiError;
use super::expand::{expansions, field_of};
use super::page::{Place, Side, cut, list};
use super::query::{Cursor, Query, parse, type_matches};

/// Events are kept 30 days (docs.stripe.com/api/events).
const KEPT_S: i64 = 30 * 86_400;

/// Who asks, and when.
pub(crate) struct Reader<'a> {
    pub(crate) world: &'a World,
    pub(crate) account: Option<&'a str>,
    pub(crate) now_ms: i64,
    pub(crate) target: Option<&'a str>,
    pub(crate) endpoints: &'a Endpoints,
}

impl Reader<'_> {
    /// Answers a GET below `/v1/`.
    ///
    /// # Errors
    /// Stripe's refusal.
    pub(crate) fn get(&self, path: &str, pairs: &[(String, String)]) -> Result<Value, ApiError> {
        let unknown = || ApiError::unknown_url("GET", &format!("/v1/{path}"));
        match path {
            "events" => return self.list_events(&parse(pairs, &["type"])?),
            "webhook_endpoints" => {
                let all = self.endpoints.list(self.target);
                return Ok(list("/v1/webhook_endpoints", all, false));
            }
            _ => {}
        }
        if let Some(id) = path.strip_prefix("webhook_endpoints/") {
            return self.endpoints.show(id, self.target);
        }
        if let Some(id) = path.strip_prefix("events/") {
            return self.event(id);
        }
        for kind in KINDS {
            let Some(rest) = path.strip_prefix(kind.path) else {
                continue;
            };
            if rest.is_empty() {
                return self.list_objects(path, kind.name, &parse(pairs, kind.filters)?);
            }
            let id = rest.strip_prefix('/').ok_or_else(unknown)?;
            let found = self.world.objects.get(self.account, id);
            let object = found.filter(|value| text(value, "object") == kind.name);
            let object = object.ok_or_else(|| ApiError::missing(kind.missing, id))?;
            return Ok(self.expanded(object, &expansions(pairs), ""));
        }
        Err(unknown())
    }

    pub(super) fn oldest_s(&self) -> i64 {
        self.now_ms.div_euclid(1000).saturating_sub(KEPT_S)
    }

    pub(super) fn visible(&self, event: &Event) -> bool {
        event.visible_ms <= self.now_ms && event.account.as_deref() == self.account
    }

    fn event(&self, id: &str) -> Result<Value, ApiError> {
        self.world
            .events
            .find(id)
            .filter(|event| self.visible(event) && event.place.0 >= self.oldest_s())
            .map(|event| event.render())
            .ok_or_else(|| ApiError::missing("event", id))
    }

    fn list_events(&self, query: &Query) -> Result<Value, ApiError> {
        let side = self.side(&query.cursor, |id, param| {
            let event = self
                .world
                .events
                .find(id)
                .filter(|event| self.visible(event))
                .ok_or_else(|| ApiError::missing_cursor("event", id, param))?;
            if event.place.0 < self.oldest_s() {
                return Err(ApiError::aged_out(id, param));
            }
            Ok(event.place)
        })?;
        let from = (query.from.max(self.oldest_s()), 0);
        let events = self
            .world
            .events
            .between(from, (query.to, 0))
            .filter(|event| self.visible(event) && wanted(event, query))
            .map(|event| (event.place, event));
        let (page, more) = cut(events, side, query.limit);
        let data = page.into_iter().map(|event| event.render()).collect();
        Ok(list("/v1/events", data, more))
    }

    fn list_objects(&self, path: &str, kind: &str, query: &Query) -> Result<Value, ApiError> {
        let mut all: Vec<_> = self.world.objects.of_kind(self.account, kind).collect();
        all.sort_by_key(|stored| stored.place);
        let side = self.side(&query.cursor, |id, param| {
            all.iter()
                .find(|stored| text(&stored.value, "id") == id)
                .map(|stored| stored.place)
                .ok_or_else(|| ApiError::missing_cursor(kind, id, param))
        })?;
        let within = all
            .iter()
            .filter(|stored| stored.place.0 >= query.from && stored.place.0 < query.to)
            .filter(|stored| {
                let mut filters = query.equal.iter();
                // `status=all` is no status (docs.stripe.com/api/subscriptions/list).
                filters.all(|(field, value)| {
                    (field == "status" && value == "all")
                        || field_of(&stored.value, field) == Some(value)
                })
            })
            .map(|stored| (stored.place, &stored.value));
        let (page, more) = cut(within, side, query.limit);
        let data = page
            .into_iter()
            .map(|object| self.expanded(object, &query.expand, "data."));
        Ok(list(&format!("/v1/{path}"), data.collect(), more))
    }

    fn side(
        &self,
        cursor: &Cursor,
        place: impl Fn(&str, &str) -> Result<Place, ApiError>,
    ) -> Result<Side, ApiError> {
        Ok(match cursor {
            Cursor::Newest => Side::Newest,
            Cursor::After(id) => Side::OlderThan(place(id, "starting_after")?),
            Cursor::Before(id) => Side::NewerThan(place(id, "ending_before")?),
        })
    }
}

fn wanted(event: &Event, query: &Query) -> bool {
    let delivered = event.pending() == 0;
    query.delivered.is_none_or(|wanted| wanted == delivered)
        && (query.types.is_empty()
            || query
                .types
                .iter()
                .any(|pattern| type_matches(pattern, &event.kind)))
}
