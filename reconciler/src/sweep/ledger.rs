//! Bookings against the ledger: what is stored is folded anew in memory and compared.
//!
//! Invariants: a booking and its ledger rows are read in one REPEATABLE READ transaction, so that
//! what is applied meanwhile is never a difference; nothing is repaired here. The finding names the
//! command that mends it: a person decides, for the reason may be a change of the rules.
//!
//! Deliberately absent: how many are due ([`super::quota`]), and Stripe.

use std::collections::{BTreeMap, BTreeSet};

use diesel::QueryResult;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use serde_json::{Value, json};
use shared::db::GatherError;
use shared::db::shadow::{Shadow, shadow};
use shared::folding::change::Change;
use shared::folding::money::Policy;
use shared::kafka::producer::EventLog;
use shared::windows::Window;

use super::{Engine, SweepError};
use crate::evidence::{Gap, Verdict};
use crate::store::samples::{self, Of, REFOLD_DIFFERS};
use crate::store::sweeps::{self, Counts, Kind, NewFinding, Outcome};
use crate::stripe::StripeError;

/// The figures of one pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Bookings that were folded anew.
    pub bookings: usize,
    /// Of these, not as they are stored.
    pub differing: usize,
    /// Bookings that can't be folded in memory: too much is tied together, or a row is unreadable.
    pub skipped: usize,
}

/// What a refold would change of one booking and all that is tied to it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wrong {
    booking: String,
    /// Columns by the row they are of: the names alone.
    rows: BTreeMap<String, BTreeSet<String>>,
}

/// What became of one booking.
enum Folded {
    Right,
    Wrong(Wrong),
    Skipped(String),
}

impl<L: EventLog> Engine<L> {
    /// Folds up to `count` bookings anew. `policy`: as the processor is set.
    ///
    /// # Errors
    /// [`SweepError`]; what was found so far is not written and will be found again.
    pub async fn check_ledger(&self, count: i64, policy: Policy) -> Result<Checked, SweepError> {
        let store = &self.reader.store;
        let drawn = store
            .run("sample_all", move |connection| {
                samples::draw(connection, Of::All, count)
            })
            .await?;
        let (mut checked, mut right, mut wrong) = (Checked::default(), Vec::new(), Vec::new());
        for booking in drawn {
            let id = booking.clone();
            let folded = store
                .run("refold_in_memory", move |connection| {
                    fold(connection, id, policy)
                })
                .await?;
            checked.bookings += 1;
            match folded {
                Folded::Right => right.push(booking),
                Folded::Wrong(found) => wrong.push(found),
                Folded::Skipped(why) => {
                    checked.skipped += 1;
                    tracing::warn!(booking.id = booking, why, "a booking can't be folded anew");
                }
            }
        }
        checked.differing = wrong.len();
        self.note_wrong(right, wrong).await?;
        Ok(checked)
    }

    async fn note_wrong(&self, right: Vec<String>, wrong: Vec<Wrong>) -> Result<(), SweepError> {
        if !right.is_empty() {
            self.reader
                .store
                .run("ledger_mended", move |connection| {
                    samples::mended(connection, &right)
                })
                .await?;
        }
        if wrong.is_empty() {
            return Ok(());
        }
        // The ledger as a whole is compared; the window only says when.
        let now = self.reader.client.now().await?;
        let window = Window::new(now, now.saturating_add(1)).ok_or(StripeError::Unreadable {
            what: "a date beyond all bounds",
            cause: None,
        })?;
        self.reader
            .store
            .run("note_ledger", move |connection| {
                note(connection, window, &wrong)
            })
            .await?;
        Ok(())
    }
}

/// Folds one booking beside what is stored, both of one moment.
fn fold(connection: &mut PgConnection, booking: String, policy: Policy) -> QueryResult<Folded> {
    connection.batch_execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")?;
    let bookings = BTreeSet::from([booking.clone()]);
    match shadow(connection, &BTreeSet::new(), &bookings, policy) {
        Ok(shadow) => Ok(wrong(&booking, &shadow).map_or(Folded::Right, Folded::Wrong)),
        Err(GatherError::Database(error)) => Err(error),
        Err(
            refused @ (GatherError::TooManyObjects { .. }
            | GatherError::TooManyRows { .. }
            | GatherError::Unreadable { .. }),
        ) => Ok(Folded::Skipped(shared::error::chain(&refused))),
    }
}

