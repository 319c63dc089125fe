//! Webhook endpoints: the one that the fake was started with, and those made through the API.
//!
//! Invariant: the first has faults, a secret that can be rolled, and its address from
//! `set_target`; the others have one secret each, told once, and meet no faults.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::api::error::ApiError;
use super::api::query::type_matches;

/// What a Connect endpoint belongs to.
const APPLICATION: &str = "ca_1MrgZlJDPojXS6LN";

/// The id of the first.
pub(crate) const FIRST: &str = "we_1MrgZlJDPojXS6LNrp4lFpKh";

#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) id: String,
    /// Empty for the first: that one's is the target.
    pub(crate) url: String,
    pub(crate) secret: String,
    pub(crate) enabled: bool,
    /// The version of what it gets; none: as the events are.
    pub(crate) api_version: Option<String>,
    events: Vec<String>,
    description: Option<String>,
    metadata: BTreeMap<String, String>,
    /// It gets what happens at connected accounts, and nothing else.
    connect: bool,
    created: i64,
}

impl Endpoint {
    fn wants(&self, kind: &str) -> bool {
        self.enabled && self.events.iter().any(|wanted| type_matches(wanted, kind))
    }

    fn render(&self, target: Option<&str>) -> Value {
        let url = if self.id == FIRST {
            target
        } else {
            Some(&*self.url)
        };
        // The flag itself is never told: an application is what tells a Connect endpoint.
        let application = self.connect.then_some(APPLICATION);
        json!({"id": self.id, "object": "webhook_endpoint", "api_version": self.api_version,
            "application": application, "created": self.created, "description": self.description,
            "enabled_events": self.events, "livemode": false, "metadata": self.metadata,
            "status": if self.enabled { "enabled" } else { "disabled" }, "url": url})
    }

    /// Takes the parameters of a create or an update (docs.stripe.com/api/webhook_endpoints).
    fn set(&mut self, form: &[(String, String)], new: bool) -> Result<(), ApiError> {
        let mut events = Vec::new();
        for (name, value) in form {
            match name.split('[').next().unwrap_or(name) {
                "url" => self.url.clone_from(value),
                "enabled_events" => events.push(value.clone()),
                "description" => self.description = Some(value.clone()),
                "metadata" => set_metadata(&mut self.metadata, name, value)?,
                "connect" if new => self.connect = value == "true",
                "disabled" if !new => self.enabled = value != "true",
                "api_version" if new => self.api_version = Some(value.clone()),
                _ => {
                    let told = format!("Received unknown parameter: {name}");
                    return Err(ApiError::bad_request(told, name));
                }
            }
        }
        if !events.is_empty() {
            self.events = events;
        }
        if new && self.url.is_empty() {
            return Err(ApiError::bad_request("Missing required param: url.", "url"));
        }
        if self.events.is_empty() {
            let told = "Missing required param: enabled_events.";
            return Err(ApiError::bad_request(told, "enabled_events"));
        }
        Ok(())
    }
}

/// `metadata[key]=value`; an empty value takes the key away (docs.stripe.com/api/metadata).
fn set_metadata(
    metadata: &mut BTreeMap<String, String>,
    name: &str,
    value: &str,
) -> Result<(), ApiError> {
    let key = name.strip_prefix("metadata[");
    let key = key.and_then(|rest| rest.strip_suffix(']'));
    match key {
        Some(key) if !key.is_empty() && key.len() <= 40 && value.len() <= 500 => {
            if value.is_empty() {
                metadata.remove(key);
            } else {
                metadata.insert(key.to_owned(), value.to_owned());
            }
            Ok(())
        }
        Some(_) | None => Err(ApiError::bad_request("Invalid metadata.", name)),
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Endpoints {
    by_id: BTreeMap<String, Endpoint>,
    made: u32,
}

impl Default for Endpoints {
    fn default() -> Self {
        let first = Endpoint {
            id: FIRST.to_owned(),
            events: vec!["*".to_owned()],
            ..blank(0)
        };
        Self {
            by_id: BTreeMap::from([(FIRST.to_owned(), first)]),
            made: 0,
        }
    }
}

fn blank(created: i64) -> Endpoint {
    Endpoint {
        id: String::new(),
        url: String::new(),
        secret: String::new(),
        enabled: true,
        api_version: None,
        events: Vec::new(),
        description: None,
        metadata: BTreeMap::new(),
        connect: false,
        created,
    }
}

impl Endpoints {
    pub(crate) fn get(&self, id: &str) -> Option<&Endpoint> {
        self.by_id.get(id)
    }

    /// Whether the first is enabled and wants events of this type.
    pub(crate) fn first_wants(&self, kind: &str) -> bool {
        self.get(FIRST).is_some_and(|first| first.wants(kind))
    }

    /// The ids of the others that want events of this type, of a connected account or not.
    pub(crate) fn others_wanting(&self, kind: &str, connected: bool) -> Vec<String> {
        let others = self.by_id.values().filter(|one| one.id != FIRST);
        let others = others.filter(|one| connected || !one.connect);
        others
            .filter(|one| one.wants(kind))
            .map(|one| one.id.clone())
            .collect()
    }

    /// All that have an address, as the API lists them.
    pub(crate) fn list(&self, target: Option<&str>) -> Vec<Value> {
        let all = self.by_id.values();
        all.filter(|one| one.id != FIRST || target.is_some())
            .map(|one| one.render(target))
            .collect()
    }

    /// # Errors
    /// When there is none of this id.
    pub(crate) fn show(&self, id: &str, target: Option<&str>) -> Result<Value, ApiError> {
        let found = self.get(id).map(|one| one.render(target));
        found.ok_or_else(|| ApiError::missing("webhook endpoint", id))
    }

    /// # Errors
    /// When a parameter is missing or unknown.
    pub(crate) fn create(
        &mut self,
        form: &[(String, String)],
        now_s: i64,
    ) -> Result<Value, ApiError> {
        let number = self.made.saturating_add(1);
        let mut endpoint = Endpoint {
            id: format!("we_1MrgZlJDPojXS6LN{number:08}"),
            secret: format!("whsec_endpoint{number:08}xS6LNrp4lFpKhJDPo"),
            ..blank(now_s)
        };
        endpoint.set(form, true)?;
        self.made = number;
        let mut told = endpoint.render(None);
        // The one time that the secret is told.
        if let Some(told) = told.as_object_mut() {
            told.insert("secret".to_owned(), endpoint.secret.clone().into());
        }
        self.by_id.insert(endpoint.id.clone(), endpoint);
        Ok(told)
    }

    /// # Errors
    /// When there is none of this id, or a parameter is unknown; nothing is changed then.
    pub(crate) fn update(
        &mut self,
        id: &str,
        form: &[(String, String)],
        target: Option<&str>,
    ) -> Result<Value, ApiError> {
        let known = self.by_id.get_mut(id);
        let known = known.ok_or_else(|| ApiError::missing("webhook endpoint", id))?;
        let mut changed = known.clone();
        changed.set(form, false)?;
        *known = changed;
        Ok(known.render(target))
    }

    /// # Errors
    /// When there is none of this id.
    pub(crate) fn delete(&mut self, id: &str) -> Result<Value, ApiError> {
        match self.by_id.remove(id) {
            Some(_) => Ok(json!({"id": id, "object": "webhook_endpoint", "deleted": true})),
            None => Err(ApiError::missing("webhook endpoint", id)),
        }
    }
}
