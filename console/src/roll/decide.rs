//! What a roll does next. Pure: what Stripe lists, what the file holds and what was seen decide.
//!
//! *Invariant:* nothing about a roll is remembered but at Stripe and in the file, so a roll that was
//! killed goes on from any step: the new endpoint says which one it replaces, the file says whether
//! its secret was kept (under the endpoint's id), and the new endpoint's metadata says when it began
//! to deliver. There is never a second new endpoint that delivers.
//!
//! The order is what keeps every delivery accepted: the new endpoint is subscribed to a type that
//! does not occur until every ingestor has its secret, and the old secret goes after its endpoint.

use std::time::Duration;

use serde::Serialize;

use crate::endpoint::Listed;

/// Metadata: the endpoint that this one replaces.
pub(crate) const REPLACES: &str = "bookend_replaces";
/// Metadata: when it began to deliver what the old one does, seconds since 1970.
pub(crate) const SINCE: &str = "bookend_since";
/// Metadata: the name of the old endpoint's secret.
pub(crate) const OLD_SECRET: &str = "bookend_old_secret";
/// What a new endpoint is subscribed to before the ingestors know its secret: a type that cannot
/// occur in live mode, and in test mode only when somebody deletes a test clock
/// (docs.stripe.com/billing/testing/test-clocks).
pub(crate) const NARROW: &str = "test_helpers.test_clock.deleted";

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A new endpoint without its secret in the file: the secret was told once and is lost.
    Discard {
        id: String,
    },
    Create,
    /// Wait until the ingestors have the new secret.
    Load {
        id: String,
    },
    Widen {
        id: String,
    },
    /// Wait until something was verified by the new secret.
    See {
        id: String,
        since: i64,
    },
    /// Wait until then, seconds since 1970.
    Overlap {
        until: i64,
    },
    Disable,
    Delete,
    /// Take the old secret out of the file.
    Forget {
        name: String,
    },
    Done,
}

/// Its name, in the order in which steps follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    Discard,
    Create,
    Load,
    Widen,
    See,
    Overlap,
    Disable,
    Delete,
    Forget,
}

impl Stage {
    const ALL: [Self; 9] = [
        Self::Discard,
        Self::Create,
        Self::Load,
        Self::Widen,
        Self::See,
        Self::Overlap,
        Self::Disable,
        Self::Delete,
        Self::Forget,
    ];

    /// What it means to do, for people.
    pub(crate) fn told(self, settle: Duration, overlap: Duration) -> String {
        let time = |time| humantime::format_duration(time);
        match self {
            Self::Discard => "remove the new endpoint whose secret was lost".to_owned(),
            Self::Create => format!("create a second endpoint for {NARROW} only, keep its secret"),
            Self::Load => format!(
                "wait for the ingestors to load it, at most {}",
                time(settle)
            ),
            Self::Widen => "give it the old one's types".to_owned(),
            Self::See => "wait for something that it verified".to_owned(),
            Self::Overlap => format!("let both deliver for {}", time(overlap)),
            Self::Disable => "disable the old one".to_owned(),
            Self::Delete => "remove it".to_owned(),
            Self::Forget => "take its secret out of the file".to_owned(),
        }
    }

    /// What was done, for people.
    pub(crate) const fn past(self) -> &'static str {
        match self {
            Self::Discard => "a new endpoint whose secret was lost is removed",
            Self::Create => "the new endpoint is there, its secret in the file",
            Self::Load => "the ingestors have the new secret",
            Self::Widen => "the new endpoint delivers",
            Self::See => "something was verified by the new secret",
            Self::Overlap => "the overlap is over",
            Self::Disable => "the old endpoint is disabled",
            Self::Delete => "the old endpoint is removed",
            Self::Forget => "the old secret is out of the file",
        }
    }

    /// This one and all that follow it.
    pub(crate) fn and_after(self) -> Vec<Self> {
        Self::ALL.into_iter().filter(|one| *one >= self).collect()
    }
}

