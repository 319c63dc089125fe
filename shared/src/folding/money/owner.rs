//! Which booking an object belongs to: ownership has a direction.
//!
//! Strength: an operator's assignment, a registration that names the payment intent, the object's
//! own claim, inheritance from the parent, a session's client reference.

use std::collections::BTreeMap;

use super::component::{Component, Node};
use super::split::{exact, proportional};
use crate::folding::details::{Details, Invoice};
use crate::folding::graph::Key;

/// Whose an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    /// Nobody's.
    Nobody,
    /// One booking's.
    One(String),
    /// Several bookings': known amounts, what they leave is unassigned.
    Amounts(Vec<(String, i64)>),
    /// Several bookings', in proportion; the empty booking is unassigned.
    Weights(Vec<(String, i64)>),
}

impl Owner {
    /// The one booking that a row can name: of several the smallest id.
    pub(super) fn first(&self) -> Option<String> {
        match self {
            Self::Nobody => None,
            Self::One(booking) => Some(booking.clone()),
            Self::Amounts(parts) | Self::Weights(parts) => parts
                .iter()
                .map(|(booking, _)| booking)
                .filter(|booking| !booking.is_empty())
                .min()
                .cloned(),
        }
    }

    /// Divides an amount.
    pub(super) fn divide(&self, amount: i64) -> Vec<(String, i64)> {
        match self {
            Self::Nobody => vec![(String::new(), amount)],
            Self::One(booking) => vec![(booking.clone(), amount)],
            Self::Amounts(known) => exact(amount, known),
            Self::Weights(weights) => proportional(amount, weights),
        }
    }

    /// Whether it belongs, in part or whole, to a booking.
    pub(super) fn is_somebody(&self) -> bool {
        self.first().is_some()
    }

    fn or_else(self, other: impl FnOnce() -> Self) -> Self {
        if self == Self::Nobody { other() } else { self }
    }
}

impl<'a> Component<'a> {
    /// Whether a claim by an object of `account` counts for a booking: a booking belongs to the
    /// account it was registered for, and without a registration to our own. A payment on our
    /// account for a connected one (a destination charge) may pay that one's booking.
    pub(super) fn eligible(&self, account: &str, booking: &str) -> bool {
        self.inputs
            .registered
            .get(booking)
            .map_or(account.is_empty(), |registered| {
                let for_account = registered.account.as_str();
                for_account == account
                    || (account.is_empty() && self.destinations.contains(for_account))
            })
    }

