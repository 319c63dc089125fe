//! One list: a walk through an index, from a cursor on, in the order of its key.
//!
//! *Invariant:* a page reads no more than its limit and [`MAX_EXAMINED`] rows. One condition leads,
//! answered by the index; the key's bounds narrow it. Every other condition is checked row by row,
//! and then the number of rows that are examined is bounded, too, and reported.

use chrono::{DateTime, Utc};
use diesel::pg::{Pg, PgConnection};
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_types::{BigInt, Text, Timestamptz};
use diesel::{QueryableByName, sql_query};

use super::page::{Keyed, More, Page};
use super::rows;
use crate::cursor::Cursor;
use crate::failure::Failure;

/// Rows that a page examines beyond its limit, where conditions are checked row by row.
pub(crate) const MAX_EXAMINED: i64 = 20_000;

/// The order of a list: ascending by id alone, or descending by time and id.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    /// Column of the id.
    ById(&'static str),
    /// Columns of the time and the id.
    NewestFirst(&'static str, &'static str),
}

/// A value to be bound.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    Time(DateTime<Utc>),
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<DateTime<Utc>> for Value {
    fn from(time: DateTime<Utc>) -> Self {
        Self::Time(time)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// A list under construction. Conditions are texts of ours with `$` in the place of the value.
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    /// Table and alias: `events e`.
    table: &'static str,
    alias: &'static str,
    order: Order,
    /// Answered by the index.
    indexed: Vec<String>,
    /// Checked row by row.
    checked: Vec<String>,
    values: Vec<Value>,
    has_lead: bool,
}

/// The key of the last row that was examined, and of one more, if there is one.
#[derive(QueryableByName)]
struct Stop {
    #[diesel(sql_type = Timestamptz)]
    at: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    id: String,
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = BigInt)]
    matching: i64,
    #[diesel(sql_type = BigInt)]
    examined: i64,
}

impl Walk {
    pub(crate) fn new(table: &'static str, alias: &'static str, order: Order) -> Self {
        Self {
            table,
            alias,
            order,
            indexed: Vec::new(),
            checked: Vec::new(),
            values: Vec::new(),
            has_lead: false,
        }
    }

    /// A condition that an index begins with; only the first one is, later ones are checked.
    pub(crate) fn lead(&mut self, condition: &str, value: impl Into<Value>) {
        if self.has_lead {
            self.check(condition, value);
        } else {
            self.has_lead = true;
            self.bound(condition, value);
        }
    }

    /// A bound of the key, which every index of the list ends with.
    pub(crate) fn bound(&mut self, condition: &str, value: impl Into<Value>) {
        let condition = self.placed(condition, value);
        self.indexed.push(condition);
    }

    /// A condition without a value that the index implies, or that nearly every row meets.
    pub(crate) fn always(&mut self, condition: &str) {
        self.indexed.push(format!("({condition})"));
    }

    /// A condition that is checked row by row.
    pub(crate) fn check(&mut self, condition: &str, value: impl Into<Value>) {
        let condition = self.placed(condition, value);
        self.checked.push(condition);
    }

    /// [`Self::check`] without a value.
    pub(crate) fn check_plain(&mut self, condition: &str) {
        self.checked.push(format!("({condition})"));
    }

    /// Only rows behind this key, of a list that is sorted by time.
    pub(crate) fn after<Id: Into<Value> + Clone>(&mut self, cursor: Option<&Cursor<Id>>) {
        if let (Some(cursor), Order::NewestFirst(time, id)) = (cursor, self.order) {
            let at = self.place(cursor.at);
            let last = self.place(cursor.id.clone());
            self.indexed
                .push(format!("({time}, {id}) < ({at}, {last})"));
        }
    }

    /// Whether a condition leads.
    pub(crate) fn has_lead(&self) -> bool {
        self.has_lead
    }

