//! Objects and bookings made anew from everything the ledger says about them, as if nothing had
//! ever been folded before.
//!
//! Pure. Invariant: the result is a function of the *set* of readings and registrations, and the
//! same as joining them one by one in any order: it is the same join, graph and booking fold.
//! What it was not told does not exist, so the caller brings every object that links reach.
//!
//! Deliberately absent: reading the ledger, comparing with what is stored, and writing.

use std::collections::{BTreeMap, BTreeSet};

use super::booking::{FoldError, Member, Registration, fold_booking};
use super::graph::{Graph, Key, OWN_METADATA, REGISTERED, StoredClaim};
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
    claims: BTreeMap<Key, StoredClaim>,
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
    /// Per object and rank the least claim.
    pub claims: BTreeMap<(Key, i16), StoredClaim>,
    /// Links and claims.
    pub graph: Graph,
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
        if let Some(claim) = &said.reading.claim {
            let claim = StoredClaim {
                rank: OWN_METADATA,
                at: claim.at,
                source_id: claim.source_id.clone(),
                booking_id: claim.booking_id.as_str().to_owned(),
            };
            let held = self.claims.entry(own).or_insert_with(|| claim.clone());
            if claim < *held {
                *held = claim;
            }
        }
    }

    /// Every object named so far.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.objects.keys()
    }

    /// Every booking that an object claims, whether the claim counts or not.
    #[must_use]
    pub fn claimed(&self) -> BTreeSet<String> {
        let claims = self.claims.values();
        claims.map(|claim| claim.booking_id.clone()).collect()
    }

    /// Everything made anew. `registered` are the folded registrations by booking; `bookings`
    /// are folded whether anything belongs to them or not.
    #[must_use]
    pub fn finish(
        &self,
        registered: &BTreeMap<String, Registered>,
        bookings: &BTreeSet<String>,
        require_registration: bool,
    ) -> Rebuilt {
        let mut rebuilt = Rebuilt::default();
        for ((from, to), (_, source)) in &self.links {
            rebuilt.graph.link(from, to);
            let link = (from.clone(), to.clone());
            rebuilt.links.insert(link, source.clone());
        }
        let own = self
            .claims
            .iter()
            .map(|(key, claim)| (key.clone(), claim.clone()));
        let named = registered.values().filter_map(claim_of);
        for (key, claim) in own.chain(named.filter(|(key, _)| self.objects.contains_key(key))) {
            if rebuilt.graph.claim(&key, claim.clone()) {
                rebuilt.claims.insert((key, claim.rank), claim);
            }
        }
        let eligible = |account: &str, booking: &str| eligible(registered, account, booking);
        for (key, (kind, state)) in &self.objects {
            let claim = rebuilt.graph.resolve(key, &eligible);
            let object = RebuiltObject {
                kind: kind_of(state).unwrap_or(kind).to_owned(),
                state: state.clone(),
                booking_id: claim.map(|claim| claim.booking_id.clone()),
            };
            rebuilt.objects.insert(key.clone(), object);
        }
        rebuilt.bookings = fold_all(&rebuilt, registered, bookings, require_registration);
        rebuilt
    }
}

/// Whether a claim by an object of `account` counts for `booking`: a booking belongs to the
/// account it was registered for, and without a registration to our own.
#[must_use]
pub fn eligible(registered: &BTreeMap<String, Registered>, account: &str, booking: &str) -> bool {
    registered
        .get(booking)
        .map_or(account.is_empty(), |registered| {
            registered.account == account
        })
}

/// The claim that a registration makes on the payment intent it names.
fn claim_of(registered: &Registered) -> Option<(Key, StoredClaim)> {
    let registration = &registered.registration;
    let key = Key {
        account: registered.account.clone(),
        id: registration.payment_intent.as_ref()?.as_str().to_owned(),
    };
    let booking_id = registration.booking_id.as_str().to_owned();
    let claim = StoredClaim {
        rank: REGISTERED,
        at: registration.at,
        source_id: format!("registration:{booking_id}"),
        booking_id,
    };
    Some((key, claim))
}

fn kind_of(state: &ObjectState) -> Option<&str> {
    Some(state.winner()?.snapshot.fields.kind.as_str())
}

fn fold_all(
    rebuilt: &Rebuilt,
    registered: &BTreeMap<String, Registered>,
    bookings: &BTreeSet<String>,
    require_registration: bool,
) -> BTreeMap<String, Result<Shown, FoldError>> {
    let mut members: BTreeMap<&str, Vec<Member<'_>>> = BTreeMap::new();
    let asked = bookings.iter().chain(registered.keys());
    members.extend(asked.map(|booking| (booking.as_str(), Vec::new())));
    for (key, object) in &rebuilt.objects {
        if let Some(booking) = &object.booking_id {
            let list = members.entry(booking).or_default();
            list.extend(Member::of(&key.id, &object.state));
        }
    }
    members
        .into_iter()
        .map(|(booking, members)| {
            let registration = registered.get(booking).map(|it| &it.registration);
            let view = fold_booking(registration, &members, require_registration);
            (booking.to_owned(), view.map(|view| Shown::of(&view)))
        })
        .collect()
}