impl Step {
    /// None: all is done.
    pub(crate) fn stage(&self) -> Option<Stage> {
        Some(match self {
            Self::Discard { .. } => Stage::Discard,
            Self::Create => Stage::Create,
            Self::Load { .. } => Stage::Load,
            Self::Widen { .. } => Stage::Widen,
            Self::See { .. } => Stage::See,
            Self::Overlap { .. } => Stage::Overlap,
            Self::Disable => Stage::Disable,
            Self::Delete => Stage::Delete,
            Self::Forget { .. } => Stage::Forget,
            Self::Done => return None,
        })
    }
}

/// Why a roll cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("Stripe lists no endpoint {0} in this mode, and none that replaces it")]
    Unknown(String),
    #[error("{0} is disabled: enable it (bookend endpoint ensure) or remove it, then roll")]
    Disabled(String),
    #[error("several endpoints replace it: {}; remove all but one at Stripe", .0.join(", "))]
    Several(Vec<String>),
    #[error("{0} delivers already, and its secret is not in --file: is it the right file?")]
    OtherFile(String),
    #[error(
        "{0}, which replaces it, is not enabled at Stripe, and delivers nothing: enable it \
         (bookend endpoint ensure), then roll again"
    )]
    NewDisabled(String),
    #[error("the old endpoint is gone, and {0} does not deliver yet: subscribe it at Stripe")]
    OldIsGone(String),
    #[error("which secret is the old endpoint's? Say by --old-secret one of: {}", .0.join(", "))]
    WhichSecret(Vec<String>),
    #[error("--file holds no secret called {0}")]
    NoSuchSecret(String),
}

/// What is so now.
#[derive(Debug, Clone)]
pub(crate) struct World {
    /// The endpoint that is rolled.
    pub(crate) endpoint: String,
    pub(crate) listed: Vec<Listed>,
    /// Names of the secrets in the file.
    pub(crate) names: Vec<String>,
    /// As the operator named it.
    pub(crate) old_secret: Option<String>,
    /// This process knows that the ingestors have the new secret.
    pub(crate) loaded: bool,
    /// This process knows that the new secret verified something.
    pub(crate) seen: bool,
    /// Seconds since 1970.
    pub(crate) now: i64,
    /// Seconds.
    pub(crate) overlap: i64,
}

impl World {
    pub(crate) fn old(&self) -> Option<&Listed> {
        self.listed.iter().find(|one| one.id == self.endpoint)
    }

    fn replacements(&self) -> Vec<&Listed> {
        let replaces = |one: &&Listed| one.metadata.get(REPLACES) == Some(&self.endpoint);
        self.listed.iter().filter(replaces).collect()
    }

    /// The id of the one that replaces it.
    pub(crate) fn new_id(&self) -> Option<&str> {
        self.replacements().first().map(|one| one.id.as_str())
    }

    /// The one that replaces it, once it delivers.
    pub(crate) fn delivering(&self) -> Option<&Listed> {
        let new = self.replacements();
        new.into_iter().find(|one| one.metadata.contains_key(SINCE))
    }

    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    /// The name of the old endpoint's secret.
    ///
    /// # Errors
    /// When the file does not tell.
    pub(crate) fn old_name(&self) -> Result<String, Refusal> {
        let new = self.replacements();
        let noted = new.iter().find_map(|one| one.metadata.get(OLD_SECRET));
        if let Some(name) = noted {
            return Ok(name.clone());
        }
        if let Some(name) = &self.old_secret {
            let known = self.has(name).then(|| name.clone());
            return known.ok_or_else(|| Refusal::NoSuchSecret(name.clone()));
        }
        if self.has(&self.endpoint) {
            return Ok(self.endpoint.clone());
        }
        let others = self.names.iter();
        let others: Vec<&String> = others
            .filter(|name| new.iter().all(|one| one.id != **name))
            .collect();
        match others.as_slice() {
            [one] => Ok((*one).clone()),
            [] | [_, _, ..] => Err(Refusal::WhichSecret(self.names.clone())),
        }
    }

