//! The end of a life: the expected bookings and the money without one, summed from the lines.

use std::collections::{BTreeMap, BTreeSet};

use super::{Kind, Ledger, Line};
use crate::histories::booking::{Amounts, Booking, Registered};
use crate::histories::status::{Standing, status};

impl Ledger {
    /// Money of payments, refunds and disputes that belongs to no booking, by object.
    pub(in crate::histories) fn unassigned(&self) -> BTreeMap<String, i64> {
        let mut sums = BTreeMap::new();
        for line in &self.lines {
            let shown_only = matches!(
                line.kind,
                Kind::Authorized | Kind::InFlight | Kind::PendingAction
            );
            if line.share.booking.is_none() && !shown_only {
                *sums.entry(line.object.clone()).or_default() += line.amount;
            }
        }
        sums.retain(|_, sum| *sum != 0);
        sums
    }

    pub(in crate::histories) fn bookings(&self) -> Vec<Booking> {
        let all = self.bookings.iter();
        all.map(|(id, registered)| self.booking(id, registered.clone()))
            .collect()
    }

    fn of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Line> {
        let lines = self.lines.iter();
        lines.filter(move |line| line.share.booking.as_deref() == Some(id))
    }

    fn booking(&self, id: &str, registered: Option<Registered>) -> Booking {
        let first = self.of(id).map(|line| line.share.currency.clone()).next();
        let currency = registered
            .as_ref()
            .map(|one| one.currency.clone())
            .or(first);
        let mut others = BTreeMap::new();
        for line in self.of(id) {
            add(others.entry(line.share.currency.clone()).or_default(), line);
        }
        let own = currency.as_ref().and_then(|own| others.remove(own));
        let amounts = own.unwrap_or_default();
        others.retain(|_, one| *one != Amounts::default());
        let attempts: Vec<&'static str> = self
            .attempts
            .iter()
            .filter(|((_, booking), _)| booking.as_deref() == Some(id))
            .map(|(_, status)| *status)
            .collect();
        let expected = registered.as_ref().map(|one| one.amount);
        let expected = self.amended.get(id).copied().or(expected);
        let finished = self.finished_money(id, currency.as_deref());
        let standing = Standing {
            expected,
            finished,
            net: amounts.net,
            refunded: amounts.refunded,
            authorized: amounts.authorized,
            disputed: amounts.disputed > 0,
            lost: amounts.lost > 0,
            second_currency: others.values().any(|one| one.paid > 0),
            free: self.free.contains(id),
            attempts: &attempts,
        };
        let status = status(&standing);
        Booking {
            id: id.to_owned(),
            status,
            payments: self.payments(id).try_into().unwrap_or(i64::MAX),
            findings: self.findings(id, expected, &amounts, status),
            registered,
            currency,
            amounts,
            others,
        }
    }

    fn finished_money(&self, id: &str, currency: Option<&str>) -> i64 {
        self.of(id)
            .filter(|line| Some(line.share.currency.as_str()) == currency)
            .filter(|line| self.finished.contains(&line.share.payment) && line.is_income())
            .map(|line| line.amount)
            .sum()
    }

    fn payments(&self, id: &str) -> usize {
        let paid = self
            .of(id)
            .filter(|line| line.is_income() && line.amount > 0);
        let payments: BTreeSet<&str> = paid.map(|line| line.share.payment.as_str()).collect();
        payments
            .into_iter()
            .filter(|one| self.finished.contains(*one))
            .count()
    }

    fn findings(
        &self,
        id: &str,
        expected: Option<i64>,
        amounts: &Amounts,
        status: &str,
    ) -> BTreeSet<&'static str> {
        let mut found: BTreeSet<&'static str> = self
            .findings
            .iter()
            .filter(|(booking, _)| booking == id)
            .map(|(_, kind)| *kind)
            .collect();
        let mut payments: BTreeMap<&str, Amounts> = BTreeMap::new();
        for line in self
            .of(id)
            .filter(|line| self.finished.contains(&line.share.payment))
        {
            add(payments.entry(&line.share.payment).or_default(), line);
        }
        let kept = payments
            .values()
            .filter(|one| one.net > 0 && one.net > one.from_balance);
        let exceeds = expected.is_none_or(|expected| amounts.net > expected);
        if exceeds && kept.count() > 1 {
            found.insert("paid_twice");
        }
        if payments
            .values()
            .any(|one| one.lost > 0 && one.refunded > 0 && one.refunded + one.lost > one.paid)
        {
            found.insert("lost_twice");
        }
        if expected.is_some() && status == "confirmed" && amounts.in_flight > 0 {
            found.insert("overlapping_payment");
        }
        found
    }
}

impl Line {
    fn is_income(&self) -> bool {
        matches!(
            self.kind,
            Kind::Captured | Kind::Settled | Kind::FromBalance
        )
    }
}

fn add(sums: &mut Amounts, line: &Line) {
    let amount = line.amount;
    match line.kind {
        Kind::Captured => {}
        Kind::Settled => sums.settled_elsewhere += amount,
        Kind::FromBalance => sums.from_balance += amount,
        Kind::Authorized => sums.authorized += amount,
        Kind::InFlight => sums.in_flight += amount,
        Kind::Refunded => sums.refunded += amount,
        Kind::PendingAction => sums.refund_pending_action += amount,
        Kind::Disputed => sums.disputed += amount,
        Kind::Lost => sums.lost += amount,
        Kind::Credited => sums.credited += amount,
    }
    match line.kind {
        Kind::Captured | Kind::Settled | Kind::FromBalance => {
            sums.paid += amount;
            sums.net += amount;
        }
        Kind::Refunded | Kind::Disputed | Kind::Lost | Kind::Credited => sums.net -= amount,
        Kind::Authorized | Kind::InFlight | Kind::PendingAction => {}
    }
}
