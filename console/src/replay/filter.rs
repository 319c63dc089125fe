//! What is picked between start and end: filters, all of which must hold.
//!
//! Pure. Invariant: a filter that the record's bytes can decide is decided before the database is
//! asked; both together are the whole of what was asked for.

use std::collections::BTreeSet;

use serde::Serialize;

use super::candidate::{Candidate, Known};

/// One event type, or a family of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TypeFilter {
    Exactly(String),
    /// What comes before the star.
    Family(String),
}

impl TypeFilter {
    /// Reads `charge.refunded` or `charge.*`.
    ///
    /// # Errors
    /// What is expected.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (name, family) = match text.strip_suffix('*') {
            Some(prefix) => (prefix, true),
            None => (text, false),
        };
        if name.is_empty() || name.contains('*') {
            return Err("a type like charge.refunded, or a family like charge.*".to_owned());
        }
        let name = name.to_owned();
        Ok(if family {
            Self::Family(name)
        } else {
            Self::Exactly(name)
        })
    }

    fn holds(&self, event_type: &str) -> bool {
        match self {
            Self::Exactly(name) => event_type == name,
            Self::Family(prefix) => event_type.starts_with(prefix),
        }
    }

    /// The whole type, or the beginning of it, for SQL.
    pub(crate) fn parts(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::Exactly(name) => (Some(name), None),
            Self::Family(prefix) => (None, Some(prefix)),
        }
    }
}

/// The word for our own account.
pub(crate) const OWN: &str = "own";

/// All filters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Filter {
    /// Any of these; empty: all.
    pub(crate) event_ids: BTreeSet<String>,
    pub(crate) only_type: Option<TypeFilter>,
    pub(crate) only_booking: Option<String>,
    /// A connected account, or [`OWN`].
    pub(crate) only_account: Option<String>,
    pub(crate) disposition: Option<String>,
    pub(crate) dead_group: Option<String>,
}

impl Filter {
    /// Whether the ledger alone can find what is meant, without a start.
    pub(crate) fn is_enough_for_the_ledger(&self) -> bool {
        !self.event_ids.is_empty()
            || self.only_booking.is_some()
            || self.dead_group.is_some()
            || self.disposition.as_deref().is_some_and(|it| it != "absent")
    }

    /// What the record itself decides.
    pub(crate) fn may_hold(&self, candidate: &Candidate) -> bool {
        let id = self.event_ids.is_empty() || self.event_ids.contains(&candidate.subject);
        let only_type = self.only_type.as_ref();
        let account = self.only_account.as_deref();
        id && only_type.is_none_or(|wanted| wanted.holds(&candidate.event_type))
            && account.is_none_or(|wanted| match &candidate.account {
                Some(account) => account == wanted,
                None => wanted == OWN,
            })
    }

    /// What only the database knows. A record's own word for its booking counts where the ledger
    /// has no row of it: what was applied belongs where it was applied to.
    pub(crate) fn holds(&self, candidate: &Candidate, known: &Known) -> bool {
        let disposition = self.disposition.as_deref();
        let group = self.dead_group.as_ref();
        let booking = self.only_booking.as_ref();
        disposition.is_none_or(|wanted| wanted == known.disposition())
            && group.is_none_or(|wanted| known.dead_groups.contains(wanted))
            && booking.is_none_or(|wanted| {
                known.bookings.contains(wanted)
                    || (known.disposition.is_none()
                        && candidate.names_booking.as_ref() == Some(wanted))
            })
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::super::candidate::Origin;
    use super::*;

    fn candidate() -> Candidate {
        Candidate {
            subject: "evt_1".into(),
            event_type: "charge.refunded".into(),
            account: None,
            livemode: Some(false),
            names_booking: Some("b-1".into()),
            received_at: DateTime::UNIX_EPOCH,
            origin: Origin::Log,
            partition: 0,
            offset: 0,
            readable: true,
        }
    }

    fn applied() -> Known {
        Known {
            disposition: Some("applied".into()),
            bookings: vec!["b-2".into()],
            ..Known::default()
        }
    }

    #[test]
    fn a_star_is_a_family_and_nothing_else_is() {
        let read = |text| TypeFilter::parse(text).map(|filter| filter.holds("charge.refunded"));
        assert_eq!(read("charge.*"), Ok(true));
        assert_eq!(read("charge.refunded"), Ok(true));
        assert_eq!(read("charge"), Ok(false));
        assert_eq!(read("charge.dispute.*"), Ok(false));
        for bad in ["", "*", "*.refunded", "charge.*.x", "charge.**"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn all_filters_must_hold() {
        let ids = |id: &str| BTreeSet::from([id.to_owned()]);
        let both = |event_ids, account: &str| Filter {
            event_ids,
            only_account: Some(account.to_owned()),
            ..Filter::default()
        };
        assert!(both(ids("evt_1"), OWN).may_hold(&candidate()));
        assert!(!both(ids("evt_2"), OWN).may_hold(&candidate()));
        assert!(!both(ids("evt_1"), "acct_1").may_hold(&candidate()));
    }

    #[test]
    fn an_event_belongs_to_the_booking_it_was_applied_to_not_to_the_one_it_names() {
        let of = |booking: &str| Filter {
            only_booking: Some(booking.to_owned()),
            ..Filter::default()
        };
        assert!(of("b-2").holds(&candidate(), &applied()));
        assert!(!of("b-1").holds(&candidate(), &applied()));
        assert!(of("b-1").holds(&candidate(), &Known::default()));
    }

    #[test]
    fn absent_is_a_disposition_that_only_the_log_can_tell() {
        let of = |disposition: &str| Filter {
            disposition: Some(disposition.to_owned()),
            ..Filter::default()
        };
        assert!(of("absent").holds(&candidate(), &Known::default()));
        assert!(!of("absent").holds(&candidate(), &applied()));
        assert!(!of("absent").is_enough_for_the_ledger());
        assert!(of("dead").is_enough_for_the_ledger());
        assert!(!Filter::default().is_enough_for_the_ledger());
    }
}
