//! What is rebuilt from everything the ledger says is what joining event by event gives, in any
//! order and with copies.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use shared::envelope::{decode, decode_observation};
use shared::folding::graph::{Graph, Key, OWN_METADATA, REGISTERED, StoredClaim};
use shared::folding::rebuild::{LedgerReading, Rebuild, Rebuilt, Registered};
use shared::folding::{
    Member, ObjectState, Registration, Shown, fold_booking, read_event, read_observation,
};
use shared::ids::{BookingId, ObjectId};
use shared::money::Currency;
use testbed::histories::{History, Mix, history};

const SEED: u64 = 17;
type Registrations = BTreeMap<String, Registered>;

fn readings(history: &History) -> Vec<LedgerReading> {
    let mut readings = Vec::new();
    for event in &history.events {
        let body = event.to_string().into_bytes();
        let decoded = decode(&body).unwrap();
        readings.push(LedgerReading {
            account: event["account"].as_str().unwrap_or_default().to_owned(),
            source_id: decoded.envelope.id.to_string(),
            at: decoded.envelope.created,
            reading: read_event(&decoded),
        });
    }
    // One object in three was also looked at.
    for truth in history.truth.iter().step_by(3) {
        let body = truth.to_string().into_bytes();
        let observed = decode_observation(&body).unwrap();
        let id = format!("obs_{}", observed.object.id);
        readings.push(LedgerReading {
            account: String::new(),
            source_id: id.clone(),
            at: 1_900_000_000,
            reading: read_observation(&observed, &id, 1_900_000_000),
        });
    }
    readings
}

fn registration(booking: &str, amount: i64, payment_intent: Option<&str>) -> (String, Registered) {
    let registered = Registered {
        registration: Registration {
            booking_id: BookingId::parse(booking).unwrap(),
            amount,
            currency: Currency::parse("eur").unwrap(),
            payment_intent: payment_intent.map(|id| ObjectId::parse(id).unwrap()),
            at: 7,
        },
        account: String::new(),
    };
    (booking.to_owned(), registered)
}

/// As the processor does it: one reading after the other into states, links and claims.
#[derive(Default)]
struct Incremental {
    states: BTreeMap<Key, ObjectState>,
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
            for end in [&from, &to] {
                self.states.entry(end.clone()).or_default();
            }
            self.graph.link(&from, &to);
            self.links.insert((from, to));
        }
        let Some((object, snapshot)) = &said.reading.object else {
            return;
        };
        let own = key(object.id.as_str());
        let state = self.states.entry(own.clone()).or_default();
        state.join(snapshot.clone());
        if let Some(claim) = &said.reading.claim {
            let claim = StoredClaim {
                rank: OWN_METADATA,
                at: claim.at,
                source_id: claim.source_id.clone(),
                booking_id: claim.booking_id.as_str().to_owned(),
            };
            self.graph.claim(&own, claim);
        }
    }

    fn register(&mut self, registered: &Registered) {
        let registration = &registered.registration;
        if let Some(id) = &registration.payment_intent {
            let key = Key {
                account: registered.account.clone(),
                id: id.to_string(),
            };
            let booking_id = registration.booking_id.as_str().to_owned();
            let claim = StoredClaim {
                rank: REGISTERED,
                at: registration.at,
                source_id: format!("registration:{booking_id}"),
                booking_id,
            };
            self.states.entry(key.clone()).or_default();
            self.graph.claim(&key, claim);
        }
    }

    fn booking_of(&self, key: &Key, registrations: &Registrations) -> Option<String> {
        let eligible = |account: &str, booking: &str| {
            let registered = registrations.get(booking);
            registered.map_or(account.is_empty(), |it| it.account == account)
        };
        let claim = self.graph.resolve(key, &eligible);
        claim.map(|claim| claim.booking_id.clone())
    }

    fn assert_same(&self, rebuilt: &Rebuilt, registrations: &Registrations) {
        let links: BTreeSet<_> = rebuilt.links.keys().cloned().collect();
        assert_eq!(links, self.links);
        assert_eq!(rebuilt.objects.len(), self.states.len());
        let mut members: BTreeMap<String, Vec<Member<'_>>> = BTreeMap::new();
        for (key, state) in &self.states {
            let object = &rebuilt.objects[key];
            assert_eq!(&object.state, state);
            let booking = self.booking_of(key, registrations);
            assert_eq!(object.booking_id, booking, "{}", key.id);
            if let Some(booking) = booking {
                let list = members.entry(booking).or_default();
                list.extend(Member::of(&key.id, state));
            }
        }
        for (booking, members) in members {
            let registration = registrations.get(&booking).map(|it| &it.registration);
            let view = fold_booking(registration, &members, false).unwrap();
            assert_eq!(rebuilt.bookings[&booking], Ok(Shown::of(&view)));
        }
    }
}