    fn place(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    fn placed(&mut self, condition: &str, value: impl Into<Value>) -> String {
        let place = self.place(value);
        format!("({})", condition.replace('$', &place))
    }

    fn sorted(&self) -> String {
        match self.order {
            Order::ById(id) => format!("ORDER BY {id}"),
            Order::NewestFirst(time, id) => format!("ORDER BY {time} DESC, {id} DESC"),
        }
    }

    /// The walk itself, without an end.
    fn walked(&self, columns: &str) -> String {
        let (table, alias) = (self.table, self.alias);
        let sorted = self.sorted();
        let conditions = self.indexed.join(" AND ");
        if conditions.is_empty() {
            format!("SELECT {columns} FROM {table} {alias} {sorted}")
        } else {
            format!("SELECT {columns} FROM {table} {alias} WHERE {conditions} {sorted}")
        }
    }

    /// A page: `$n` is its limit, `$m` the number of rows that are examined.
    fn page_sql(&self, columns: &str, limit: &str, examined: &str) -> String {
        if self.checked.is_empty() {
            return format!("{} LIMIT {limit}", self.walked(columns));
        }
        let (alias, sorted) = (self.alias, self.sorted());
        let (walked, checks) = (self.walked("*"), self.checked.join(" AND "));
        format!(
            "SELECT {columns} FROM ({walked} LIMIT {examined}) {alias} WHERE {checks} {sorted} \
             LIMIT {limit}"
        )
    }

    fn stop_sql(&self, examined: &str) -> String {
        let key = match self.order {
            Order::ById(id) => format!("'epoch'::timestamptz AS at, {id}::text AS id"),
            Order::NewestFirst(time, id) => format!("{time} AS at, {id}::text AS id"),
        };
        format!("{} OFFSET {examined} - 1 LIMIT 2", self.walked(&key))
    }

    fn bind<'f>(&self, sql: String) -> BoxedSqlQuery<'f, Pg, SqlQuery> {
        let mut query = sql_query(sql).into_boxed::<Pg>();
        for value in &self.values {
            query = match value.clone() {
                Value::Text(text) => query.bind::<Text, _>(text),
                Value::Time(time) => query.bind::<Timestamptz, _>(time),
                Value::Number(number) => query.bind::<BigInt, _>(number),
            };
        }
        query
    }

    /// At most `limit` rows, and where the next page begins. `columns` are of the alias.
    ///
    /// # Errors
    /// The database's.
    pub(crate) fn page<Row>(
        mut self,
        db: &mut PgConnection,
        doing: &'static str,
        columns: &str,
        limit: i64,
    ) -> Result<Page<Row>, Failure>
    where
        Row: Keyed + QueryableByName<Pg> + 'static,
    {
        let bounded = !self.checked.is_empty();
        let examined = limit.saturating_add(MAX_EXAMINED);
        let mut stop = self.clone();
        let one_more = self.place(limit.saturating_add(1));
        let sql = if bounded {
            let most = self.place(examined);
            self.page_sql(columns, &one_more, &most)
        } else {
            self.page_sql(columns, &one_more, "")
        };
        let mut found: Vec<Row> = rows(db, doing, self.bind(sql))?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut more = More::default();
        if found.len() > limit {
            found.truncate(limit);
            more.next = found.last().map(Keyed::cursor);
        } else if bounded {
            more.next = stop.stopped(db, doing, examined)?;
            more.examined = more.next.as_ref().map(|_| examined);
        }
        Ok(Page { rows: found, more })
    }

    /// The key of the last row that was examined; none when there is no row behind it.
    fn stopped(
        &mut self,
        db: &mut PgConnection,
        doing: &'static str,
        examined: i64,
    ) -> Result<Option<String>, Failure> {
        let place = self.place(examined);
        let sql = self.stop_sql(&place);
        let keys: Vec<Stop> = rows(db, doing, self.bind(sql))?;
        let mut keys = keys.into_iter();
        let (Some(last), Some(_behind)) = (keys.next(), keys.next()) else {
            return Ok(None);
        };
        Ok(Some(match self.order {
            Order::ById(_) => last.id,
            Order::NewestFirst(..) => Cursor {
                at: last.at,
                id: last.id,
            }
            .to_string(),
        }))
    }

    /// The number of rows that match, of the first `most`; `true`: these were all.
    ///
    /// # Errors
    /// The database's.
    pub(crate) fn count(
        mut self,
        db: &mut PgConnection,
        doing: &'static str,
        most: i64,
    ) -> Result<(i64, bool), Failure> {
        let place = self.place(most);
        let checks = if self.checked.is_empty() {
            "true".to_owned()
        } else {
            self.checked.join(" AND ")
        };
        let sql = format!(
            "SELECT count(*) FILTER (WHERE {checks}) AS matching, count(*) AS examined \
             FROM ({} LIMIT {place}) {}",
            self.walked("*"),
            self.alias
        );
        let counted: Vec<Counted> = rows(db, doing, self.bind(sql))?;
        let counted = counted.into_iter().next();
        Ok(counted.map_or((0, true), |row| (row.matching, row.examined < most)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk() -> Walk {
        Walk::new("events", "e", Order::NewestFirst("e.created", "e.id"))
    }

    #[test]
    fn the_first_condition_leads_and_the_others_are_checked_in_a_bounded_walk() {
        let mut walk = walk();
        walk.lead("e.booking_id = $", "bk_1");
        assert_eq!(
            walk.page_sql("e.id", "$2", "$3"),
            "SELECT e.id FROM events e WHERE (e.booking_id = $1) \
             ORDER BY e.created DESC, e.id DESC LIMIT $2"
        );
        walk.lead("e.type = $", "charge.succeeded");
        assert_eq!(
            walk.page_sql("e.id", "$3", "$4"),
            "SELECT e.id FROM (SELECT * FROM events e WHERE (e.booking_id = $1) \
             ORDER BY e.created DESC, e.id DESC LIMIT $4) e WHERE (e.type = $2) \
             ORDER BY e.created DESC, e.id DESC LIMIT $3"
        );
    }

    #[test]
    fn a_cursor_is_a_bound_of_the_index() {
        let mut walk = walk();
        walk.after(Some(&Cursor {
            at: DateTime::UNIX_EPOCH,
            id: "evt_1".to_owned(),
        }));
        let sql = walk.page_sql("e.id", "$3", "");
        assert!(
            sql.contains("WHERE (e.created, e.id) < ($1, $2) ORDER"),
            "{sql}"
        );
    }

    #[test]
    fn the_stop_is_the_last_row_that_was_examined() {
        let mut walk = Walk::new("bookings", "b", Order::ById("b.id"));
        walk.always("b.version > 0");
        walk.check("b.status = $", "confirmed");
        assert_eq!(
            walk.stop_sql("$2"),
            "SELECT 'epoch'::timestamptz AS at, b.id::text AS id FROM bookings b \
             WHERE (b.version > 0) ORDER BY b.id OFFSET $2 - 1 LIMIT 2"
        );
    }
}
