//! What is wrong with the sender: its endpoint, its silence, its limits. One pure judgement.
//!
//! Keeps: an alarm stands as long as its cause does, and names what was seen.
//!
//! Pure. Deliberately absent: asking Stripe, remembering ([`crate::sweep::sender`]).

use std::time::Duration;

use crate::stripe::endpoints::Endpoint;
use crate::sweep::tail::Heard;

/// How long Stripe tries to deliver an event, in seconds.
/// Source: <https://docs.stripe.com/webhooks>.
const RETRIES_S: i64 = 3 * 86_400;
/// How long before that ends somebody must know, in seconds.
const RETRIES_NOTICE_S: i64 = 86_400;
/// The same for the end of Stripe's list.
const HORIZON_S: i64 = shared::windows::STRIPE_RETENTION_S;
const HORIZON_NOTICE_S: i64 = 5 * 86_400;
/// Fewer events than these are no silence: each may be late by itself.
const SILENT_EVENTS: usize = 3;

/// What an alarm is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    NoEndpoint,
    EndpointDisabled,
    EndpointGone,
    UrlChanged,
    VersionChanged,
    TypesChanged,
    OtherMode,
    Silence,
    RetriesEnd,
    Horizon,
    /// Events of a connected account arrive, and no sweep covers it.
    AccountNotSwept,
}

impl Kind {
    /// Every kind: a metric shows those that do not stand as 0.
    pub const ALL: [Self; 11] = [
        Self::NoEndpoint,
        Self::EndpointDisabled,
        Self::EndpointGone,
        Self::UrlChanged,
        Self::VersionChanged,
        Self::TypesChanged,
        Self::OtherMode,
        Self::Silence,
        Self::RetriesEnd,
        Self::Horizon,
        Self::AccountNotSwept,
    ];

    /// As `sender_alarms.alarm` names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoEndpoint => "no_endpoint",
            Self::EndpointDisabled => "endpoint_disabled",
            Self::EndpointGone => "endpoint_gone",
            Self::UrlChanged => "url_changed",
            Self::VersionChanged => "version_changed",
            Self::TypesChanged => "types_changed",
            Self::OtherMode => "other_mode",
            Self::Silence => "silence",
            Self::RetriesEnd => "retries_end",
            Self::Horizon => "horizon",
            Self::AccountNotSwept => "account_not_swept",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    pub kind: Kind,
    /// The endpoint or account concerned; empty: all.
    pub subject: String,
    pub detail: String,
}

fn alarm(kind: Kind, subject: &str, detail: String) -> Alarm {
    Alarm {
        kind,
        subject: subject.to_owned(),
        detail,
    }
}

/// An endpoint of ours as it was accepted: by its first sight under our address, or by a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub id: String,
    pub url: String,
    pub api_version: Option<String>,
    pub events: Vec<String>,
}

/// Judges the listed endpoints by the accepted ones. Endpoints that nobody accepted are not ours.
pub fn endpoints(listed: &[Endpoint], accepted: &[Accepted]) -> Vec<Alarm> {
    let of = |id: &str| listed.iter().find(|it| it.id == id);
    let mut alarms: Vec<Alarm> = accepted
        .iter()
        .flat_map(|was| match of(&was.id) {
            None => vec![alarm(
                Kind::EndpointGone,
                &was.id,
                format!("Stripe no longer lists the endpoint at {}", was.url),
            )],
            Some(is) => changes(was, is),
        })
        .collect();
    let delivers = |was: &Accepted| of(&was.id).is_some_and(Endpoint::is_enabled);
    if !accepted.iter().any(delivers) {
        let enabled = listed.iter().filter(|it| it.is_enabled()).count();
        alarms.push(alarm(
            Kind::NoEndpoint,
            "",
            format!("no enabled endpoint is known as ours; Stripe lists {enabled} enabled ones"),
        ));
    }
    alarms
}

fn changes(was: &Accepted, is: &Endpoint) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    if !is.is_enabled() {
        let detail = format!("its status is {}: its retries have ended", is.status);
        alarms.push(alarm(Kind::EndpointDisabled, &is.id, detail));
    }
    if is.url != was.url {
        let detail = format!("delivers to {}, accepted was {}", is.url, was.url);
        alarms.push(alarm(Kind::UrlChanged, &is.id, detail));
    }
    if is.api_version != was.api_version {
        let named = |version: &Option<String>| {
            version
                .clone()
                .unwrap_or_else(|| "the account's".to_owned())
        };
        let (now, before) = (named(&is.api_version), named(&was.api_version));
        let detail = format!("its version is {now}, accepted was {before}");
        alarms.push(alarm(Kind::VersionChanged, &is.id, detail));
    }
    let sorted = |events: &[String]| {
        let mut events = events.to_vec();
        events.sort();
        events
    };
    if sorted(&is.enabled_events) != sorted(&was.events) {
        let (now, before) = (is.enabled_events.join(", "), was.events.join(", "));
        let detail = format!("it is subscribed to {now}; accepted was {before}");
        alarms.push(alarm(Kind::TypesChanged, &is.id, detail));
    }
    alarms
}

