//! Migrations on a real Postgres: up, down, up again; twice at once.

use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel::{Connection, PgConnection, RunQueryDsl};
use diesel_migrations::{FileBasedMigrations, MigrationHarness};
use testbed::testing::TestDatabase;

fn empty() -> TestDatabase {
    TestDatabase::create(|_| {})
}

fn files() -> FileBasedMigrations {
    FileBasedMigrations::from_path(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap()
}

fn known(files: &FileBasedMigrations) -> usize {
    MigrationSource::<Pg>::migrations(files).unwrap().len()
}

#[test]
fn every_migration_can_be_undone_and_done_again() {
    let database = empty();
    let url = database.url();
    assert!(shared::db::migrate(&url).unwrap() > 0);
    assert_eq!(shared::db::migrate(&url).unwrap(), 0);
    let files = files();
    let known = known(&files);
    let mut connection = PgConnection::establish(&url).unwrap();
    assert_eq!(
        connection.revert_all_migrations(files).unwrap().len(),
        known
    );
    assert_eq!(shared::db::migrate(&url).unwrap(), known);
}

#[test]
fn two_migrators_at_once_do_the_work_once() {
    let database = empty();
    let url = database.url();
    let ran: usize = std::thread::scope(|scope| {
        let both = [
            scope.spawn(|| shared::db::migrate(&url).unwrap()),
            scope.spawn(|| shared::db::migrate(&url).unwrap()),
        ];
        both.into_iter().map(|one| one.join().unwrap()).sum()
    });
    let mut connection = PgConnection::establish(&url).unwrap();
    shared::db::require_schema(&mut connection).unwrap();
    assert_eq!(ran, known(&files()));
}

#[test]
fn a_database_that_was_never_migrated_is_refused() {
    let database = empty();
    let mut connection = PgConnection::establish(&database.url()).unwrap();
    let error = shared::db::require_schema(&mut connection).unwrap_err();
    assert!(error.to_string().contains("processor migrate"));
}

#[test]
fn a_migrator_killed_half_way_leaves_a_schema_that_the_next_one_finishes() {
    let database = empty();
    let url = database.url();
    shared::db::migrate(&url).unwrap();
    // As if the last one had not been reached.
    let files = files();
    let mut connection = PgConnection::establish(&url).unwrap();
    connection.revert_last_migration(files).unwrap();
    assert!(
        shared::db::require_schema(&mut connection)
            .unwrap_err()
            .to_string()
            .contains("older")
    );
    assert_eq!(shared::db::migrate(&url).unwrap(), 1);
    shared::db::require_schema(&mut connection).unwrap();
}

#[test]
fn every_table_column_and_constraint_has_words_and_a_name() {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        what: String,
    }
    let database = empty();
    shared::db::migrate(&database.url()).unwrap();
    let mut connection = PgConnection::establish(&database.url()).unwrap();
    let silent: Vec<Row> = diesel::sql_query(
        "SELECT c.relname || coalesce('.' || a.attname, '') AS what \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public' \
         CROSS JOIN LATERAL (SELECT NULL::name AS attname, 0 AS attnum UNION ALL \
           SELECT attname, attnum FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) a \
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname NOT LIKE '\\_\\_diesel%' \
           AND NOT EXISTS (SELECT 1 FROM pg_description d WHERE d.objoid = c.oid AND d.objsubid = a.attnum)",
    )
    .load(&mut connection)
    .unwrap();
    assert!(
        silent.is_empty(),
        "without a comment: {:?}",
        silent.iter().map(|row| &row.what).collect::<Vec<_>>()
    );
}
