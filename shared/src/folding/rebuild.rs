//! Objects and bookings made anew from everything the ledger says about them, as if nothing had
//! ever been folded before.
//!
//! Pure. Invariant: the result is a function of the *set* of readings and registrations, and the
//! same as joining them one by one in any order: it is the same join, graph and booking fold.
//! What it was not told does not exist, so the caller brings every object that links reach.
//!
//! Deliberately absent: reading the ledger, comparing with what is stored, and writing.

use std::collections::{BTreeMap, BTreeSet};

use super::booking::{FoldError, Registration, fold_booking};
use super::graph::{Graph, Key};
use super::money::{Component, Divided, Finding, Inputs, Node, Policy, Share, divide};
use super::object::ObjectState;
use super::readings::Reading;
use super::shown::Shown;

/// What one ledger row says.
#[derive(Debug, Clone, Default)]
pub struct LedgerReading {
    /// Connected account, as the ledger has it; empty: ours.
    pub account: String,
    /// Event or observation id.
    pub source_id: String,
    /// Its second, since 1970.
    pub at: i64,
    /// What it says, by today's rules.
    pub reading: Reading,
}

/// What the application and operators put in, that concerns some objects and bookings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HumanInputs {
    /// Folded registrations by booking, amended.
    pub registered: BTreeMap<String, Registered>,
    /// Folded registered payment intents, with their booking.
    pub intents: BTreeMap<Key, String>,
    /// Operators' assignments; none: the object belongs to no booking.
    pub assignments: BTreeMap<Key, Option<String>>,
}

impl HumanInputs {
    /// As money is divided by them.
    #[must_use]
    pub const fn inputs(&self, policy: Policy) -> Inputs<'_> {
        Inputs {
            registered: &self.registered,
            intents: &self.intents,
            assignments: &self.assignments,
            policy,
        }
    }
}

/// A registration that was folded, and the account it is for (empty: ours).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// What is expected.
    pub registration: Registration,
    /// Connected account; empty: ours.
    pub account: String,
}

/// Takes readings in, any order, any number of copies.
#[derive(Debug, Clone, Default)]
pub struct Rebuild {
    objects: BTreeMap<Key, (String, ObjectState)>,
    links: BTreeMap<(Key, Key), (i64, String)>,
    mentions: BTreeSet<(Key, String)>,
}

/// One object, made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebuiltObject {
    /// Stripe's object name.
    pub kind: String,
    /// All it was told; empty for an object that is known only by name.
    pub state: ObjectState,
    /// The booking it belongs to.
    pub booking_id: Option<String>,
}

/// Everything made anew.
#[derive(Debug, Clone, Default)]
pub struct Rebuilt {
    /// Every object that was named.
    pub objects: BTreeMap<Key, RebuiltObject>,
    /// Every link, with the earliest event or observation that says so.
    pub links: BTreeMap<(Key, Key), String>,
    /// Every booking that an object names.
    pub mentions: BTreeSet<(Key, String)>,
    /// Links.
    pub graph: Graph,
    /// Parts of each payment and attempt.
    pub shares: BTreeMap<Key, Vec<Share>>,
    /// Contradictions that hold.
    pub findings: Vec<Finding>,
    /// Every booking that an object belongs to, that is registered, or that was asked for; one
    /// that is beyond what we count with says why.
    pub bookings: BTreeMap<String, Result<Shown, FoldError>>,
}

impl Rebuilt {
    /// Whether one of the two names the other. A link ties both ways, so that whichever way is
    /// stored depends on which was said first, and is all the same.
    #[must_use]
    pub fn ties(&self, one: &Key, other: &Key) -> bool {
        self.graph.neighbours(one).any(|key| key == other)
    }
}

impl Rebuild {
    /// Names an object that may have been told nothing.
    pub fn know(&mut self, key: Key, kind: &str) {
        let (held, _) = self.objects.entry(key).or_default();
        if held.is_empty() {
            kind.clone_into(held);
        }
    }

    /// Takes one reading in.
    pub fn tell(&mut self, said: &LedgerReading) {
        let key = |id: &str| Key {
            account: said.account.clone(),
            id: id.to_owned(),
        };
        for link in &said.reading.links {
            let (from, to) = (key(link.from.id.as_str()), key(link.to.id.as_str()));
            self.know(from.clone(), &link.from.kind);
            self.know(to.clone(), &link.to.kind);
            let source = (said.at, said.source_id.clone());
            let held = self
                .links
                .entry((from, to))
                .or_insert_with(|| source.clone());
            if source < *held {
                *held = source;
            }
        }
        let Some((object, snapshot)) = &said.reading.object else {
            return;
        };
        let own = key(object.id.as_str());
        self.know(own.clone(), &object.kind);
        if let Some((_, state)) = self.objects.get_mut(&own) {
            state.join(snapshot.clone());
        }
        let mentions = said.reading.mentions.iter();
        self.mentions
            .extend(mentions.map(|booking| (own.clone(), booking.clone())));
    }