    /// What comes next.
    ///
    /// # Errors
    /// When a person must decide; nothing is done then.
    pub(crate) fn next(&self) -> Result<Step, Refusal> {
        let name = self.old_name();
        match self.replacements().as_slice() {
            [] => match self.old() {
                None => Err(Refusal::Unknown(self.endpoint.clone())),
                Some(old) if old.status != "enabled" => Err(Refusal::Disabled(old.id.clone())),
                Some(_) => name.map(|_name| Step::Create),
            },
            [one] => self.with(one, name?),
            several => {
                let ids = several.iter().map(|one| one.id.clone());
                Err(Refusal::Several(ids.collect()))
            }
        }
    }

    /// What comes next, with the new endpoint there.
    ///
    /// What it noted once is not believed where Stripe now says otherwise: the old one is never
    /// taken away from beside a new one that is disabled or lacks a type.
    fn with(&self, new: &Listed, old_name: String) -> Result<Step, Refusal> {
        let id = new.id.clone();
        let since = new.metadata.get(SINCE).and_then(|text| text.parse().ok());
        match (self.has(&id), since, self.old()) {
            (false, None, _) => Ok(Step::Discard { id }),
            (false, Some(_), _) => Err(Refusal::OtherFile(id)),
            (true, _, _) if new.status != "enabled" => Err(Refusal::NewDisabled(id)),
            (true, None, None) => Err(Refusal::OldIsGone(id)),
            (true, None, Some(_)) if self.loaded => Ok(Step::Widen { id }),
            (true, None, Some(_)) => Ok(Step::Load { id }),
            (true, Some(_), Some(old)) if !covers(new, old) => Ok(Step::Widen { id }),
            (true, Some(since), Some(_)) if !self.seen => Ok(Step::See { id, since }),
            (true, Some(since), Some(old)) if old.status == "enabled" => {
                let until = self.overlap.saturating_add(since);
                if self.now < until {
                    Ok(Step::Overlap { until })
                } else {
                    Ok(Step::Disable)
                }
            }
            (true, Some(_), Some(_)) => Ok(Step::Delete),
            (true, Some(_), None) if self.has(&old_name) => Ok(Step::Forget { name: old_name }),
            (true, Some(_), None) => Ok(Step::Done),
        }
    }
}

/// Whether the new endpoint is subscribed to all that the old one is.
fn covers(new: &Listed, old: &Listed) -> bool {
    let types = &new.enabled_events;
    let all = types.iter().any(|one| one == "*");
    all || old.enabled_events.iter().all(|one| types.contains(one))
}

/// The parameters of the new endpoint: the old one's, but for the types.
pub(crate) fn created(old: &Listed) -> Vec<(String, String)> {
    let mut pairs = vec![
        ("url".to_owned(), old.url.clone()),
        ("enabled_events[0]".to_owned(), NARROW.to_owned()),
    ];
    pairs.extend(
        old.api_version
            .clone()
            .map(|it| ("api_version".to_owned(), it)),
    );
    pairs.extend(
        old.description
            .clone()
            .map(|it| ("description".to_owned(), it)),
    );
    // The flag is told by no answer; only a Connect endpoint has an application.
    if old.application.is_some() {
        pairs.push(("connect".to_owned(), "true".to_owned()));
    }
    let own = |key: &String| [REPLACES, SINCE, OLD_SECRET].contains(&key.as_str());
    for (key, value) in old.metadata.iter().filter(|(key, _)| !own(key)) {
        pairs.push((format!("metadata[{key}]"), value.clone()));
    }
    pairs.push((format!("metadata[{REPLACES}]"), old.id.clone()));
    pairs
}

/// The parameters that let the new endpoint deliver what the old one does.
pub(crate) fn widened(old: &Listed, old_name: &str, now: i64) -> Vec<(String, String)> {
    let types = old.enabled_events.iter().enumerate();
    let mut pairs: Vec<(String, String)> = types
        .map(|(n, one)| (format!("enabled_events[{n}]"), one.clone()))
        .collect();
    pairs.push((format!("metadata[{SINCE}]"), now.to_string()));
    pairs.push((format!("metadata[{OLD_SECRET}]"), old_name.to_owned()));
    pairs
}

#[cfg(test)]
mod tests;
