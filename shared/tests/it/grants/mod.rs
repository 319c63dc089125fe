//! The grants and triggers that keep evidence and the audit trail: each is tried as the role that it
//! binds. Most of these tests are refusals.

mod actions;
mod events;
mod readers;
mod reconciling;

use diesel::connection::SimpleConnection as _;
use diesel::sql_types::{Nullable, Text};
use diesel::{Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, sql_query};
use testbed::testing::TestDatabase;

const PROCESSOR: &str = "bookend_processor";
const RECONCILER: &str = "bookend_reconciler";
const CONSOLE: &str = "bookend_console";
const READER: &str = "bookend_reader";

#[derive(QueryableByName)]
struct Cell {
    #[diesel(sql_type = Nullable<Text>)]
    t: Option<String>,
}

/// A migrated database.
struct Roles(TestDatabase);

impl Roles {
    fn new() -> Self {
        let database = TestDatabase::create(|_| {});
        shared::db::migrate(&database.url()).unwrap();
        Self(database)
    }

    /// Runs statements as a superuser.
    fn plant(&self, statements: &str) {
        let mut owner = PgConnection::establish(&self.0.url()).unwrap();
        owner.batch_execute(statements).unwrap();
    }

    /// The one value of a query, as text.
    fn text(&self, sql: &str) -> String {
        let mut owner = PgConnection::establish(&self.0.url()).unwrap();
        let cells: Vec<Cell> = sql_query(format!("SELECT ({sql})::text AS t"))
            .load(&mut owner)
            .unwrap();
        cells[0].t.clone().unwrap_or_default()
    }

    fn connect(&self, role: &str) -> PgConnection {
        PgConnection::establish(&self.0.url_as(role)).unwrap()
    }

    /// The role may, and so many rows change.
    fn allowed(&self, role: &str, statement: &str) -> usize {
        let done = sql_query(statement).execute(&mut self.connect(role));
        done.unwrap_or_else(|error| panic!("{role}: {statement}: {error}"))
    }

    /// The role may not, for this reason: any other failure would prove nothing.
    fn refused(&self, role: &str, statement: &str, reason: &str) {
        let refused = sql_query(statement).execute(&mut self.connect(role));
        let refused = match refused {
            Ok(rows) => panic!("{role} may: {statement} ({rows} rows)"),
            Err(error) => error.to_string(),
        };
        assert!(refused.contains(reason), "{role}: {statement}: {refused}");
    }

    /// The role lacks the right.
    fn forbidden(&self, role: &str, statement: &str) {
        self.refused(role, statement, "permission denied");
    }
}
