//! A migrated database of the test's own, rows in it, and the binary run against it.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::sql_types::{Binary, Nullable, Text};
use diesel::{Connection as _, QueryableByName, RunQueryDsl as _, sql_query};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

pub(crate) const SECRET: &str = "whsec_0123456789abcdefghijklmnopqrstuv";
pub(crate) const OTHER_SECRET: &str = "whsec_another9876543210another98765432";

static NEXT: AtomicU32 = AtomicU32::new(0);

#[derive(QueryableByName)]
struct Cell {
    #[diesel(sql_type = Nullable<Text>)]
    t: Option<String>,
}

/// A database that is dropped with its test.
pub(crate) struct Ledger {
    server: String,
    name: String,
    pub(crate) url: String,
    /// Behind a lock, so that a test's threads may share the whole.
    connection: Option<Mutex<PgConnection>>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        let server = std::env::var("DATABASE_URL")
            .expect("these tests need Postgres: run them by `make test`, or set DATABASE_URL");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("bookend_console_{}_{number}", std::process::id());
        let mut owner = PgConnection::establish(&server).unwrap();
        owner
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .unwrap();
        let url = with_database(&server, &name);
        shared::db::migrate(&url).unwrap();
        let connection = Some(Mutex::new(PgConnection::establish(&url).unwrap()));
        Self {
            server,
            name,
            url,
            connection,
        }
    }

    fn connection(&mut self) -> &mut PgConnection {
        self.connection.as_mut().unwrap().get_mut().unwrap()
    }

    pub(crate) fn execute(&mut self, statements: &str) {
        self.connection().batch_execute(statements).unwrap();
    }

    /// Runs statements that rewrite evidence or what was done: with the triggers that forbid it off.
    pub(crate) fn rewrite(&mut self, statements: &str) {
        self.execute(&format!(
            "SET session_replication_role = replica; {statements}; \
             SET session_replication_role = origin"
        ));
    }

    /// Inserts a ledger row whose hash and signature fit its payload.
    pub(crate) fn event(&mut self, row: &Event<'_>) {
        let signature = row.signed_with.map(|secret| signature(secret, row.payload));
        sql_query(
            "INSERT INTO events (id, created, record_kind, livemode, type, object_id, object_type,
                 booking_id, payload, payload_sha256, signature, verified_by, source, topic,
                 partition, \"offset\", received_at, applied_at, disposition, fold_version, trace_id)
             VALUES ($1, to_timestamp($2::bigint), 'event', false, $3, $4, 'payment_intent', $5, $6,
                 $7, $8, CASE WHEN $8 IS NULL THEN NULL ELSE 'first' END, $9, 'stripe.events', 3, 7,
                 now(), now(), $10, 1, '0af7651916cd43dd8448eb211c80319c')",
        )
        .bind::<Text, _>(row.id)
        .bind::<Text, _>(row.created.to_string())
        .bind::<Text, _>(row.r#type)
        .bind::<Nullable<Text>, _>(row.object)
        .bind::<Nullable<Text>, _>(row.booking)
        .bind::<Binary, _>(row.payload)
        .bind::<Binary, _>(Sha256::digest(row.payload).to_vec())
        .bind::<Nullable<Text>, _>(signature)
        .bind::<Text, _>(row.source)
        .bind::<Text, _>(row.disposition)
        .execute(self.connection())
        .unwrap();
    }

    /// The one value of a query, as text; nothing is the empty text.
    pub(crate) fn text(&self, sql: &str) -> String {
        let mut connection = PgConnection::establish(&self.url).unwrap();
        let cells: Vec<Cell> = sql_query(format!("SELECT ({sql})::text AS t"))
            .load(&mut connection)
            .unwrap();
        cells[0].t.clone().unwrap_or_default()
    }

    /// `verb state` of every action, in order.
    pub(crate) fn actions(&self) -> String {
        self.text(
            "SELECT coalesce(string_agg(verb || ' ' || state, ', ' ORDER BY at, id), '')
             FROM operator_actions",
        )
    }

    /// Runs `bookend` on this database.
    pub(crate) fn bookend(&self, arguments: &[&str]) -> Answer {
        run(arguments, &[("DATABASE_URL", &self.url)], b"")
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.connection = None;
        let dropped = PgConnection::establish(&self.server)
            .map(|mut c| c.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name)));
        assert!(matches!(dropped, Ok(Ok(()))) || std::thread::panicking());
    }
}

/// What a test wants to differ; see [`Default`] for the rest.
pub(crate) struct Event<'a> {
    pub(crate) id: &'a str,
    pub(crate) created: i64,
    pub(crate) r#type: &'a str,
    pub(crate) object: Option<&'a str>,
    pub(crate) booking: Option<&'a str>,
    pub(crate) payload: &'a [u8],
    pub(crate) signed_with: Option<&'a str>,
    pub(crate) source: &'a str,
    pub(crate) disposition: &'a str,
}

impl Default for Event<'_> {
    fn default() -> Self {
        Self {
            id: "evt_1",
            created: 1_790_000_000,
            r#type: "payment_intent.succeeded",
            object: Some("pi_1"),
            booking: Some("bk_1"),
            payload: b"{\"id\":\"evt_1\"}",
            signed_with: Some(SECRET),
            source: "webhook",
            disposition: "applied",
        }
    }
}

/// `t=…,v1=…` as Stripe makes it: HMAC-SHA256 over the time, a dot and the body
/// (docs.stripe.com/webhooks, "Verify webhook signatures manually").
pub(crate) fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(b"1790000000.");
    mac.update(body);
    format!(
        "t=1790000000,v1={}",
        hex::encode(mac.finalize().into_bytes())
    )
}

/// How one run of the binary ended.
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let out = String::from_utf8_lossy(&self.out);
        write!(f, "exit {}\n{out}\n{}", self.code, self.err)
    }
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts that it failed with `code`, said `words` and printed no data.
    pub(crate) fn failed(&self, code: i32, words: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.err.contains(words), "{words:?} is not in {self:?}");
        assert!(self.out.is_empty(), "data on a failure: {self:?}");
    }
}

/// Runs the binary with these variables and nothing else of ours in its environment.
pub(crate) fn run(arguments: &[&str], variables: &[(&str, &str)], input: &[u8]) -> Answer {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bookend"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input may be gone before it is written.
    drop(child.stdin.take().unwrap().write_all(input));
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    Answer {
        code: status.code().expect("bookend was killed by a signal"),
        out: stdout,
        err: String::from_utf8(stderr).unwrap(),
    }
}

/// The same server, another database. Only URLs are taken: that is what the variable is for.
fn with_database(url: &str, name: &str) -> String {
    let (address, query) = url
        .split_once('?')
        .map_or((url, None), |(a, q)| (a, Some(q)));
    let (server, _database) = address.rsplit_once('/').expect("DATABASE_URL is a URL");
    match query {
        Some(query) => format!("{server}/{name}?{query}"),
        None => format!("{server}/{name}"),
    }
}
