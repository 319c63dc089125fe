//! Objects that are tied together, and what people put in about them: all that decides whose money
//! it is.

use std::collections::{BTreeMap, BTreeSet};

use super::findings::{Finding, Question};
use super::{Share, findings, invoice, payment};
use crate::folding::booking::FoldError;
use crate::folding::fields::Fields;
use crate::folding::graph::{Graph, Key};
use crate::folding::object::{ObjectState, Winner};
use crate::folding::rebuild::Registered;

/// Rules that are settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// An unregistered booking is never confirmed.
    pub require_registration: bool,
    /// A session's `client_reference_id` may name a registered booking of the same amount.
    pub client_reference: bool,
    /// Money that belongs to no booking is a finding.
    pub report_unassigned: bool,
}

/// What the application and operators put in. It holds every booking that a claim here names.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// Registrations by booking, amended.
    pub registered: &'a BTreeMap<String, Registered>,
    /// Registered payment intents, with their booking.
    pub intents: &'a BTreeMap<Key, String>,
    /// Operators' assignments; none: the object belongs to no booking.
    pub assignments: &'a BTreeMap<Key, Option<String>>,
    /// Settings.
    pub policy: Policy,
}

/// One object of a component.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// Stripe's object name.
    pub kind: &'a str,
    /// All it was told; empty for an object that is known only by a link.
    pub state: &'a ObjectState,
    /// The snapshot that counts.
    pub winner: Option<Winner<'a>>,
}

impl<'a> Node<'a> {
    /// An object with its state.
    #[must_use]
    pub fn new(kind: &'a str, state: &'a ObjectState) -> Self {
        let winner = state.winner();
        let kind = winner.map_or(kind, |it| it.snapshot.fields.kind.as_str());
        Self {
            kind,
            state,
            winner,
        }
    }

    pub(super) fn fields(&self) -> Option<&'a Fields> {
        self.winner.map(|winner| &winner.snapshot.fields)
    }

    pub(super) fn status(&self) -> &'a str {
        let status = self.fields().and_then(|fields| fields.status.as_deref());
        status.unwrap_or("")
    }

    pub(super) fn at(&self) -> i64 {
        self.winner.map_or(0, |winner| winner.snapshot.at)
    }

    pub(super) fn is_settled(&self) -> bool {
        self.winner.is_none_or(|winner| winner.settled)
    }
}

/// Objects that are tied together.
#[derive(Debug)]
pub struct Component<'a> {
    /// Objects by key.
    pub nodes: BTreeMap<&'a Key, Node<'a>>,
    /// Links.
    pub graph: &'a Graph,
    /// What people put in.
    pub inputs: Inputs<'a>,
    /// Connected accounts that its payments are for.
    pub(super) destinations: BTreeSet<&'a str>,
}

impl<'a> Component<'a> {
    /// Objects that are tied together.
    #[must_use]
    pub fn new(nodes: BTreeMap<&'a Key, Node<'a>>, graph: &'a Graph, inputs: Inputs<'a>) -> Self {
        let destinations = nodes
            .values()
            .filter_map(Node::fields)
            .flat_map(|fields| &fields.destinations)
            .map(String::as_str)
            .collect();
        Self {
            nodes,
            graph,
            inputs,
            destinations,
        }
    }

    /// The neighbours of one kind, in the order of their keys.
    pub(super) fn near<'s>(
        &'s self,
        key: &Key,
        kind: &'static str,
    ) -> impl Iterator<Item = (&'a Key, Node<'a>)> + use<'s, 'a> {
        self.graph
            .neighbours(key)
            .filter_map(|other| self.nodes.get_key_value(other))
            .map(|(key, node)| (*key, *node))
            .filter(move |(_, node)| node.kind == kind)
    }

    pub(super) fn node(&self, key: &Key) -> Option<Node<'a>> {
        self.nodes.get(key).copied()
    }
}

/// A component's money.
#[derive(Debug, Default)]
pub struct Divided {
    /// Parts of each payment and attempt.
    pub shares: BTreeMap<Key, Vec<Share>>,
    /// The booking of each object; none: no booking.
    pub owners: BTreeMap<Key, Option<String>>,
    /// Contradictions that hold.
    pub findings: Vec<Finding>,
    /// What Stripe is to be asked.
    pub questions: Vec<Question>,
    /// Questions that are answered by what is known.
    pub answered: Vec<String>,
}

/// Divides a component's money among bookings.
///
/// # Errors
/// [`FoldError`]: amounts beyond what can be counted.
pub fn divide(component: &Component<'_>) -> Result<Divided, FoldError> {
    let mut divided = Divided::default();
    for (key, node) in &component.nodes {
        let owner = component.owner(key);
        divided.owners.insert((*key).clone(), owner.first());
        findings::of_object(component, key, node, &owner, &mut divided);
        match node.kind {
            "payment_intent" | "charge" | "refund" => {
                payment::divide(component, key, *node, &owner, &mut divided)?;
            }
            "invoice" => invoice::divide(component, key, *node, &owner, &mut divided)?,
            "checkout.session" | "subscription" => {
                super::attempts::divide(component, key, *node, &owner, &mut divided);
            }
            _ => {}
        }
    }
    if component.inputs.policy.report_unassigned {
        findings::unassigned(&mut divided);
    }
    Ok(divided)
}
