//! The batch folded in memory, event by event: every change of a booking becomes a transition
//! of its own, although the rows are written once.
//!
//! Pure. Invariant: what a booking shows after the batch is `fold_booking` of its registration
//! and its objects; nothing is carried over from what it showed before.

use std::collections::BTreeSet;

use shared::folding::{Member, fold_booking};

use super::facts::{of_booking, of_object};
use super::queue::waits_behind;
use super::world::{Cause, Contradiction, Known, Refetch, Shown, Told, Transition, World};
use crate::item::{Readable, RowKind};
use shared::folding::graph::Key;

/// What one readable record came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A ledger row is to be written.
    New(Disposition),
    /// The ledger's dead row is to be replaced by this copy.
    Revived(Disposition),
    /// The ledger has it: nothing changes.
    Copy,
    /// It waits behind a blocked booking: a ledger row `parked`, and a place in that queue.
    Parked {
        /// The queue.
        queue: String,
        /// The ledger has a dead row of it, which takes these bytes.
        revives: bool,
    },
    /// It is in a queue already, and is to be tried now.
    Released {
        /// The ledger has a dead row of it, which takes these bytes.
        revives: bool,
    },
}

/// What a ledger row says became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// It told us something.
    Applied,
    /// It told us nothing that we did not know.
    NoChange,
    /// Not ours to fold.
    Ignored,
}

impl Disposition {
    /// As in `events.disposition`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::NoChange => "no_change",
            Self::Ignored => "ignored",
        }
    }
}

/// Why a booking could not be folded: the data is beyond what we count with.
#[derive(Debug, thiserror::Error)]
#[error("booking {booking_id} cannot be folded")]
pub struct FoldFailed {
    /// The booking.
    pub booking_id: String,
    /// The reason.
    #[source]
    pub cause: shared::folding::FoldError,
}

/// Folds one record into the world.
///
/// # Errors
/// [`FoldFailed`]; the world is then to be thrown away.
pub fn fold_item(
    world: &mut World,
    item: &Readable,
    require_registration: bool,
) -> Result<Outcome, FoldFailed> {
    let revives = match arrival(world.known.get(&item.id), item) {
        Arrival::First => false,
        Arrival::Revives => true,
        Arrival::Queued { revives } => return Ok(Outcome::Released { revives }),
        Arrival::Copy => {
            let copies = world.copies.entry(item.id.clone()).or_default();
            *copies = copies.saturating_add(1);
            return Ok(Outcome::Copy);
        }
    };
    let queue = waits_behind(world, item);
    world.known.insert(
        item.id.clone(),
        Known {
            dead: false,
            queued: queue.is_some(),
            sha256: item.sha256,
        },
    );
    if let Some(queue) = queue {
        world.held.insert(queue.clone());
        return Ok(Outcome::Parked { queue, revives });
    }
    let disposition = if item.ignored {
        Disposition::Ignored
    } else if absorb(world, item, require_registration)? {
        Disposition::Applied
    } else {
        Disposition::NoChange
    };
    Ok(if revives {
        Outcome::Revived(disposition)
    } else {
        Outcome::New(disposition)
    })
}

/// What a record is to the ledger's row of its id.
enum Arrival {
    First,
    Revives,
    Queued { revives: bool },
    Copy,
}

/// A dead row comes back to life by a replay or by other bytes; what waits in a queue is tried now
/// for the same reasons; a copy stays a copy.
fn arrival(known: Option<&Known>, item: &Readable) -> Arrival {
    let Some(known) = known else {
        return Arrival::First;
    };
    let replayed = item.record.headers.source == shared::kafka::headers::Source::Replay;
    let revives = known.dead && (replayed || known.sha256 != item.sha256);
    if known.queued && (revives || replayed) {
        Arrival::Queued { revives }
    } else if revives {
        Arrival::Revives
    } else {
        Arrival::Copy
    }
}

