//! Whether a plan is bounded by what is due: no large table is read, walked or sorted as a whole.
//!
//! Pure but for [`plant`], which fills a database with little of everything and lets its statistics
//! say that it is much.

use std::collections::BTreeSet;

use diesel::{Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, sql_query};
use serde_json::Value;

use super::{Explained, Recorder};
use crate::stack::postgres::execute;

/// Rows that a plan may sort, hash, or take from an index without a condition.
const MAX_ROWS: f64 = 150_000.0;
/// Cost of a whole plan: a table of ten million rows costs as much by processor time alone.
const MAX_COST: f64 = 50_000.0;

/// Fills a migrated database and makes its statistics say that each table that grows has ten million
/// rows. Returns the names of these tables, partitions included.
///
/// # Panics
/// When the database refuses.
#[must_use]
pub fn plant(url: &str) -> BTreeSet<String> {
    if let Err(error) = execute(url, include_str!("large.sql")) {
        panic!("{error}");
    }
    let read = PgConnection::establish(url).map(|mut connection| {
        sql_query(
            "SELECT relname::text AS name FROM pg_class \
             WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND reltuples > 1000000",
        )
        .load::<Table>(&mut connection)
    });
    match read {
        Ok(Ok(tables)) => tables.into_iter().map(|table| table.name).collect(),
        other => panic!("the statistics can't be read: {:?}", other.err()),
    }
}

#[derive(QueryableByName)]
struct Table {
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
}

/// The faults of every statement that passed a recorder, each with its statement; also where Postgres
/// makes no plan.
#[must_use]
pub fn faults_of(recorder: &Recorder, large: &BTreeSet<String>) -> Vec<String> {
    let explained = recorder.explain();
    let of = |one: &Explained| match &one.plan {
        Ok(plan) => faults(plan, large)
            .into_iter()
            .map(|fault| format!("{fault}: {}\n{plan:#}", one.sql))
            .collect(),
        Err(why) => vec![format!("no plan ({why}): {}", one.sql)],
    };
    explained.iter().flat_map(of).collect()
}

/// What is wrong with a plan, as `EXPLAIN (FORMAT JSON)` prints it. `large`: the tables that must not
/// be read as a whole.
#[must_use]
pub fn faults(explained: &Value, large: &BTreeSet<String>) -> Vec<String> {
    let plan = explained.pointer("/0/Plan").unwrap_or(&Value::Null);
    let mut found = Vec::new();
    let cost = number(plan, "Total Cost");
    if cost > MAX_COST {
        found.push(format!("it costs {cost}"));
    }
    look(plan, f64::INFINITY, large, &mut found);
    found
}

/// `wanted`: how many rows a limit above asks for.
fn look(node: &Value, wanted: f64, large: &BTreeSet<String>, found: &mut Vec<String>) {
    let kind = text(node, "Node Type");
    let table = text(node, "Relation Name");
    let rows = number(node, "Plan Rows");
    if large.contains(table) && kind.ends_with("Seq Scan") {
        found.push(format!("it reads all of {table}"));
    }
    let walks =
        matches!(kind, "Index Scan" | "Index Only Scan") && node.get("Index Cond").is_none();
    if large.contains(table) && walks && rows.min(wanted) > MAX_ROWS {
        let index = text(node, "Index Name");
        found.push(format!("it walks all of {index}"));
    }
    let children = node.get("Plans").and_then(Value::as_array);
    let children = children.map(Vec::as_slice).unwrap_or_default();
    let gathers = matches!(kind, "Sort" | "Incremental Sort" | "Hash")
        || text(node, "Strategy") == "Hashed" && kind == "Aggregate";
    let below = children
        .first()
        .map_or(0.0, |child| number(child, "Plan Rows"));
    if gathers && below > MAX_ROWS {
        found.push(format!("it gathers {below} rows ({kind})"));
    }
    let wanted = match kind {
        "Limit" => wanted.min(rows),
        // What is above them is told only when all below is known.
        "Sort" | "Aggregate" | "Hash" => f64::INFINITY,
        _ => wanted,
    };
    for child in children {
        look(child, wanted, large, found);
    }
}

fn text<'a>(node: &'a Value, name: &str) -> &'a str {
    node.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(node: &Value, name: &str) -> f64 {
    node.get(name).and_then(Value::as_f64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(plan: &Value) -> Vec<String> {
        let large = BTreeSet::from(["bookings".to_owned()]);
        faults(&json!([{"Plan": plan}]), &large)
    }

    fn index_scan(rows: u64) -> Value {
        json!({"Node Type": "Index Scan", "Relation Name": "bookings", "Index Name": "i",
            "Plan Rows": rows, "Total Cost": 10.0})
    }

    #[test]
    fn reading_a_large_table_is_a_fault_and_a_small_one_none() {
        let scan =
            |table: &str| json!({"Node Type": "Seq Scan", "Relation Name": table, "Plan Rows": 1});
        assert_eq!(of(&scan("bookings")), ["it reads all of bookings"]);
        assert!(of(&scan("cursors")).is_empty());
        let below = json!({"Node Type": "Limit", "Plan Rows": 1, "Plans": [scan("bookings")]});
        assert_eq!(of(&below).len(), 1);
    }

    #[test]
    fn walking_an_index_is_a_fault_unless_a_limit_or_a_condition_bounds_it() {
        let walk = index_scan(10_000_000);
        assert_eq!(of(&walk), ["it walks all of i"]);
        let limit = json!({"Node Type": "Limit", "Plan Rows": 100, "Plans": [walk]});
        assert!(of(&limit).is_empty());
        let sorted = json!({"Node Type": "Limit", "Plan Rows": 100, "Plans": [
            {"Node Type": "Sort", "Plan Rows": 10_000_000, "Plans": [walk]}]});
        assert_eq!(of(&sorted).len(), 2, "{:?}", of(&sorted));
        let mut bounded = walk;
        bounded["Index Cond"] = json!("(id = 1)");
        assert!(of(&bounded).is_empty());
    }

    #[test]
    fn what_costs_as_much_as_a_large_table_is_a_fault_whatever_its_shape() {
        assert_eq!(
            of(&json!({"Node Type": "Append", "Total Cost": 100_000.0})).len(),
            1
        );
    }
}
