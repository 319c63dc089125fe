//! A booking and the amount that it expects, as a plan reads them.

use diesel::pg::PgConnection;
use shared::ids::BookingId;

use crate::failure::Failure;
use crate::ledger::booking::{self, BookingRow};
use crate::ledger::decision;

/// A booking as it is read, folded or only registered.
pub(super) struct Known {
    pub(super) id: String,
    pub(super) row: Option<BookingRow>,
    /// As the latest amendment says, else the registration.
    pub(super) expected: Option<(i64, String)>,
}

impl Known {
    /// # Errors
    /// 3 when there is neither a booking nor a registration.
    pub(super) fn read(db: &mut PgConnection, id: &BookingId) -> Result<Self, Failure> {
        let row = booking::find(db, id.as_str())?.filter(|row| row.version > 0);
        let registration = booking::registration(db, id.as_str())?;
        if row.is_none() && registration.is_none() {
            return Err(Failure::NothingMatched {
                what: format!("no booking {id}"),
            });
        }
        let registered = registration.map(|row| (row.amount, row.currency));
        let amended = decision::amendment(db, id.as_str())?;
        Ok(Self {
            id: id.as_str().to_owned(),
            row,
            expected: amended.map(|row| (row.amount, row.currency)).or(registered),
        })
    }

    /// The net amount, if it can be what is expected.
    ///
    /// # Errors
    /// 6 when it cannot.
    pub(super) fn acceptable(&self) -> Result<(i64, String), Failure> {
        let refuse = |why: &str| Failure::Precondition {
            what: format!("booking {} {why}; nothing was done", self.id),
        };
        let Some(row) = &self.row else {
            return Err(refuse("is registered and not folded yet"));
        };
        if let Some(hold) = &row.hold {
            return Err(refuse(&format!(
                "is held ({hold}): its amounts may be out of date. Decide the hold first, or use \
                 bookend booking amend"
            )));
        }
        let Some(currency) = &row.currency else {
            return Err(refuse("has no currency yet"));
        };
        if row.amounts.amount_net < 0 {
            return Err(refuse("has a net amount below zero"));
        }
        Ok((row.amounts.amount_net, currency.clone()))
    }

    /// # Errors
    /// 6 when the booking expects this amount already.
    pub(super) fn changed(&self, (amount, currency): (i64, &str)) -> Result<(), Failure> {
        match &self.expected {
            Some((old, of)) if *old == amount && of == currency => Err(Failure::Precondition {
                what: format!(
                    "booking {} expects {amount} {currency} already; nothing was done",
                    self.id
                ),
            }),
            Some(_) | None => Ok(()),
        }
    }
}