/// The rows and columns that differ; `None`: nothing does.
fn wrong(booking: &str, shadow: &Shadow) -> Option<Wrong> {
    let names = |changes: &[Change]| {
        let fields = changes.iter().map(|change| change.field.clone());
        fields.collect::<BTreeSet<String>>()
    };
    let bookings = shadow.bookings.iter().map(|it| (&it.id, &it.changes));
    let objects = shadow.objects.iter().map(|it| (&it.key.id, &it.changes));
    let rows: BTreeMap<String, BTreeSet<String>> = bookings
        .chain(objects)
        .filter(|(_, changes)| !changes.is_empty())
        .map(|(id, changes)| (id.clone(), names(changes)))
        .collect();
    (!rows.is_empty()).then(|| Wrong {
        booking: booking.to_owned(),
        rows,
    })
}

/// Writes what was not known yet.
fn note(connection: &mut PgConnection, window: Window, wrong: &[Wrong]) -> QueryResult<()> {
    let ids: Vec<String> = wrong.iter().map(|it| it.booking.clone()).collect();
    let known: BTreeSet<String> = samples::known_to_differ(connection, &ids)?
        .into_iter()
        .collect();
    let sweep = sweeps::begin(connection, Kind::Ledger, None, window)?;
    let findings: Vec<NewFinding> = wrong
        .iter()
        .filter(|it| !known.contains(&it.booking))
        .map(finding)
        .collect();
    sweeps::find(connection, sweep, None, &findings)?;
    let counts = Counts {
        listed: wrong.len(),
        missing: wrong.len(),
        repaired: 0,
    };
    let why = "stored rows are not what the ledger says: see the findings";
    sweeps::finish(connection, sweep, Outcome::Failed, counts, Some(why))
}

fn finding(wrong: &Wrong) -> NewFinding {
    NewFinding {
        verdict: Verdict {
            kind: Gap::BookingDiffers,
            confidence: 1.0,
            evidence: evidence(wrong),
        },
        event_id: None,
        object_id: None,
        booking_id: Some(wrong.booking.clone()),
    }
}

fn evidence(wrong: &Wrong) -> Value {
    json!({
        "what": REFOLD_DIFFERS,
        "rows": wrong.rows,
        "mend": format!(
            "bookend refold --booking {} --execute --reason '…'",
            quoted(&wrong.booking)
        ),
    })
}

/// As a shell takes it.
fn quoted(id: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    if id.chars().all(plain) {
        id.to_owned()
    } else {
        format!("'{}'", id.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::db::shadow::BookingShadow;
    use shared::folding::Shown;

    fn shadow_of(changes: Vec<Change>) -> Shadow {
        Shadow {
            bookings: vec![BookingShadow {
                id: "B-1".to_owned(),
                live: None,
                shadow: Ok(Shown::default()),
                changes,
            }],
            ..Shadow::default()
        }
    }

    #[test]
    fn evidence_names_columns_and_the_command_and_no_values() {
        let changed = shadow_of(vec![Change::new("amount_paid", 4_711, 0)]);
        let told = wrong("B-1", &changed).map(|found| evidence(&found).to_string());
        let told = told.unwrap_or_default();
        assert!(told.contains(r#""B-1":["amount_paid"]"#), "{told}");
        assert!(told.contains("bookend refold --booking B-1 --execute"));
        assert!(!told.contains("4711"), "{told}");
        assert_eq!(wrong("B-1", &shadow_of(Vec::new())), None);
    }

    #[test]
    fn booking_id_can_not_leave_its_word_in_the_command() {
        assert_eq!(quoted("B-1"), "B-1");
        assert_eq!(quoted("a; b'c"), r"'a; b'\''c'");
    }
}