    pub(super) fn eligible_claim(&self, key: &Key, node: &Node<'a>) -> Option<&'a str> {
        node.state
            .claim()
            .filter(|booking| self.eligible(&key.account, booking))
    }

    /// Whose an object is.
    pub(super) fn owner(&self, key: &Key) -> Owner {
        let Some(node) = self.node(key) else {
            return Owner::Nobody;
        };
        if let Some(assigned) = self.inputs.assignments.get(key) {
            return assigned.clone().map_or(Owner::Nobody, Owner::One);
        }
        match node.kind {
            "payment_intent" => self.of_intent(key, &node),
            "charge" => self.of_charge(key, &node),
            "refund" | "dispute" => self.of_return(key, &node),
            "invoice" => self.of_invoice(key, &node),
            "subscription" => self.claimed(key, &node).or_else(|| self.of_sessions(key)),
            "checkout.session" => self
                .claimed(key, &node)
                .or_else(|| self.referenced(key, &node)),
            "credit_note" | "invoice_payment" => self.of_near(key, "invoice"),
            _ => Owner::Nobody,
        }
    }

    fn claimed(&self, key: &Key, node: &Node<'a>) -> Owner {
        self.eligible_claim(key, node)
            .map_or(Owner::Nobody, |booking| Owner::One(booking.to_owned()))
    }

    /// The first of the neighbours of a kind that yields a booking.
    fn of_near(&self, key: &Key, kind: &'static str) -> Owner {
        self.near(key, kind)
            .map(|(parent, _)| self.owner(parent))
            .find(Owner::is_somebody)
            .unwrap_or(Owner::Nobody)
    }

    fn of_sessions(&self, key: &Key) -> Owner {
        self.of_near(key, "checkout.session")
    }

    fn registered_intent(&self, key: &Key) -> Owner {
        let named = self.inputs.intents.get(key);
        named
            .filter(|booking| self.eligible(&key.account, booking))
            .map_or(Owner::Nobody, |booking| Owner::One(booking.clone()))
    }

    fn of_intent(&self, key: &Key, node: &Node<'a>) -> Owner {
        self.registered_intent(key).or_else(|| {
            let invoices = self.paid_invoices(key);
            if invoices.len() > 1 {
                return self.of_several(&invoices);
            }
            self.claimed(key, node)
                .or_else(|| self.standing_in(key, node))
                .or_else(|| {
                    let invoices = invoices.keys().map(|invoice| self.owner(invoice));
                    invoices
                        .into_iter()
                        .find(Owner::is_somebody)
                        .unwrap_or(Owner::Nobody)
                })
                .or_else(|| self.of_sessions(key))
        })
    }

    /// While nothing is known of an intent, its charge stands in for it, with its claim.
    fn standing_in(&self, key: &Key, node: &Node<'a>) -> Owner {
        if node.winner.is_some() {
            return Owner::Nobody;
        }
        let claims = self.near(key, "charge");
        let mut claims = claims.map(|(charge, it)| self.claimed(charge, &it));
        claims.find(Owner::is_somebody).unwrap_or(Owner::Nobody)
    }

    /// The invoices that an intent or charge pays, with what it pays of each where that is known.
    pub(super) fn paid_invoices(&self, key: &Key) -> BTreeMap<&'a Key, i64> {
        let mut invoices: BTreeMap<&'a Key, i64> = BTreeMap::new();
        for (payment, node) in self.near(key, "invoice_payment") {
            let paid = node
                .fields()
                .filter(|_| node.status() == "paid")
                .and_then(|fields| fields.amount_received)
                .unwrap_or(0);
            for (invoice, _) in self.near(payment, "invoice") {
                let sum = invoices.entry(invoice).or_default();
                *sum = sum.saturating_add(paid);
            }
        }
        for (invoice, _) in self.near(key, "invoice") {
            invoices.entry(invoice).or_default();
        }
        invoices
    }

    /// One payment for several invoices: to each what it pays of it.
    fn of_several(&self, invoices: &BTreeMap<&'a Key, i64>) -> Owner {
        let mut parts: BTreeMap<String, i64> = BTreeMap::new();
        for (invoice, paid) in invoices {
            for (booking, part) in self.owner(invoice).divide(*paid) {
                let sum = parts.entry(booking).or_default();
                *sum = sum.saturating_add(part);
            }
        }
        parts.retain(|booking, part| !booking.is_empty() && *part > 0);
        if parts.is_empty() {
            Owner::Nobody
        } else {
            Owner::Amounts(parts.into_iter().collect())
        }
    }

    fn of_charge(&self, key: &Key, node: &Node<'a>) -> Owner {
        if let Some((intent, _)) = self.near(key, "payment_intent").next() {
            return self.owner(intent);
        }
        self.claimed(key, node)
            .or_else(|| self.of_near(key, "invoice"))
    }

    /// A refund or dispute: its charge's, else its intent's. One that names neither is only its
    /// own metadata's.
    fn of_return(&self, key: &Key, node: &Node<'a>) -> Owner {
        let mut parents = self
            .near(key, "charge")
            .chain(self.near(key, "payment_intent"))
            .peekable();
        if parents.peek().is_none() {
            return self.claimed(key, node);
        }
        parents
            .map(|(parent, _)| self.owner(parent))
            .find(Owner::is_somebody)
            .unwrap_or(Owner::Nobody)
    }