/// Judges what one sweep of the tail heard at `now`, all by Stripe's clock.
pub fn heard(account: &str, heard: &Heard, now: i64, silence_after: Duration) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    if let Some(id) = &heard.other_mode {
        let detail = format!("{id} is of the other mode: is it the right key?");
        alarms.push(alarm(Kind::OtherMode, account, detail));
    }
    let patience = i64::try_from(silence_after.as_secs()).unwrap_or(i64::MAX);
    if let Some((oldest, _)) = heard.span
        && heard.listed >= SILENT_EVENTS
        && heard.arrived == 0
        && now.saturating_sub(oldest) >= patience
    {
        let detail = format!(
            "{} events since {} s ago, and not one came by webhook",
            heard.listed,
            now.saturating_sub(oldest)
        );
        alarms.push(alarm(Kind::Silence, account, detail));
    }
    alarms
}

/// Judges how far behind `now` an account is proven complete, all by Stripe's clock.
pub fn limits(account: &str, complete_up_to: Option<i64>, now: i64) -> Vec<Alarm> {
    let Some(complete) = complete_up_to else {
        return Vec::new();
    };
    let behind = now.saturating_sub(complete);
    let hours = behind / 3_600;
    let mut alarms = Vec::new();
    if behind >= RETRIES_S - RETRIES_NOTICE_S {
        let detail = format!(
            "not proven complete since {hours} h: Stripe's retries end 72 h after an event"
        );
        alarms.push(alarm(Kind::RetriesEnd, account, detail));
    }
    if behind >= HORIZON_S - HORIZON_NOTICE_S {
        let detail =
            format!("not proven complete since {hours} h: Stripe forgets events after 720 h");
        alarms.push(alarm(Kind::Horizon, account, detail));
    }
    alarms
}

/// One alarm for each connected account that was seen and that no sweep covers.
pub fn not_swept(accounts: &[String]) -> Vec<Alarm> {
    let detail = "its events arrive, and no sweep covers it: what of it gets lost is not noticed; \
                  name it in STRIPE_ACCOUNTS";
    accounts
        .iter()
        .map(|account| alarm(Kind::AccountNotSwept, account, detail.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use shared::ids::EventId;

    fn endpoint() -> Endpoint {
        Endpoint {
            id: "we_1".to_owned(),
            url: "https://a.example/webhooks/stripe".to_owned(),
            status: "enabled".to_owned(),
            api_version: Some("2026-10-28.endive".to_owned()),
            enabled_events: vec!["a".to_owned(), "b".to_owned()],
            livemode: false,
            created: 0,
        }
    }

    fn accepted() -> Accepted {
        let it = endpoint();
        Accepted {
            id: it.id,
            url: it.url,
            api_version: it.api_version,
            events: vec!["b".to_owned(), "a".to_owned()],
        }
    }

    fn kinds(alarms: &[Alarm]) -> Vec<Kind> {
        alarms.iter().map(|alarm| alarm.kind).collect()
    }

    #[test]
    fn an_endpoint_as_accepted_is_no_alarm() {
        assert_eq!(endpoints(&[endpoint()], &[accepted()]), []);
    }

    #[test]
    fn each_change_of_the_endpoint_is_an_alarm_of_its_own() {
        let changed = |change: fn(&mut Endpoint)| {
            let mut is = endpoint();
            change(&mut is);
            kinds(&endpoints(&[is], &[accepted()]))
        };
        assert_eq!(
            changed(|it| it.status = "disabled".to_owned()),
            [Kind::EndpointDisabled, Kind::NoEndpoint]
        );
        assert_eq!(changed(|it| it.url.push('x')), [Kind::UrlChanged]);
        assert_eq!(changed(|it| it.api_version = None), [Kind::VersionChanged]);
        assert_eq!(
            changed(|it| it.enabled_events = vec!["a".to_owned()]),
            [Kind::TypesChanged]
        );
    }

    #[test]
    fn an_endpoint_that_is_gone_or_was_never_there_is_an_alarm() {
        assert_eq!(
            kinds(&endpoints(&[], &[accepted()])),
            [Kind::EndpointGone, Kind::NoEndpoint]
        );
        assert_eq!(kinds(&endpoints(&[endpoint()], &[])), [Kind::NoEndpoint]);
    }

    fn listed(listed: usize, arrived: usize, oldest: i64) -> Heard {
        Heard {
            listed,
            arrived,
            span: Some((oldest, oldest + 10)),
            other_mode: None,
        }
    }

    #[test]
    fn silence_is_events_that_are_listed_and_of_which_none_arrives() {
        let judge = |it: &Heard| kinds(&heard("", it, 1_000, Duration::from_secs(180)));
        assert_eq!(judge(&listed(3, 0, 820)), [Kind::Silence]);
        assert_eq!(judge(&listed(3, 1, 820)), []);
        assert_eq!(judge(&listed(2, 0, 0)), [], "each may be late by itself");
        assert_eq!(judge(&listed(9, 0, 821)), [], "they may be on their way");
        assert_eq!(judge(&Heard::default()), [], "nothing happens at night");
    }

    #[test]
    fn events_of_the_other_mode_are_an_alarm() {
        let it = Heard {
            other_mode: Some(EventId::parse("evt_1").unwrap()),
            ..listed(1, 1, 0)
        };
        assert_eq!(kinds(&heard("", &it, 0, Duration::ZERO)), [Kind::OtherMode]);
    }

    #[test]
    fn what_is_not_proven_is_an_alarm_before_retries_and_list_end() {
        let now = 100 * 86_400;
        let judge = |days: i64| kinds(&limits("", Some(now - days * 86_400), now));
        assert_eq!(judge(1), []);
        assert_eq!(judge(2), [Kind::RetriesEnd]);
        assert_eq!(judge(25), [Kind::RetriesEnd, Kind::Horizon]);
        assert_eq!(limits("", None, now), []);
    }
}
