//! How far the lists of objects have been read into an empty system.

use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, sql_query};
use shared::ids::AccountId;

use super::sweeps::key;

/// Where one list stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, QueryableByName)]
pub struct Place {
    /// The last object that was published and acknowledged; `None`: none yet.
    #[diesel(sql_type = Nullable<Text>)]
    pub after_id: Option<String>,
    /// Objects published.
    #[diesel(sql_type = BigInt)]
    pub objects: i64,
}

/// Where the list `collection` of an account stands; `None`: it was never begun.
pub fn place(
    connection: &mut PgConnection,
    account: Option<&AccountId>,
    collection: &str,
) -> QueryResult<Option<Place>> {
    sql_query("SELECT after_id, objects FROM backfills WHERE account = $1 AND collection = $2")
        .bind::<Text, _>(key(account))
        .bind::<Text, _>(collection)
        .get_result(connection)
        .optional()
}

/// Notes where a list stands. The caller has had everything up to there acknowledged.
pub fn note(
    connection: &mut PgConnection,
    account: Option<&AccountId>,
    collection: &str,
    place: &Place,
) -> QueryResult<()> {
    sql_query(
        "INSERT INTO backfills (account, collection, after_id, objects) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (account, collection) DO UPDATE \
         SET after_id = excluded.after_id, objects = excluded.objects, updated_at = now(), \
             done_at = NULL",
    )
    .bind::<Text, _>(key(account))
    .bind::<Text, _>(collection)
    .bind::<Nullable<Text>, _>(place.after_id.as_deref())
    .bind::<BigInt, _>(place.objects)
    .execute(connection)
    .map(|_rows| ())
}

/// The end of the list was reached.
pub fn done(
    connection: &mut PgConnection,
    account: Option<&AccountId>,
    collection: &str,
) -> QueryResult<()> {
    sql_query(
        "INSERT INTO backfills (account, collection, done_at) VALUES ($1, $2, now()) \
         ON CONFLICT (account, collection) DO UPDATE SET updated_at = now(), done_at = now()",
    )
    .bind::<Text, _>(key(account))
    .bind::<Text, _>(collection)
    .execute(connection)
    .map(|_rows| ())
}
