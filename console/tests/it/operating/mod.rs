//! What an operator does about what fails, on a real log and a real database. The processor's part
//! is played by SQL here: rows that it would have written, results that it would have noted.

mod actions;
mod consumer;
mod dead;
mod decisions;
mod parked;
mod refusals;
mod waiting;

use std::process::{Child, Command, Stdio};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use serde_json::Value;

use crate::fixture::{Answer, run};
use crate::replay::{Logged, Stand};

/// A database, topics, and a person at the keyboard.
pub(crate) struct Desk {
    pub(crate) stand: Stand,
}

/// As the server sees it: a session with the rights of this role only.
pub(crate) fn as_role(url: &str, role: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}options=-crole%3D{role}")
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self {
            stand: Stand::new(),
        }
    }

    fn variables(&self, role: &str, brokers: &str) -> Vec<(String, String)> {
        let pairs = [
            ("DATABASE_URL", as_role(&self.stand.ledger.url, role)),
            ("KAFKA_BROKERS", brokers.to_owned()),
            ("EVENTS_TOPIC", self.stand.topics.events.clone()),
            ("DEPLOYMENT", "development".to_owned()),
            ("BOOKEND_OPERATOR", "Ada".to_owned()),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).into()
    }

    fn run_with(&self, variables: &[(String, String)], arguments: &[&str]) -> Answer {
        let variables: Vec<(&str, &str)> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        run(arguments, &variables, b"")
    }

    /// As the operators' role.
    pub(crate) fn run(&self, arguments: &[&str]) -> Answer {
        self.run_as("bookend_console", arguments)
    }

    pub(crate) fn run_as(&self, role: &str, arguments: &[&str]) -> Answer {
        let variables = self.variables(role, &self.stand.topics.brokers);
        self.run_with(&variables, arguments)
    }

    /// With brokers that are not there.
    pub(crate) fn run_without_kafka(&self, arguments: &[&str]) -> Answer {
        self.run_with(&self.variables("bookend_console", "127.0.0.1:1"), arguments)
    }

    /// The server's answer to a statement that this role may not run.
    pub(crate) fn refuses(&self, role: &str, statement: &str) -> String {
        let url = as_role(&self.stand.ledger.url, role);
        let mut connection = PgConnection::establish(&url).unwrap();
        let refused = connection.batch_execute(statement).unwrap_err();
        refused.to_string()
    }

    /// What is to be done, done: `--execute` with a reason.
    pub(crate) fn execute(&self, arguments: &[&str]) -> Answer {
        self.run(&doing(arguments))
    }

    /// [`Self::execute`], while the processor gives each of `n` items this result.
    pub(crate) fn executed(&self, arguments: &[&str], result: &str, n: i64) -> Answer {
        std::thread::scope(|scope| {
            let url = self.stand.ledger.url.clone();
            let result = result.to_owned();
            scope.spawn(move || crate::replay::play_results(&url, &result, n));
            self.execute(arguments)
        })
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_bookend"))
            .args(doing(arguments))
            .env_clear()
            .envs(self.variables("bookend_console", &self.stand.topics.brokers))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    pub(crate) fn text(&self, sql: &str) -> String {
        self.stand.text(sql)
    }

    /// `verb state reason` of every action, in order.
    pub(crate) fn actions(&self) -> String {
        self.text(
            "SELECT coalesce(string_agg(verb || ' ' || state, ', ' ORDER BY at, id), '')
             FROM operator_actions",
        )
    }

    /// The one action's id.
    pub(crate) fn action(&self) -> String {
        self.text("SELECT max(id) FROM operator_actions")
    }

    /// Everything that was published by an action.
    pub(crate) fn published(&self) -> Vec<Logged> {
        self.stand.replayed()
    }

    /// A dead letter `dead-<id>` of a record with this key; its group is made if it is missing.
    pub(crate) fn dead(&mut self, id: &str, key: &str, group: &str, status: &str) {
        let payload = format!("dead-{id}");
        self.stand.ledger.execute(&format!(
            r#"INSERT INTO dead_letter_groups (fingerprint, stage, error_class, error_kind,
                   event_type, error, first_seen, last_seen)
               VALUES ('{group}', 'decode', 'poison', 'not_json', 'charge.succeeded',
                   'not JSON at N', now(), now()) ON CONFLICT DO NOTHING;
               INSERT INTO dead_letters (event_id, payload, payload_sha256, key, topic, partition,
                   "offset", stage, error_class, error_kind, error, attempts, first_failed_at,
                   last_failed_at, headers, event_type, fingerprint, status, processor_version)
               VALUES ('{id}', '{payload}', sha256('{payload}'), '{key}', 'stripe.events', 3, 7,
                   'decode', 'poison', 'not_json', 'not JSON: at 7', 2, now(), now(),
                   '[["ce_id","{hex}"],["stripe-signature","743d31"],["odd","ff00"],
                     ["x-source","776562686f6f6b"]]', 'charge.succeeded', '{group}', '{status}',
                   '0.1.0')"#,
            hex = hex::encode(id),
        ));
    }

    /// An event in a queue; the first by `created` is the head. With an error it was tried.
    pub(crate) fn parked(&mut self, queue: &str, event: &str, created: i64, error: Option<&str>) {
        let (class, kind, error, failed) = match error {
            Some(kind) => (
                "'business'".to_owned(),
                format!("'{kind}'"),
                "'the rule refused'",
                "now()",
            ),
            None => ("NULL".to_owned(), "NULL".to_owned(), "NULL", "NULL"),
        };
        self.stand.ledger.execute(&format!(
            r#"INSERT INTO parked_events (event_id, booking_id, created, topic, partition, "offset",
                   key, headers, attempts, error_class, error_kind, error, first_failed_at,
                   last_failed_at, parked_at)
               VALUES ('{event}', '{queue}', to_timestamp({created}), 'stripe.events', 3, {created},
                   'key-of-{queue}', '[]', 4, {class}, {kind}, {error}, {failed}, {failed},
                   to_timestamp({created}))"#
        ));
    }
}

fn doing<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let doing = ["--execute", "--reason", "ticket 7"];
    arguments.iter().chain(&doing).copied().collect()
}

/// A record's value as JSON.
pub(crate) fn value(record: &Logged) -> Value {
    serde_json::from_slice(&record.value).unwrap()
}
