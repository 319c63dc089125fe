//! `subscriptions`, `invoices`, `customers`, `payouts`, `accounts`, `entitlements`.
//!
//! Rows travel as one JSON array a table; Postgres reads it by the table's own column types.
//! Names of tables and columns are constants of this file, values are bound.

use diesel::pg::PgConnection;
use diesel::sql_types::{Array, Jsonb, Text};
use diesel::{QueryResult, RunQueryDsl, sql_query};
use serde_json::{Map, Value};

use crate::apply::projection::Table;
use shared::folding::graph::Key;

struct Target {
    name: &'static str,
    key: &'static [&'static str],
    columns: &'static [&'static str],
}

const OBJECT: &[&str] = &["account", "id"];

const fn target(table: Table) -> Target {
    let (name, columns): (&str, &[&str]) = match table {
        Table::Accounts => (
            "accounts",
            &[
                "deleted",
                "deauthorized",
                "charges_enabled",
                "payouts_enabled",
                "details_submitted",
                "currently_due",
                "past_due",
                "current_deadline",
                "disabled_reason",
            ],
        ),
        Table::Customers => (
            "customers",
            &["deleted", "created", "currency", "delinquent", "balance"],
        ),
        Table::Invoices => (
            "invoices",
            &[
                "customer",
                "subscription",
                "status",
                "deleted",
                "currency",
                "amount_due",
                "amount_paid",
                "amount_remaining",
                "total",
                "billing_reason",
                "collection_method",
                "due_date",
                "finalized_at",
                "paid_at",
                "voided_at",
                "attempt_count",
                "next_payment_attempt",
                "booking_id",
            ],
        ),
        Table::Payouts => (
            "payouts",
            &[
                "status",
                "amount",
                "currency",
                "created",
                "arrival_date",
                "method",
                "failure_code",
            ],
        ),
        Table::Subscriptions => (
            "subscriptions",
            &[
                "customer",
                "status",
                "currency",
                "start_date",
                "current_period_start",
                "current_period_end",
                "trial_start",
                "trial_end",
                "cancel_at",
                "cancel_at_period_end",
                "canceled_at",
                "ended_at",
                "pause_behavior",
                "pause_resumes_at",
                "collection_method",
                "latest_invoice",
                "items",
                "items_complete",
                "booking_id",
            ],
        ),
    };
    Target {
        name,
        key: OBJECT,
        columns,
    }
}

const ENTITLEMENTS: Target = Target {
    name: "entitlements",
    key: &["account", "source_id", "item_id"],
    columns: &[
        "customer",
        "kind",
        "subject",
        "lookup_key",
        "product",
        "quantity",
        "active",
        "active_from",
        "active_until",
    ],
};

/// Writes one projection's rows, distinct and sorted by their key. Their objects are locked.
///
/// # Errors
/// diesel's.
pub fn upsert(
    conn: &mut PgConnection,
    table: Table,
    rows: Vec<Map<String, Value>>,
) -> QueryResult<usize> {
    write(conn, &target(table), rows)
}

/// Replaces all entitlements of these sources.
///
/// # Errors
/// diesel's.
pub fn replace_entitlements(
    conn: &mut PgConnection,
    sources: &[&Key],
    rows: Vec<Map<String, Value>>,
) -> QueryResult<usize> {
    let text = |row: &Map<String, Value>, name: &str| {
        row.get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    sql_query(
        "DELETE FROM entitlements e USING UNNEST($1, $2) AS s (account, source_id) \
         WHERE e.account = s.account AND e.source_id = s.source_id AND NOT EXISTS \
           (SELECT FROM UNNEST($3, $4, $5) AS k (account, source_id, item_id) \
            WHERE k.account = e.account AND k.source_id = e.source_id AND k.item_id = e.item_id)",
    )
    .bind::<Array<Text>, _>(
        sources
            .iter()
            .map(|key| key.account.as_str())
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Text>, _>(
        sources
            .iter()
            .map(|key| key.id.as_str())
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Text>, _>(
        rows.iter()
            .map(|row| text(row, "account"))
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Text>, _>(
        rows.iter()
            .map(|row| text(row, "source_id"))
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Text>, _>(
        rows.iter()
            .map(|row| text(row, "item_id"))
            .collect::<Vec<_>>(),
    )
    .execute(conn)?;
    write(conn, &ENTITLEMENTS, rows)
}

fn write(
    conn: &mut PgConnection,
    target: &Target,
    rows: Vec<Map<String, Value>>,
) -> QueryResult<usize> {
    if rows.is_empty() {
        return Ok(0);
    }
    let name = target.name;
    let columns = [target.key, target.columns, &["settled", "as_of"]].concat();
    let list = columns.join(", ");
    let changes: Vec<String> = columns
        .iter()
        .filter(|column| !target.key.contains(column))
        .map(|column| format!("{column} = EXCLUDED.{column}"))
        .collect();
    let rows = Value::Array(rows.into_iter().map(Value::Object).collect());
    sql_query(format!(
        "INSERT INTO {name} ({list}) \
         SELECT {list} FROM jsonb_populate_recordset(NULL::{name}, $1) \
         ON CONFLICT ON CONSTRAINT {name}_pkey DO UPDATE SET {}, updated_at = now()",
        changes.join(", ")
    ))
    .bind::<Jsonb, _>(rows)
    .execute(conn)
}