    fn of_invoice(&self, key: &Key, node: &Node<'a>) -> Owner {
        let Some(Details::Invoice(invoice)) = node.fields().map(|fields| &fields.details) else {
            return self.claimed(key, node).or_else(|| self.of_sessions(key));
        };
        self.claimed(key, node)
            .or_else(|| self.of_lines(key, invoice))
            .or_else(|| self.of_sessions(key))
            .or_else(|| self.of_subscription(key, invoice))
    }

    fn of_lines(&self, key: &Key, invoice: &Invoice) -> Owner {
        let mut parts: BTreeMap<String, i64> = BTreeMap::new();
        for line in &invoice.lines {
            let booking = line.booking.as_deref();
            let booking = booking.filter(|booking| self.eligible(&key.account, booking));
            let sum = parts.entry(booking.unwrap_or("").to_owned()).or_default();
            *sum = sum.saturating_add(line.amount.max(0));
        }
        if invoice.lines_cut {
            let known = parts.values().copied().fold(0, i64::saturating_add);
            let rest = invoice.total.unwrap_or(known).saturating_sub(known);
            let sum = parts.entry(String::new()).or_default();
            *sum = sum.saturating_add(rest.max(0));
        }
        parts.retain(|booking, part| !booking.is_empty() || *part > 0);
        let mut named = parts.keys().filter(|booking| !booking.is_empty());
        match (named.next(), parts.len()) {
            (None, _) => Owner::Nobody,
            (Some(only), 1) => Owner::One(only.clone()),
            (Some(_), _) => Owner::Weights(parts.into_iter().collect()),
        }
    }

    /// A subscription's first invoice, or its first after the trial, pays the booking that the
    /// subscription was made for. Renewals do not, unless the registration covers them.
    fn of_subscription(&self, key: &Key, invoice: &Invoice) -> Owner {
        let frozen = invoice.frozen_booking.as_ref();
        let frozen = frozen.filter(|booking| self.eligible(&key.account, booking));
        let owner = match frozen {
            Some(booking) => Owner::One(booking.clone()),
            None => self.of_near(key, "subscription"),
        };
        let Owner::One(booking) = &owner else {
            return Owner::Nobody;
        };
        let covers = self.inputs.registered.get(booking);
        let covers = covers.is_some_and(|it| it.registration.covers_subscription);
        let is_first = invoice.billing_reason.as_deref() == Some("subscription_create")
            || self.begins_after_trial(key, invoice);
        if is_first || covers {
            owner
        } else {
            Owner::Nobody
        }
    }

    fn begins_after_trial(&self, key: &Key, invoice: &Invoice) -> bool {
        let begin = invoice.period_start;
        begin.is_some()
            && self.near(key, "subscription").any(|(_, node)| {
                let details = node.fields().map(|fields| &fields.details);
                matches!(details, Some(Details::Subscription(it)) if it.trial_end == begin)
            })
    }

    /// The client reference is written by whoever opens a payment link: it counts only where a
    /// setting says so, for a registered booking of the session's amount and currency.
    fn referenced(&self, key: &Key, node: &Node<'a>) -> Owner {
        self.matching_reference(key, node)
            .map_or(Owner::Nobody, |booking| Owner::One(booking.to_owned()))
    }

    pub(super) fn matching_reference(&self, key: &Key, node: &Node<'a>) -> Option<&'a str> {
        let fields = node.fields()?;
        let booking = fields.client_reference.as_deref()?;
        let registered = self.inputs.registered.get(booking)?;
        let expected = &registered.registration;
        let fits = self.inputs.policy.client_reference
            && self.eligible(&key.account, booking)
            && fields.amount == Some(expected.amount)
            && fields.currency.as_ref() == Some(&expected.currency);
        fits.then_some(booking)
    }
}
