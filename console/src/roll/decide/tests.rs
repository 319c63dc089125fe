//! Each state of the world and what follows from it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use super::*;

fn listed(id: &str, metadata: &[(&str, &str)]) -> Listed {
    let metadata = metadata.iter();
    Listed {
        id: id.to_owned(),
        url: "https://example.com/hooks".to_owned(),
        status: "enabled".to_owned(),
        api_version: Some("2026-09-30".to_owned()),
        enabled_events: vec!["a".to_owned(), "b".to_owned()],
        livemode: true,
        application: None,
        description: None,
        metadata: metadata
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

fn world(listed: &[Listed], names: &[&str]) -> World {
    World {
        endpoint: "we_old".to_owned(),
        listed: listed.to_vec(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        old_secret: None,
        loaded: false,
        seen: false,
        now: 1_000,
        overlap: 100,
    }
}

fn narrow() -> Listed {
    listed("we_new", &[(REPLACES, "we_old")])
}

fn wide() -> Listed {
    listed(
        "we_new",
        &[(REPLACES, "we_old"), (SINCE, "950"), (OLD_SECRET, "main")],
    )
}

fn new() -> String {
    "we_new".to_owned()
}

#[test]
fn each_state_of_the_world_has_its_one_next_step() {
    let old = listed("we_old", &[]);
    let both = [old.clone(), wide()];
    assert_eq!(
        world(std::slice::from_ref(&old), &["main"]).next(),
        Ok(Step::Create)
    );
    let half = world(&[old.clone(), narrow()], &["main"]);
    assert_eq!(half.next(), Ok(Step::Discard { id: new() }));
    let mut kept = world(&[old.clone(), narrow()], &["main", "we_new"]);
    assert_eq!(kept.next(), Ok(Step::Load { id: new() }));
    kept.loaded = true;
    assert_eq!(kept.next(), Ok(Step::Widen { id: new() }));
    let mut delivers = world(&both, &["main", "we_new"]);
    let see = Step::See {
        id: new(),
        since: 950,
    };
    assert_eq!(delivers.next(), Ok(see));
    delivers.seen = true;
    assert_eq!(delivers.next(), Ok(Step::Overlap { until: 1_050 }));
    delivers.now = 1_050;
    assert_eq!(delivers.next(), Ok(Step::Disable));
    let mut disabled = old;
    disabled.status = "disabled".to_owned();
    let mut over = world(&[disabled, wide()], &["main", "we_new"]);
    assert!(matches!(over.next(), Ok(Step::See { .. })), "never unseen");
    over.seen = true;
    assert_eq!(over.next(), Ok(Step::Delete));
    let gone = world(&[wide()], &["main", "we_new"]);
    let forget = Step::Forget {
        name: "main".to_owned(),
    };
    assert_eq!(gone.next(), Ok(forget));
    assert_eq!(world(&[wide()], &["we_new"]).next(), Ok(Step::Done));
}

#[test]
fn what_only_a_person_can_decide_is_refused() {
    let old = listed("we_old", &[]);
    let refused = |listed: &[Listed], names: &[&str]| world(listed, names).next().unwrap_err();
    assert_eq!(
        refused(&[], &["main"]),
        Refusal::Unknown("we_old".to_owned())
    );
    let mut disabled = old.clone();
    disabled.status = "disabled".to_owned();
    let told = Refusal::Disabled("we_old".to_owned());
    assert_eq!(refused(&[disabled], &["main"]), told);
    let both = [old.clone(), wide()];
    assert_eq!(refused(&both, &["main"]), Refusal::OtherFile(new()));
    let gone = refused(&[narrow()], &["main", "we_new"]);
    assert_eq!(gone, Refusal::OldIsGone(new()));
    let second = listed("we_2", &[(REPLACES, "we_old")]);
    let two = Refusal::Several(vec![new(), "we_2".to_owned()]);
    assert_eq!(refused(&[old, narrow(), second], &["main"]), two);
}

#[test]
fn the_old_secret_is_the_noted_the_named_the_endpoints_or_the_only_one() {
    let old = listed("we_old", &[]);
    let name = |names: &[&str], said: Option<&str>| {
        let mut world = world(&[old.clone(), narrow()], names);
        world.old_secret = said.map(str::to_owned);
        world.old_name()
    };
    assert_eq!(name(&["main", "we_new"], None).unwrap(), "main");
    assert_eq!(name(&["a", "we_old", "we_new"], None).unwrap(), "we_old");
    assert_eq!(name(&["a", "b"], Some("b")).unwrap(), "b");
    let which = Refusal::WhichSecret(vec!["a".to_owned(), "b".to_owned()]);
    assert_eq!(name(&["a", "b"], None), Err(which));
    let none = Refusal::NoSuchSecret("c".to_owned());
    assert_eq!(name(&["a", "b"], Some("c")), Err(none));
    let noted = world(&[wide()], &["we_new"]).old_name();
    assert_eq!(noted.unwrap(), "main", "it is gone already");
}

#[test]
fn the_new_endpoint_is_as_the_old_one_but_for_its_types_until_it_is_widened() {
    let mut old = listed(
        "we_old",
        &[("team", "billing"), (REPLACES, "we_0"), (SINCE, "1")],
    );
    old.application = Some("ca_1".to_owned());
    let pairs = created(&old);
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (&**n, &**v)).collect();
    let asked = [
        ("url", "https://example.com/hooks"),
        ("enabled_events[0]", NARROW),
        ("api_version", "2026-09-30"),
        ("connect", "true"),
        ("metadata[team]", "billing"),
        ("metadata[bookend_replaces]", "we_old"),
    ];
    assert_eq!(pairs, asked);
    let pairs = widened(&old, "main", 7);
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (&**n, &**v)).collect();
    let asked = [
        ("enabled_events[0]", "a"),
        ("enabled_events[1]", "b"),
        ("metadata[bookend_since]", "7"),
        ("metadata[bookend_old_secret]", "main"),
    ];
    assert_eq!(pairs, asked);
}

/// Where the new one delivers, was seen, and the overlap is over: what follows where `change` was
/// made to the old and the new endpoint.
fn late(change: impl FnOnce(&mut Listed, &mut Listed)) -> [Result<Step, Refusal>; 3] {
    let (mut old, mut new) = (listed("we_old", &[]), wide());
    change(&mut old, &mut new);
    let at = |listed: &[Listed], seen: bool, now: i64| {
        let mut world = world(listed, &["main", "we_new"]);
        (world.seen, world.now) = (seen, now);
        world.next()
    };
    let both = [old, new.clone()];
    [
        at(&both, false, 1_000),
        at(&both, true, 1_050),
        at(&[new], true, 1_050),
    ]
}

#[test]
fn nothing_is_taken_away_beside_a_new_endpoint_that_is_disabled() {
    let refused = Err(Refusal::NewDisabled(new()));
    for status in ["enabled", "disabled"] {
        let steps = late(|old, new| {
            old.status = status.to_owned();
            new.status = "disabled".to_owned();
        });
        assert_eq!(steps, [(); 3].map(|()| refused.clone()), "old: {status}");
    }
    let mut new = narrow();
    new.status = "disabled".to_owned();
    let both = [listed("we_old", &[]), new];
    let mut early = world(&both, &["main", "we_new"]);
    early.loaded = true;
    assert_eq!(early.next(), refused, "widened, it would deliver nothing");
    let lost = world(&both, &["main"]).next();
    assert_eq!(lost, Ok(Step::Discard { id: self::new() }));
}

#[test]
fn a_new_endpoint_that_lacks_a_type_of_the_old_one_is_widened_again() {
    let types = |types: &[&str]| types.iter().map(|&one| one.to_owned()).collect();
    let steps = |old_ones: &[&str], new_ones: &[&str], status: &str| {
        late(|old, new| {
            old.enabled_events = types(old_ones);
            old.status = status.to_owned();
            new.enabled_events = types(new_ones);
        })
    };
    let widen = Ok(Step::Widen { id: new() });
    for (old, new) in [
        (&["a", "b"][..], &[NARROW][..]),
        (&["a", "b"], &["a"]),
        (&["*"], &["a", "b"]),
        (&["a"], &[]),
    ] {
        for status in ["enabled", "disabled"] {
            let steps = steps(old, new, status);
            assert_eq!(
                steps[..2],
                [widen.clone(), widen.clone()],
                "{old:?} {new:?}"
            );
            let forgets = matches!(steps[2], Ok(Step::Forget { .. }));
            assert!(forgets, "the old one is gone: nobody knows its types");
        }
    }
    for (old, new) in [
        (&["a", "b"][..], &["b", "c", "a"][..]),
        (&["a"], &["*"]),
        (&["*"], &["*"]),
    ] {
        let [see, then, _] = steps(old, new, "enabled");
        assert!(matches!(see, Ok(Step::See { .. })), "{old:?} {new:?}");
        assert_eq!(then, Ok(Step::Disable), "{old:?} {new:?}");
        assert_eq!(steps(old, new, "disabled")[1], Ok(Step::Delete));
    }
}
