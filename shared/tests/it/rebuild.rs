//! What is rebuilt from everything the ledger says is what joining event by event gives, in any
//! order and with copies.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use shared::envelope::decode;
use shared::folding::graph::{Graph, Key};
use shared::folding::money::{Component, Node, Policy, Share, divide};
use shared::folding::rebuild::{HumanInputs, LedgerReading, Rebuild, Rebuilt};
use shared::folding::{ObjectState, Shown, fold_booking, read_event};
use testbed::histories::{History, Mix, history};

use crate::histories::human;
use crate::told::{event, observation, ours, registered, shown};

const SEED: u64 = 17;

fn readings(history: &History) -> Vec<LedgerReading> {
    let mut readings: Vec<LedgerReading> = history.events.iter().map(event).collect();
    // One object in three was also looked at.
    for truth in history.truth.iter().step_by(3) {
        let id = truth["id"].as_str().unwrap_or_default();
        let account = history.accounts.get(id).cloned().unwrap_or_default();
        readings.push(observation(&account, truth, 1_900_000_000));
    }
    readings
}

/// As the processor does it: one reading after the other into states and links, and the money of
/// what is tied together divided by itself.
#[derive(Default)]
struct Incremental {
    states: BTreeMap<Key, (String, ObjectState)>,
    links: BTreeSet<(Key, Key)>,
    graph: Graph,
}

impl Incremental {
    fn apply(&mut self, said: &LedgerReading) {
        let key = |id: &str| Key {
            account: said.account.clone(),
            id: id.to_owned(),
        };
        for link in &said.reading.links {
            let (from, to) = (key(link.from.id.as_str()), key(link.to.id.as_str()));
            for (end, kind) in [(&from, &link.from.kind), (&to, &link.to.kind)] {
                let entry = self.states.entry(end.clone());
                entry.or_insert_with(|| (kind.clone(), ObjectState::default()));
            }
            self.graph.link(&from, &to);
            self.links.insert((from, to));
        }
        let Some((object, snapshot)) = &said.reading.object else {
            return;
        };
        let entry = self.states.entry(key(object.id.as_str()));
        let (_, state) = entry.or_insert_with(|| (object.kind.clone(), ObjectState::default()));
        state.join(snapshot.clone());
    }

    fn shares(&self, human: &HumanInputs) -> BTreeMap<Key, Vec<Share>> {
        let mut shares = BTreeMap::new();
        for start in self.states.keys() {
            let keys = self.graph.component(start);
            let nodes = keys
                .iter()
                .map(|key| self.states.get_key_value(key).unwrap())
                .map(|(key, (kind, state))| (key, Node::new(kind, state)))
                .collect();
            let inputs = human.inputs(Policy::default());
            let component = Component::new(nodes, &self.graph, inputs);
            shares.extend(divide(&component).unwrap().shares);
        }
        shares
    }

    fn assert_same(&self, rebuilt: &Rebuilt, human: &HumanInputs) {
        let links: BTreeSet<_> = rebuilt.links.keys().cloned().collect();
        assert_eq!(links, self.links);
        assert_eq!(rebuilt.objects.len(), self.states.len());
        for (key, (_, state)) in &self.states {
            assert_eq!(&rebuilt.objects[key].state, state);
        }
        let shares = self.shares(human);
        assert_eq!(rebuilt.shares, shares);
        let mut members: BTreeMap<&str, Vec<(&Key, &Share)>> = BTreeMap::new();
        for (key, parts) in &shares {
            for share in parts.iter().filter(|it| !it.booking_id.is_empty()) {
                members
                    .entry(&share.booking_id)
                    .or_default()
                    .push((key, share));
            }
        }
        for (booking, shares) in members {
            let registration = human.registered.get(booking).map(|it| &it.registration);
            let view = fold_booking(booking, registration, &shares, Policy::default()).unwrap();
            assert_eq!(shown(rebuilt, booking), &Shown::of(&view, None));
        }
    }
}

