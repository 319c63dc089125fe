//! Which of several snapshots that none dominates came last, where they tell.
//!
//! Pure. Invariant: the answer is a function of the set; no rule looks at ids or at the order of
//! arrival. docs/order.md gives the rules and why they are sound.

use super::Snapshot;

/// Rule 1: there is only one, or all say the same.
pub(super) fn only<'a>(all: &[&'a Snapshot]) -> Option<&'a Snapshot> {
    let first = all.first()?;
    all.iter()
        .all(|member| member.fields == first.fields)
        .then_some(*first)
}

/// Rule 2: same phase, same second. The entry came first; of the others, the one that a
/// chain of "this is what it was like before me" reaches from all.
pub(super) fn explained<'a>(all: &[&'a Snapshot]) -> Option<&'a Snapshot> {
    let first = all.first()?;
    if !all
        .iter()
        .all(|member| member.shares_second_and_phase(first))
    {
        return None;
    }
    let changes: Vec<&'a Snapshot> = all.iter().filter(|member| !member.entry).copied().collect();
    if let Some(same) = only(&changes) {
        return Some(same);
    }
    let mut last = changes
        .iter()
        .copied()
        .filter(|end| reached_from_all(&changes, end));
    match (last.next(), last.next()) {
        (Some(winner), None) if !changes.iter().any(|one| may_come_last(one, winner)) => {
            Some(winner)
        }
        (Some(_) | None, _) => None,
    }
}

/// A change that does not say what was before may have come at any place, so also last: the
/// object may have left that state and come back to it within the second.
fn may_come_last(change: &Snapshot, end: &Snapshot) -> bool {
    change.before.is_none() && change.fields != end.fields
}

fn reached_from_all(changes: &[&Snapshot], end: &Snapshot) -> bool {
    // Backwards along the explanations: what was it like before, and who left it like that?
    let mut reached: Vec<&Snapshot> = vec![end];
    let mut next = 0;
    while let Some(step) = reached.get(next).copied() {
        next = next.saturating_add(1);
        for earlier in changes {
            if step.before.as_ref() == Some(&earlier.fields) && !reached.contains(earlier) {
                reached.push(earlier);
            }
        }
    }
    changes
        .iter()
        .all(|member| reached.contains(member) || member.fields == end.fields)
}

/// Rule 3: it was looked at after everything else.
pub(super) fn observed_last<'a>(all: &[&'a Snapshot]) -> Option<&'a Snapshot> {
    let last = all.iter().copied().max_by_key(|member| member.at)?;
    let alone = all.iter().filter(|member| member.at >= last.at).count() == 1;
    (last.observed && alone).then_some(last)
}
