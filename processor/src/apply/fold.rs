//! The batch folded in memory, event by event: every change of a booking becomes a transition
//! of its own, although the rows are written once.
//!
//! Pure. Invariant: what a booking shows after the batch is `fold_booking` of its registration
//! and its objects; nothing is carried over from what it showed before.

use std::collections::BTreeSet;

use shared::folding::money::Share;
use shared::folding::{BookingView, TOO_MANY, fold_booking};

use super::divide::divide_around;
use super::facts::{of_booking, of_object};
use super::queue::waits_behind;
use super::world::{Cause, Known, Refetch, Shown, Told, Transition, World};
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
pub fn fold_item(world: &mut World, item: &Readable) -> Result<Outcome, FoldFailed> {
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
    } else if absorb(world, item)? {
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

/// Links, mentions and snapshot go in; whether any was news.
///
/// # Errors
/// [`FoldFailed`]; the world is then to be thrown away.
pub fn absorb(world: &mut World, item: &Readable) -> Result<bool, FoldFailed> {
    let news = take_in(world, item);
    let own = item
        .object
        .as_ref()
        .map(|object| key(item, object.id.as_str()));
    ask_for_thin(world, item, own.as_ref());
    world.refetches.extend(super::not_generated::wish(item));
    if item.kind == RowKind::Event && item.reading.object.is_some() {
        world.snapshots.insert(item.id.clone());
        let answered = thin_fingerprint(&item.id);
        world.refetches.retain(|wish| wish.fingerprint != answered);
    }
    let touched = divide_around(world, &news)?;
    let told = told(item);
    for booking in touched {
        refold(world, &booking, told.cause())?;
    }
    Ok(!news.is_empty())
}

/// The objects about which this item says something that was not known.
pub(super) fn take_in(world: &mut World, item: &Readable) -> BTreeSet<Key> {
    let mut news: BTreeSet<Key> = BTreeSet::new();
    for link in &item.reading.links {
        let (from, to) = (
            key(item, link.from.id.as_str()),
            key(item, link.to.id.as_str()),
        );
        if world.graph.link(&from, &to) {
            world
                .new_links
                .push((from.clone(), to.clone(), item.id.clone()));
            news.extend([from, to]);
        }
    }
    let Some((object, snapshot)) = &item.reading.object else {
        return news;
    };
    let own = key(item, object.id.as_str());
    for booking in &item.reading.mentions {
        let mention = (own.clone(), booking.clone());
        if world.mentions.insert(mention.clone()) {
            world.new_mentions.insert(mention);
            news.insert(own.clone());
        }
    }
    if let Some(row) = world.objects.get_mut(&own) {
        let before = row.state.clone();
        row.state.join(snapshot.clone());
        if row.state != before {
            row.dirty = true;
            row.kind.clone_from(&object.kind);
            row.told_by = Some(told(item));
            news.insert(own);
        }
    }
    news
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

/// Folds one booking anew and writes down the change, if it is one.
///
/// # Errors
/// [`FoldFailed`].
pub fn refold(world: &mut World, booking_id: &str, cause: Cause<'_>) -> Result<(), FoldFailed> {
    if stays_too_many(world, booking_id) {
        return Ok(());
    }
    let registered = world.human.registered.get(booking_id);
    let empty = std::collections::BTreeMap::new();
    let held = world.by_booking.get(booking_id).unwrap_or(&empty);
    let shares: Vec<(&Key, &Share)> = held.iter().collect();
    let registration = registered.map(|it| &it.registration);
    let mut view =
        fold_booking(booking_id, registration, &shares, world.policy).map_err(|cause| {
            FoldFailed {
                booking_id: booking_id.to_owned(),
                cause,
            }
        })?;
    view.too_many |= world.crowded.contains(booking_id);
    let before = world.bookings.get(booking_id);
    let before = before.and_then(|row| row.shown.clone());
    let mut shown = Shown::of(&view, before.as_ref());
    if world.held.contains(booking_id) {
        shown.hold = Some("parked".to_owned());
    } else if !view.too_many && shown.hold.as_deref() == Some(TOO_MANY) {
        shown.hold = None;
    }
    let account = registered
        .map(|it| it.account.clone())
        .filter(|account| !account.is_empty());
    let lines = evidence(&view, &shares, cause);
    let findings = view.findings;
    world.findings.insert(booking_scope(booking_id), findings);
    show(world, booking_id, shown, account, &lines, cause);
    Ok(())
}

/// Whether it is held for its number of payments, and stays so: its row and its finding are as they
/// should be. To sum a thousand shares for each of its events would slow its neighbours.
fn stays_too_many(world: &World, booking_id: &str) -> bool {
    let shown = world
        .bookings
        .get(booking_id)
        .and_then(|row| row.shown.as_ref());
    let is_held = shown.is_some_and(|shown| shown.hold.as_deref() == Some(TOO_MANY));
    is_held && world.crowded.contains(booking_id) && !world.held.contains(booking_id)
}

/// What decides whether a booking's findings hold.
pub(super) fn booking_scope(booking_id: &str) -> String {
    format!("booking:{booking_id}")
}

/// All that a booking's state follows from: the same state by another way has other lines.
fn evidence(view: &BookingView, shares: &[(&Key, &Share)], cause: Cause<'_>) -> Vec<String> {
    let mut lines: Vec<String> = shares
        .iter()
        .map(|(key, share)| format!("{}/{} {}", key.account, key.id, share.winners))
        .collect();
    lines.sort_unstable();
    lines.push(format!(
        "expected {:?} {:?}",
        view.expected_amount, view.expected_currency
    ));
    lines.push(format!("rules {}", shared::folding::FOLD_VERSION));
    if cause.kind == "action" {
        lines.push(format!("action {}", cause.id));
    }
    lines
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
        row.dirty |= row.fold_version < shared::folding::FOLD_VERSION;
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

fn key(item: &Readable, id: &str) -> Key {
    Key {
        account: item.account.clone(),
        id: id.to_owned(),
    }
}