#[test]
fn rebuilding_gives_what_joining_event_by_event_gives_in_any_order() {
    let mixes = [Mix::Natural, Mix::Bursts, Mix::Ties];
    for number in 0..600_u64 {
        let mut random = StdRng::seed_from_u64(number);
        // Two lives beside each other.
        let lives = [0, 1].map(|n| history(SEED, number * 2 + n, mixes[random.random_range(0..3)]));
        let mut told: Vec<LedgerReading> = lives.iter().flat_map(readings).collect();
        let [mut human, other] = lives.each_ref().map(human);
        human.registered.extend(other.registered);
        human.intents.extend(other.intents);
        human.assignments.extend(other.assignments);
        let mut incremental = Incremental::default();
        for said in &told {
            incremental.apply(said);
        }
        for _order in 0..2 {
            let copies: Vec<LedgerReading> = told.iter().step_by(3).cloned().collect();
            told.extend(copies);
            told.shuffle(&mut random);
            let mut rebuild = Rebuild::default();
            for said in &told {
                rebuild.tell(said);
            }
            let rebuilt = rebuild.finish(&human, &BTreeSet::new(), Policy::default());
            incremental.assert_same(&rebuilt, &human);
        }
    }
}

fn finish(rebuild: &Rebuild, asked: &BTreeSet<String>) -> Rebuilt {
    rebuild.finish(&HumanInputs::default(), asked, Policy::default())
}

fn claiming(account: &str, booking: &str) -> LedgerReading {
    let body = format!(
        r#"{{"id":"evt_1","object":"event","type":"payment_intent.succeeded","created":5,"data":{{"object":{{"id":"pi_1","object":"payment_intent","status":"succeeded","amount":500,"amount_received":500,"currency":"eur","metadata":{{"booking_id":"{booking}"}}}}}}}}"#
    );
    let decoded = decode(body.as_bytes()).unwrap();
    LedgerReading {
        account: account.to_owned(),
        source_id: "evt_1".to_owned(),
        at: 5,
        reading: read_event(&decoded),
    }
}

#[test]
fn a_claim_by_another_account_makes_no_member() {
    let mut rebuild = Rebuild::default();
    rebuild.tell(&claiming("acct_1", "ours"));
    let rebuilt = finish(&rebuild, &BTreeSet::new());
    assert!(rebuilt.bookings.is_empty());
    assert!(rebuilt.objects.values().all(|it| it.booking_id.is_none()));
}

#[test]
fn a_booking_that_nothing_belongs_to_any_more_shows_nothing_paid() {
    let mut rebuild = Rebuild::default();
    rebuild.tell(&claiming("", "right"));
    let asked = BTreeSet::from(["wrong".to_owned()]);
    let rebuilt = finish(&rebuild, &asked);
    assert_eq!(shown(&rebuilt, "right").amounts.amount_paid, 500);
    let wrong = shown(&rebuilt, "wrong");
    let state = (wrong.status.as_str(), wrong.amounts.amount_paid);
    assert_eq!(state, ("pending", 0));
}

#[test]
fn a_booking_beyond_64_bits_stops_no_other() {
    let mut rebuild = Rebuild::default();
    rebuild.tell(&claiming("", "fine"));
    for id in ["pi_2", "pi_3"] {
        let body = format!(
            r#"{{"id":"evt_{id}","object":"event","type":"payment_intent.succeeded","created":5,"data":{{"object":{{"id":"{id}","object":"payment_intent","status":"succeeded","amount_received":{},"currency":"eur","metadata":{{"booking_id":"huge"}}}}}}}}"#,
            i64::MAX
        );
        rebuild.tell(&LedgerReading {
            source_id: format!("evt_{id}"),
            at: 5,
            reading: read_event(&decode(body.as_bytes()).unwrap()),
            ..LedgerReading::default()
        });
    }
    let rebuilt = finish(&rebuild, &BTreeSet::new());
    assert!(rebuilt.bookings["huge"].is_err());
    assert_eq!(
        rebuilt.bookings["fine"].as_ref().unwrap().status,
        "confirmed"
    );
}

#[test]
fn a_registered_intent_that_is_not_here_makes_no_object() {
    let mut rebuild = Rebuild::default();
    rebuild.tell(&claiming("", "b"));
    let (booking, held) = registered("other", 1, "eur");
    let mut human = HumanInputs::default();
    human.intents.insert(ours("pi_elsewhere"), booking.clone());
    human.registered.insert(booking, held);
    let rebuilt = rebuild.finish(&human, &BTreeSet::new(), Policy::default());
    assert_eq!(rebuilt.objects.len(), 1);
    assert_eq!(shown(&rebuilt, "other").status, "pending");
    assert_eq!(shown(&rebuilt, "b").status, "confirmed");
}