/// Links, claim and snapshot go in; whether any was news.
///
/// # Errors
/// [`FoldFailed`]; the world is then to be thrown away.
pub fn absorb(
    world: &mut World,
    item: &Readable,
    require_registration: bool,
) -> Result<bool, FoldFailed> {
    let mut moved_around: BTreeSet<Key> = BTreeSet::new();
    for link in &item.reading.links {
        let (from, to) = (
            key(item, link.from.id.as_str()),
            key(item, link.to.id.as_str()),
        );
        if world.graph.link(&from, &to) {
            world
                .new_links
                .push((from.clone(), to.clone(), item.id.clone()));
            moved_around.extend([from, to]);
        }
    }
    let own = item
        .object
        .as_ref()
        .map(|object| key(item, object.id.as_str()));
    if let (Some(own), Some(claim)) = (&own, &item.reading.claim) {
        contradict(world, item, own, claim.booking_id.as_str());
        let claim = shared::folding::graph::StoredClaim {
            rank: shared::folding::graph::OWN_METADATA,
            at: claim.at,
            source_id: claim.source_id.clone(),
            booking_id: claim.booking_id.as_str().to_owned(),
        };
        if world.graph.claim(own, claim.clone()) {
            world.new_claims.insert((own.clone(), claim.rank), claim);
            moved_around.insert(own.clone());
        }
    }
    let mut touched = BTreeSet::new();
    let mut news = !moved_around.is_empty();
    if let (Some(own), Some((object, snapshot))) = (&own, &item.reading.object)
        && let Some(row) = world.objects.get_mut(own)
    {
        let before = row.state.clone();
        row.state.join(snapshot.clone());
        if row.state != before {
            news = true;
            row.dirty = true;
            row.kind.clone_from(&object.kind);
            row.told_by = Some(told(item));
            touched.extend(row.booking_id.clone());
        }
    }
    ask_for_thin(world, item, own.as_ref());
    world.refetches.extend(super::not_generated::wish(item));
    if item.kind == RowKind::Event && item.reading.object.is_some() {
        world.snapshots.insert(item.id.clone());
        let answered = thin_fingerprint(&item.id);
        world.refetches.retain(|wish| wish.fingerprint != answered);
    }
    touched.extend(reassign_all(world, &moved_around));
    let told = told(item);
    let cause = told.cause();
    for booking in touched {
        refold(world, &booking, cause, require_registration)?;
    }
    Ok(news)
}

fn told(item: &Readable) -> Told {
    let trace = item.record.headers.traceparent.as_deref();
    Told {
        kind: item.kind.as_str(),
        id: item.id.clone(),
        key: item.record.key.clone(),
        trace_id: trace.and_then(shared::telemetry::trace_id_of),
    }
}

/// A claim that differs from what the object is known to belong to, or that another account
/// makes on a booking that is not registered for it: the rule decides, a person is told.
fn contradict(world: &mut World, item: &Readable, own: &Key, claimed: &str) {
    let resolved = world.resolved(own);
    let eligible = world.eligible(&own.account, claimed);
    let kind = if !eligible {
        "foreign_claim"
    } else if resolved.as_deref().is_some_and(|known| known != claimed) {
        "claims_differ"
    } else {
        return;
    };
    world.contradictions.push(Contradiction {
        kind,
        key: own.clone(),
        event_id: item.id.clone(),
        booking_id: claimed.to_owned(),
        evidence: serde_json::json!({"claimed": claimed, "belongs_to": resolved}),
    });
}

/// Names the wish that a thin event makes: by the snapshot event of the same change where
/// Stripe names it, so that the two are one.
fn thin_fingerprint(event: &str) -> String {
    format!("thin:{event}")
}

/// A thin event says that something changed, not what: Stripe is asked, unless the snapshot
/// event of the same change has told already.
fn ask_for_thin(world: &mut World, item: &Readable, own: Option<&Key>) {
    let twin = item.snapshot_event.as_ref();
    if twin
        .and_then(|id| world.known.get(id))
        .is_some_and(|known| !known.dead)
    {
        return;
    }
    if let (true, Some(own), Some(object)) = (item.thin, own, &item.object) {
        world.refetches.insert(Refetch {
            key: own.clone(),
            kind: object.kind.clone(),
            fingerprint: thin_fingerprint(twin.unwrap_or(&item.id)),
            reason: "thin",
            tied_at: item.created,
        });
    }
}

/// Re-resolves every object that these links or claims can have moved; the bookings concerned.
pub fn reassign_all(world: &mut World, around: &BTreeSet<Key>) -> BTreeSet<String> {
    let mut affected: BTreeSet<Key> = BTreeSet::new();
    for start in around {
        if !affected.contains(start) {
            affected.extend(world.graph.component(start));
        }
    }
    affected
        .iter()
        .flat_map(|key| world.reassign(key))
        .collect()
}

