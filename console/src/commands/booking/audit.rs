//! `bookend booking audit`: whether the money adds up, page by page, beside live traffic.

mod report;
mod tables;

use diesel::pg::PgConnection;
use shared::folding::graph::Key;
use shared::ids::BookingId;

use crate::action::Interrupt;
use crate::args::{BookingAudit, Global};
use crate::database::Writer;
use crate::failure::Failure;
use crate::ledger::audit::{self, Page, ShareKey};
use crate::output::{self, Form};

use report::{Part, Report};

/// Rows of one page.
const PAGE: i64 = 10_000;

pub(super) fn run(global: &Global, args: &BookingAudit) -> Result<(), Failure> {
    let mut walk = Walk {
        reader: Writer::connect(global.timeout)?,
        interrupt: Interrupt::listen()?,
        booking: args.booking.as_ref().map(BookingId::as_str),
        most: i64::from(args.limit),
        report: Report::new(usize::from(args.limit)),
    };
    walk.payments()?;
    walk.bookings()?;
    walk.shares()?;
    let report = walk.report;
    match global.output {
        Form::Json => output::json(&report)?,
        Form::Table => output::text(&report.describe())?,
    }
    match report.differing() {
        0 => Ok(()),
        count => Err(Failure::Drift {
            what: format!("{count} amounts or shares do not add up"),
        }),
    }
}

struct Walk<'a> {
    reader: Writer,
    interrupt: Interrupt,
    /// None: everything.
    booking: Option<&'a str>,
    /// Rows that are kept of each list.
    most: i64,
    report: Report,
}

impl Walk<'_> {
    /// All payments, or those that the booking has a share of.
    fn payments(&mut self) -> Result<(), Failure> {
        let booking = self.booking;
        let first = Key {
            account: String::new(),
            id: String::new(),
        };
        self.pages(Part::Payments, first, |db, after, most| {
            let keys = match booking {
                Some(id) => audit::objects_of_booking_after(db, id, after, PAGE)?,
                None => audit::objects_after(db, after, PAGE)?,
            };
            let page = audit::payments(db, &keys, most)?;
            Ok((keys.into_iter().last(), page))
        })
    }

    /// All bookings, or the one that was named.
    fn bookings(&mut self) -> Result<(), Failure> {
        let Some(id) = self.booking else {
            return self.pages(Part::Bookings, String::new(), |db, after, most| {
                let ids = audit::bookings_after(db, after, PAGE)?;
                let page = audit::bookings(db, &ids, most)?;
                Ok((ids.into_iter().last(), page))
            });
        };
        let most = self.most;
        let page = self.reader.read("audit_booking", |db| {
            if !audit::is_there(db, id)? {
                return Err(Failure::NothingMatched {
                    what: format!("no booking {id}"),
                });
            }
            audit::bookings(db, &[id.to_owned()], most)
        })?;
        self.report.add(Part::Bookings, page);
        Ok(())
    }

    /// All shares. Those of one booking were met as its objects and by its sums.
    fn shares(&mut self) -> Result<(), Failure> {
        if self.booking.is_some() {
            return Ok(());
        }
        self.pages(Part::Shares, ShareKey::default(), |db, after, most| {
            let keys = audit::shares_after(db, after, PAGE)?;
            let page = audit::orphans(db, &keys, most)?;
            Ok((keys.into_iter().last(), page))
        })
    }

    /// Reads page after page, each in a transaction of its own, until one has no last key.
    fn pages<K>(
        &mut self,
        part: Part,
        first: K,
        read: impl Fn(&mut PgConnection, &K, i64) -> Result<(Option<K>, Page), Failure>,
    ) -> Result<(), Failure> {
        let (mut after, most) = (first, self.most);
        loop {
            if self.interrupt.is_raised() {
                return Err(Failure::Interrupted {
                    what: format!("the audit is not complete: {}", self.report.progress()),
                });
            }
            let (last, page) = self.reader.read("audit_page", |db| {
                audit::without_jit(db)?;
                read(db, &after, most)
            })?;
            self.report.add(part, page);
            match last {
                Some(last) => after = last,
                None => return Ok(()),
            }
        }
    }
}