    /// What was told of one object so far.
    #[must_use]
    pub fn state(&self, key: &Key) -> Option<&ObjectState> {
        self.objects.get(key).map(|(_, state)| state)
    }

    /// Every object named so far.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.objects.keys()
    }

    /// Every booking that an object names, whether that counts or not.
    #[must_use]
    pub fn mentioned(&self) -> BTreeSet<String> {
        let mentions = self.mentions.iter();
        mentions.map(|(_, booking)| booking.clone()).collect()
    }

    /// Everything made anew. `bookings` are folded whether anything belongs to them or not. Where a
    /// payment is beyond what can be counted, no booking here can be folded.
    #[must_use]
    pub fn finish(
        &self,
        human: &HumanInputs,
        bookings: &BTreeSet<String>,
        policy: Policy,
    ) -> Rebuilt {
        let mut rebuilt = Rebuilt {
            mentions: self.mentions.clone(),
            ..Rebuilt::default()
        };
        for ((from, to), (_, source)) in &self.links {
            rebuilt.graph.link(from, to);
            let link = (from.clone(), to.clone());
            rebuilt.links.insert(link, source.clone());
        }
        let (divided, error) = match self.divided(&rebuilt.graph, human.inputs(policy)) {
            Ok(divided) => (divided, None),
            Err(error) => (Divided::default(), Some(error)),
        };
        let mut owners = divided.owners;
        for (key, (kind, state)) in &self.objects {
            let object = RebuiltObject {
                kind: kind_of(state).unwrap_or(kind).to_owned(),
                state: state.clone(),
                booking_id: owners.remove(key).flatten(),
            };
            rebuilt.objects.insert(key.clone(), object);
        }
        rebuilt.shares = divided.shares;
        rebuilt.findings = divided.findings;
        rebuilt.bookings = fold_all(
            &mut rebuilt.findings,
            &rebuilt.shares,
            human,
            bookings,
            policy,
        );
        if let Some(error) = error {
            let all = rebuilt.bookings.values_mut();
            all.for_each(|shown| *shown = Err(error));
        }
        rebuilt
    }
}

impl Rebuild {
    /// The money of each component by itself.
    fn divided(&self, graph: &Graph, inputs: Inputs<'_>) -> Result<Divided, FoldError> {
        let mut all = Divided::default();
        let mut seen: BTreeSet<Key> = BTreeSet::new();
        for start in self.objects.keys() {
            if seen.contains(start) {
                continue;
            }
            let keys = graph.component(start);
            let nodes: BTreeMap<&Key, Node<'_>> = keys
                .iter()
                .filter_map(|key| self.objects.get_key_value(key))
                .map(|(key, (kind, state))| (key, Node::new(kind, state)))
                .collect();
            let divided = divide(&Component::new(nodes, graph, inputs))?;
            all.shares.extend(divided.shares);
            all.owners.extend(divided.owners);
            all.findings.extend(divided.findings);
            seen.extend(keys);
        }
        Ok(all)
    }
}

fn kind_of(state: &ObjectState) -> Option<&str> {
    Some(state.winner()?.snapshot.fields.kind.as_str())
}

fn fold_all(
    findings: &mut Vec<Finding>,
    shares: &BTreeMap<Key, Vec<Share>>,
    human: &HumanInputs,
    bookings: &BTreeSet<String>,
    policy: Policy,
) -> BTreeMap<String, Result<Shown, FoldError>> {
    let mut by_booking: BTreeMap<&str, Vec<(&Key, &Share)>> = BTreeMap::new();
    let asked = bookings.iter().chain(human.registered.keys());
    by_booking.extend(asked.map(|booking| (booking.as_str(), Vec::new())));
    for (key, parts) in shares {
        for share in parts.iter().filter(|share| !share.booking_id.is_empty()) {
            let list = by_booking.entry(&share.booking_id).or_default();
            list.push((key, share));
        }
    }
    by_booking
        .into_iter()
        .map(|(booking, shares)| {
            let registration = human.registered.get(booking).map(|it| &it.registration);
            let view = fold_booking(booking, registration, &shares, policy);
            let shown = view.map(|view| {
                findings.extend(view.findings.iter().cloned());
                Shown::of(&view, None)
            });
            (booking.to_owned(), shown)
        })
        .collect()
}
