//! The webhook endpoints as seen and accepted, and what is wrong with the sender.

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, Bool, Nullable, Text};
use diesel::{QueryResult, QueryableByName, RunQueryDsl, sql_query};

use shared::ids::AccountId;

use super::sweeps::key;
use crate::sender::{Accepted, Alarm, Kind};
use crate::stripe::endpoints::Endpoint;

/// Notes the endpoints that Stripe lists. One under `ours`, our own address, is accepted as it is
/// first seen; what was accepted is never changed here.
pub fn seen(
    connection: &mut PgConnection,
    listed: &[Endpoint],
    ours: Option<&str>,
) -> QueryResult<()> {
    for endpoint in listed {
        sql_query(
            "INSERT INTO webhook_endpoints (id, url, status, api_version, enabled_events, livemode, \
               ours, accepted_url, accepted_version, accepted_events) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, CASE WHEN $7 THEN $2 END, \
               CASE WHEN $7 THEN $4 END, CASE WHEN $7 THEN $5 END) \
             ON CONFLICT (id) DO UPDATE SET url = excluded.url, status = excluded.status, \
               api_version = excluded.api_version, enabled_events = excluded.enabled_events, \
               livemode = excluded.livemode, seen_at = now(), gone_at = NULL, \
               ours = webhook_endpoints.ours OR $7, \
               accepted_version = CASE WHEN $7 AND webhook_endpoints.accepted_url IS NULL \
                 THEN excluded.api_version ELSE webhook_endpoints.accepted_version END, \
               accepted_events = CASE WHEN $7 AND webhook_endpoints.accepted_url IS NULL \
                 THEN excluded.enabled_events ELSE webhook_endpoints.accepted_events END, \
               accepted_url = CASE WHEN $7 THEN coalesce(webhook_endpoints.accepted_url, excluded.url) \
                 ELSE webhook_endpoints.accepted_url END",
        )
        .bind::<Text, _>(&endpoint.id)
        .bind::<Text, _>(&endpoint.url)
        .bind::<Text, _>(&endpoint.status)
        .bind::<Nullable<Text>, _>(endpoint.api_version.as_deref())
        .bind::<Array<Text>, _>(&endpoint.enabled_events)
        .bind::<Bool, _>(endpoint.livemode)
        .bind::<Bool, _>(ours == Some(endpoint.url.as_str()))
        .execute(connection)?;
    }
    let ids: Vec<&str> = listed.iter().map(|endpoint| endpoint.id.as_str()).collect();
    sql_query(
        "UPDATE webhook_endpoints SET gone_at = now() WHERE gone_at IS NULL AND id <> ALL($1)",
    )
    .bind::<Array<Text>, _>(ids)
    .execute(connection)
    .map(|_rows| ())
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    accepted_url: String,
    #[diesel(sql_type = Nullable<Text>)]
    accepted_version: Option<String>,
    #[diesel(sql_type = Array<Text>)]
    accepted_events: Vec<String>,
}

/// The endpoints that are ours, as accepted.
pub fn accepted(connection: &mut PgConnection) -> QueryResult<Vec<Accepted>> {
    let rows: Vec<Row> = sql_query(
        "SELECT id, accepted_url, accepted_version, accepted_events FROM webhook_endpoints \
         WHERE ours AND accepted_url IS NOT NULL AND accepted_events IS NOT NULL ORDER BY id",
    )
    .load(connection)?;
    Ok(rows
        .into_iter()
        .map(|row| Accepted {
            id: row.id,
            url: row.accepted_url,
            api_version: row.accepted_version,
            events: row.accepted_events,
        })
        .collect())
}

/// Makes `alarms` the ones that stand among `kinds`: new ones begin, others of these kinds are
/// over. `subject`: only that subject's are judged. Returns those that began.
pub fn stand(
    connection: &mut PgConnection,
    kinds: &[Kind],
    subject: Option<&str>,
    alarms: &[Alarm],
) -> QueryResult<Vec<Alarm>> {
    #[derive(QueryableByName)]
    struct Began {
        #[diesel(sql_type = Bool)]
        began: bool,
    }
    let mut began = Vec::new();
    for alarm in alarms {
        let row: Began = sql_query(
            "INSERT INTO sender_alarms AS a (alarm, subject, detail) VALUES ($1, $2, $3) \
             ON CONFLICT (alarm, subject) DO UPDATE SET detail = excluded.detail, seen_at = now(), \
               since = CASE WHEN a.cleared_at IS NULL THEN a.since ELSE now() END, cleared_at = NULL \
             RETURNING since = now() AS began",
        )
        .bind::<Text, _>(alarm.kind.as_str())
        .bind::<Text, _>(&alarm.subject)
        .bind::<Text, _>(&alarm.detail)
        .get_result(connection)?;
        if row.began {
            began.push(alarm.clone());
        }
    }
    let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    let standing: Vec<String> = alarms
        .iter()
        .map(|alarm| format!("{} {}", alarm.kind.as_str(), alarm.subject))
        .collect();
    sql_query(
        "UPDATE sender_alarms SET cleared_at = now() WHERE cleared_at IS NULL \
           AND alarm = ANY($1) AND ($2 IS NULL OR subject = $2) \
           AND alarm || ' ' || subject <> ALL($3)",
    )
    .bind::<Array<Text>, _>(kinds)
    .bind::<Nullable<Text>, _>(subject)
    .bind::<Array<Text>, _>(standing)
    .execute(connection)?;
    Ok(began)
}

/// Ends the tail's alarms about accounts that are not among `accounts`: nobody judges them any more.
pub fn forget_others(
    connection: &mut PgConnection,
    accounts: &[Option<AccountId>],
) -> QueryResult<usize> {
    let keys: Vec<&str> = accounts.iter().map(|it| key(it.as_ref())).collect();
    sql_query(
        "UPDATE sender_alarms SET cleared_at = now() WHERE cleared_at IS NULL \
           AND alarm IN ('other_mode', 'silence', 'retries_end', 'horizon') AND subject <> ALL($1)",
    )
    .bind::<Array<Text>, _>(keys)
    .execute(connection)
}

/// The kinds of the alarms that stand.
pub fn standing(connection: &mut PgConnection) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Standing {
        #[diesel(sql_type = Text)]
        alarm: String,
    }
    let rows: Vec<Standing> =
        sql_query("SELECT DISTINCT alarm FROM sender_alarms WHERE cleared_at IS NULL")
            .load(connection)?;
    Ok(rows.into_iter().map(|row| row.alarm).collect())
}