/// Folds one booking anew and writes down the change, if it is one.
///
/// # Errors
/// [`FoldFailed`].
pub fn refold(
    world: &mut World,
    booking_id: &str,
    cause: Cause<'_>,
    require_registration: bool,
) -> Result<(), FoldFailed> {
    let keys: Vec<Key> = world
        .members
        .get(booking_id)
        .map(|keys| keys.iter().cloned().collect())
        .unwrap_or_default();
    let registration = world.registrations.get(booking_id);
    let members: Vec<Member<'_>> = keys
        .iter()
        .filter_map(|key| Member::of(&key.id, &world.objects.get(key)?.state))
        .collect();
    let view = fold_booking(registration.map(|(r, _)| r), &members, require_registration).map_err(
        |cause| FoldFailed {
            booking_id: booking_id.to_owned(),
            cause,
        },
    )?;
    let lines = member_lines(&members);
    let doubts: Vec<(Key, String)> = view
        .refetch
        .iter()
        .filter_map(|object| {
            keys.iter()
                .find(|key| key.id == object.id.as_str())
                .cloned()
                .map(|key| (key, object.kind.clone()))
        })
        .collect();
    let mut shown = Shown::of(&view);
    if world.held.contains(booking_id) {
        shown.hold = Some("parked".to_owned());
    }
    let account = registration
        .map(|(_, account)| account.clone())
        .filter(|a| !a.is_empty());
    for (key, kind) in doubts {
        doubt(world, key, kind, &shown);
    }
    show(world, booking_id, shown, account, &lines, cause);
    Ok(())
}

fn show(
    world: &mut World,
    booking_id: &str,
    shown: Shown,
    account: Option<String>,
    lines: &[String],
    cause: Cause<'_>,
) {
    let Some(row) = world.bookings.get_mut(booking_id) else {
        world.unlocked = true;
        return;
    };
    row.account = account;
    if row.shown.as_ref() == Some(&shown) {
        return;
    }
    row.version = row.version.saturating_add(1);
    row.dirty = true;
    if let Some((fact, said)) = of_booking(
        (booking_id, row.version),
        &shown,
        lines,
        row.published_state.as_deref(),
        cause,
    ) {
        row.published_state = Some(said);
        world.facts.push(fact);
    }
    world.transitions.push(Transition {
        booking_id: booking_id.to_owned(),
        version: row.version,
        cause_kind: cause.kind,
        cause_id: cause.id.to_owned(),
        before: row.shown.replace(shown.clone()),
        after: shown,
    });
}

/// The charge's own total and its refunds disagree: ask Stripe once for each such state.
fn doubt(world: &mut World, key: Key, kind: String, shown: &Shown) {
    let Some(winner) = world.objects.get(&key).and_then(|row| row.state.winner()) else {
        return;
    };
    let refetch = Refetch {
        fingerprint: format!(
            "refunds:{}:{}",
            winner.snapshot.source_id, shown.amount_refunded
        ),
        tied_at: winner.snapshot.at,
        reason: "refunds_differ",
        kind,
        key,
    };
    world.refetches.insert(refetch);
}

/// After the last record: the objects that are tied *now* are asked for, not those that a later
/// record of the same batch settled.
pub fn ask_for_ties(world: &mut World) {
    let mut asked = Vec::new();
    for (key, row) in world.objects.iter().filter(|(_, row)| row.dirty) {
        if let (Some(fingerprint), Some(winner)) = (row.state.tie_fingerprint(), row.state.winner())
        {
            asked.push(Refetch {
                key: key.clone(),
                kind: row.kind.clone(),
                fingerprint,
                reason: "tie",
                tied_at: winner.snapshot.at,
            });
        }
    }
    world.refetches.extend(asked);
}

/// After the last record: one fact an object that shows something else than the last one said.
pub fn tell_objects(world: &mut World) {
    for row in world.objects.values_mut().filter(|row| row.dirty) {
        if let Some((fact, said)) = of_object(row) {
            row.published_state = Some(said);
            world.facts.push(fact);
        }
    }
}

fn member_lines(members: &[Member<'_>]) -> Vec<String> {
    let mut lines: Vec<String> = members
        .iter()
        .map(|member| {
            format!(
                "{} {} {}",
                member.id,
                member.fields.status.as_deref().unwrap_or("-"),
                member.at
            )
        })
        .collect();
    lines.sort_unstable();
    lines
}

fn key(item: &Readable, id: &str) -> Key {
    Key {
        account: item.account.clone(),
        id: id.to_owned(),
    }
}
