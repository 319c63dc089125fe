//! What is to be done so that the endpoint is as it is wanted. Pure: what is wanted and what Stripe
//! lists decide, nothing else.

use serde::Serialize;

use super::wanted::{Listed, Wanted};

/// What is to be done at Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// There is none with this address.
    Create,
    /// It is there, and these things about it are not right. Never empty.
    Update {
        id: String,
        changes: Vec<Change>,
    },
    /// It is as it shall be.
    Nothing {
        id: String,
    },
    Refuse(Refusal),
}

/// One thing that is made right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    Enable,
    SetUrl,
    SetEvents,
}

/// Why nothing may be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Several have this address, and nobody said which is meant.
    Several(Vec<String>),
    /// The endpoint that was named is not there.
    Unknown(String),
    /// Its version is another, which Stripe fixes when an endpoint is created.
    OtherVersion { id: String, has: Option<String> },
}

/// Decides.
pub(crate) fn ensure(wanted: &Wanted, listed: &[Listed]) -> Decision {
    let of_mode = listed.iter().filter(|one| one.livemode == wanted.livemode);
    let found: Vec<&Listed> = match &wanted.endpoint {
        Some(id) => of_mode.filter(|one| one.id == *id).collect(),
        None => of_mode.filter(|one| wanted.url.is(&one.url)).collect(),
    };
    match (found.as_slice(), &wanted.endpoint) {
        ([], Some(id)) => Decision::Refuse(Refusal::Unknown(id.clone())),
        ([], None) => Decision::Create,
        ([one], _) => compare(wanted, one),
        (several, _) => {
            let ids = several.iter().map(|one| one.id.clone());
            Decision::Refuse(Refusal::Several(ids.collect()))
        }
    }
}

fn compare(wanted: &Wanted, one: &Listed) -> Decision {
    if wanted.api_version.is_some() && wanted.api_version != one.api_version {
        return Decision::Refuse(Refusal::OtherVersion {
            id: one.id.clone(),
            has: one.api_version.clone(),
        });
    }
    let all = [
        (one.status != "enabled", Change::Enable),
        (!wanted.url.is(&one.url), Change::SetUrl),
        (!wanted.events.are(&one.enabled_events), Change::SetEvents),
    ];
    let changes: Vec<Change> = all
        .into_iter()
        .filter_map(|(differs, change)| differs.then_some(change))
        .collect();
    let id = one.id.clone();
    if changes.is_empty() {
        Decision::Nothing { id }
    } else {
        Decision::Update { id, changes }
    }
}

/// The parameters of the one request that does it; none: there is nothing to ask for.
pub(crate) fn form(wanted: &Wanted, decision: &Decision) -> Vec<(String, String)> {
    let url = || ("url".to_owned(), wanted.url.as_str().to_owned());
    let events = || {
        let numbered = wanted.events.iter().enumerate();
        numbered.map(|(n, one)| (format!("enabled_events[{n}]"), one.to_owned()))
    };
    match decision {
        Decision::Create => {
            let mut pairs = vec![url()];
            pairs.extend(events());
            let version = wanted.api_version.clone();
            pairs.extend(version.map(|version| ("api_version".to_owned(), version)));
            pairs
        }
        Decision::Update { changes, .. } => {
            let mut pairs = Vec::new();
            for change in changes {
                match change {
                    Change::Enable => pairs.push(("disabled".to_owned(), "false".to_owned())),
                    Change::SetUrl => pairs.push(url()),
                    Change::SetEvents => pairs.extend(events()),
                }
            }
            pairs
        }
        Decision::Nothing { .. } | Decision::Refuse(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{Types, Url};

    const URL: &str = "https://example.com/hooks";

    fn wanted() -> Wanted {
        Wanted {
            url: Url::parse(URL).unwrap(),
            events: Types::parse("*").unwrap(),
            api_version: None,
            endpoint: None,
            livemode: true,
        }
    }

    fn listed(id: &str) -> Listed {
        Listed {
            id: id.to_owned(),
            url: URL.to_owned(),
            status: "enabled".to_owned(),
            api_version: Some("2026-09-30".to_owned()),
            enabled_events: vec!["*".to_owned()],
            livemode: true,
            application: None,
            description: None,
            metadata: std::collections::BTreeMap::new(),
        }
    }

    fn update(changes: &[Change]) -> Decision {
        Decision::Update {
            id: "we_1".to_owned(),
            changes: changes.to_vec(),
        }
    }

    #[test]
    fn what_is_not_there_is_created_and_what_is_right_is_left_alone() {
        assert_eq!(ensure(&wanted(), &[]), Decision::Create);
        let right = Decision::Nothing {
            id: "we_1".to_owned(),
        };
        assert_eq!(ensure(&wanted(), &[listed("we_1")]), right);
    }

    #[test]
    fn other_addresses_and_the_other_mode_are_not_ours() {
        let elsewhere = Listed {
            url: "https://example.com/other".to_owned(),
            ..listed("we_1")
        };
        let other_mode = Listed {
            livemode: false,
            ..listed("we_2")
        };
        assert_eq!(
            ensure(&wanted(), &[elsewhere, other_mode]),
            Decision::Create
        );
    }

    #[test]
    fn everything_that_differs_is_made_right_at_once() {
        let mut found = listed("we_1");
        found.status = "disabled".to_owned();
        assert_eq!(
            ensure(&wanted(), &[found.clone()]),
            update(&[Change::Enable])
        );
        found.enabled_events = vec!["charge.refunded".to_owned()];
        found.url = "https://example.com/old".to_owned();
        let by_id = Wanted {
            endpoint: Some("we_1".to_owned()),
            ..wanted()
        };
        let all = update(&[Change::Enable, Change::SetUrl, Change::SetEvents]);
        assert_eq!(ensure(&by_id, &[found]), all);
        let pairs = form(&by_id, &all);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (&**n, &**v)).collect();
        let asked = [
            ("disabled", "false"),
            ("url", URL),
            ("enabled_events[0]", "*"),
        ];
        assert_eq!(pairs, asked);
    }

    #[test]
    fn several_with_one_address_are_refused_unless_one_is_named() {
        let two = [listed("we_1"), listed("we_2")];
        let ids = vec!["we_1".to_owned(), "we_2".to_owned()];
        let refused = Decision::Refuse(Refusal::Several(ids));
        assert_eq!(ensure(&wanted(), &two), refused);
        let named = |id: &str| Wanted {
            endpoint: Some(id.to_owned()),
            ..wanted()
        };
        let second = Decision::Nothing {
            id: "we_2".to_owned(),
        };
        assert_eq!(ensure(&named("we_2"), &two), second);
        let unknown = Decision::Refuse(Refusal::Unknown("we_3".to_owned()));
        assert_eq!(ensure(&named("we_3"), &two), unknown);
    }

    #[test]
    fn a_version_is_never_changed() {
        let newer = Wanted {
            api_version: Some("2027-01-01".to_owned()),
            ..wanted()
        };
        let has = Some("2026-09-30".to_owned());
        let id = "we_1".to_owned();
        let refused = Decision::Refuse(Refusal::OtherVersion { id, has });
        assert_eq!(ensure(&newer, &[listed("we_1")]), refused);
        assert_eq!(ensure(&newer, &[]), Decision::Create);
        let asked = form(&newer, &Decision::Create);
        assert!(asked.contains(&("api_version".to_owned(), "2027-01-01".to_owned())));
    }
}