#[test]
fn rebuilding_gives_what_joining_event_by_event_gives_in_any_order() {
    let mixes = [Mix::Natural, Mix::Bursts, Mix::Ties];
    for number in 0..600_u64 {
        let mut random = StdRng::seed_from_u64(number);
        // Two lives beside each other, one of them registered.
        let lives = [0, 1].map(|n| history(SEED, number * 2 + n, mixes[random.random_range(0..3)]));
        let mut told: Vec<LedgerReading> = lives.iter().flat_map(readings).collect();
        let booking = lives[0].booking.as_ref().map(|it| it.id.clone());
        let registrations: Registrations = booking
            .iter()
            .map(|id| registration(id, 500, Some("pi_not_seen_yet")))
            .collect();
        let mut incremental = Incremental::default();
        for said in &told {
            incremental.apply(said);
        }
        for registered in registrations.values() {
            incremental.register(registered);
        }
        for _order in 0..2 {
            let copies: Vec<LedgerReading> = told.iter().step_by(3).cloned().collect();
            told.extend(copies);
            told.shuffle(&mut random);
            let mut rebuild = Rebuild::default();
            if !registrations.is_empty() {
                let key = Key {
                    account: String::new(),
                    id: "pi_not_seen_yet".to_owned(),
                };
                rebuild.know(key, "payment_intent");
            }
            for said in &told {
                rebuild.tell(said);
            }
            let rebuilt = rebuild.finish(&registrations, &BTreeSet::new(), false);
            incremental.assert_same(&rebuilt, &registrations);
        }
    }
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
    let rebuilt = rebuild.finish(&Registrations::new(), &BTreeSet::new(), false);
    assert!(rebuilt.bookings.is_empty());
    assert!(rebuilt.objects.values().all(|it| it.booking_id.is_none()));
}

#[test]
fn a_booking_that_nothing_belongs_to_any_more_shows_nothing_paid() {
    let mut rebuild = Rebuild::default();
    rebuild.tell(&claiming("", "right"));
    let asked = BTreeSet::from(["wrong".to_owned()]);
    let rebuilt = rebuild.finish(&Registrations::new(), &asked, false);
    assert_eq!(rebuilt.bookings["right"].as_ref().unwrap().amount_paid, 500);
    let wrong = rebuilt.bookings["wrong"].as_ref().unwrap();
    assert_eq!((wrong.status.as_str(), wrong.amount_paid), ("pending", 0));
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
    let rebuilt = rebuild.finish(&Registrations::new(), &BTreeSet::new(), false);
    assert!(rebuilt.bookings["huge"].is_err());
    assert_eq!(
        rebuilt.bookings["fine"].as_ref().unwrap().status,
        "confirmed"
    );
}

#[test]
fn a_registration_of_an_object_that_is_not_here_makes_no_claim() {
    let mut rebuild = Rebuild::default();
    rebuild.tell(&claiming("", "b"));
    let registrations = Registrations::from([registration("other", 1, Some("pi_elsewhere"))]);
    let rebuilt = rebuild.finish(&registrations, &BTreeSet::new(), false);
    assert!(rebuilt.claims.keys().all(|(key, _)| key.id == "pi_1"));
    assert_eq!(rebuilt.objects.len(), 1);
}
