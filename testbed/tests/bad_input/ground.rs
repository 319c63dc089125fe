//! An ingestor, a processor and their ground; bodies in, fates out.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use diesel::sql_types::{Binary, Nullable, Text};
use diesel::{Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, sql_query};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use testbed::services::{Service, ServiceBuilder};
use testbed::stripe::signature_header;
use testbed::testing::{TestDatabase, TestTopics, eventually};

use crate::cases::Wire;
use crate::document::Fate;

const SECRET: &str = "whsec_bad_input_5WYLQUyrb3vtCcPWxPqGSwHn";
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Ground {
    database: TestDatabase,
    topics: TestTopics,
    ingestor: Service,
    _processor: Service,
    _dir: tempfile::TempDir,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Nullable<Text>)]
    text: Option<String>,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let database = TestDatabase::create(|url| {
            let migrated = ServiceBuilder::new("processor")
                .env("KAFKA_BROKERS", "127.0.0.1:1")
                .env("DATABASE_URL", url)
                .run_once("migrate");
            migrated.expect("migrations run");
        });
        let (topics, dir) = (TestTopics::create(), tempfile::tempdir().unwrap());
        let builder = |name: &str| {
            ServiceBuilder::new(name)
                .env("KAFKA_BROKERS", &topics.brokers)
                .env("EVENTS_TOPIC", &topics.events)
                .env("DEAD_TOPIC", &topics.dead)
                .env("BOOKINGS_TOPIC", &topics.bookings)
                .env("CONSUMER_GROUP", &topics.group)
        };
        let mut ingestor = builder("ingestor")
            .env("STRIPE_WEBHOOK_SECRETS", SECRET)
            .env("BODY_DEADLINE", "1s")
            .spawn(dir.path())
            .unwrap();
        let mut processor = builder("processor")
            .env("DATABASE_URL", database.url_as("bookend_processor"))
            // Nothing but bad bodies: the brake would hold, as it should.
            .env("BRAKE_IN_ROW", "1000")
            .env("BRAKE_SHARE", "100")
            .spawn(dir.path())
            .unwrap();
        ingestor.wait_ready(PATIENCE).unwrap();
        processor.wait_ready(PATIENCE).unwrap();
        Self {
            database,
            topics,
            ingestor,
            _processor: processor,
            _dir: dir,
        }
    }

    /// The status of the answer; `none` when the connection was ended by us.
    pub(crate) fn send(&self, wire: &Wire) -> String {
        let (Wire::Whole(body) | Wire::Stalled(body) | Wire::CutOff(body)) = wire;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let signature = signature_header(&[SECRET], now.as_secs() as i64, body, false);
        let url = self.ingestor.url();
        let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "POST /webhooks/stripe HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n\
             Stripe-Signature: {signature}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let whole = matches!(wire, Wire::Whole(_));
        let part = if whole { body } else { &body[..body.len() / 2] };
        // Who refuses a body by its length need not read it.
        drop(stream.write_all(part));
        if matches!(wire, Wire::CutOff(_)) {
            stream.shutdown(Shutdown::Both).unwrap();
            return "none".to_owned();
        }
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        let answer = String::from_utf8_lossy(&answer).into_owned();
        answer.split(' ').nth(1).unwrap_or("nothing").to_owned()
    }

    /// Waits until progress has reached the end of every partition.
    pub(crate) fn wait_until_applied(&self) {
        let client: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.topics.brokers)
            .create()
            .unwrap();
        let ends: i64 = (0..12)
            .map(|partition| {
                let bounds = client.fetch_watermarks(&self.topics.events, partition, PATIENCE);
                bounds.unwrap().1
            })
            .sum();
        eventually(PATIENCE, "every record is behind the progress", || {
            let done = self.text(
                "SELECT sum(next_offset)::text AS text FROM partition_progress",
                b"",
            );
            done.is_some_and(|done| done == ends.to_string())
        });
    }

    pub(crate) fn booking(&self, id: &str) -> String {
        let query = "SELECT status AS text FROM bookings WHERE id = convert_from($1, 'UTF8')";
        self.text(query, id.as_bytes())
            .unwrap_or_else(|| "–".to_owned())
    }

    /// Where the body is now. The bytes are compared, whatever the ids say.
    pub(crate) fn fate(&self, name: &str, body: &[u8], answer: String) -> Fate {
        let ledger = "SELECT disposition AS text FROM events WHERE payload = $1";
        let letter = "SELECT error AS text FROM dead_letters WHERE payload = $1";
        let (disposition, reason) = (self.text(ledger, body), self.text(letter, body));
        let end = match (disposition.as_deref(), &reason) {
            (None, None) => "nowhere".to_owned(),
            (None | Some("dead"), Some(_)) => "dead letter".to_owned(),
            (Some(disposition), None) => format!("ledger, `{disposition}`"),
            (Some(disposition), Some(_)) => panic!("{name}: {disposition} and dead"),
        };
        Fate {
            answer,
            end,
            booking: self.booking(&format!("bk_{name}")),
            reason: reason.map_or_else(|| "–".to_owned(), |reason| short(&reason)),
        }
    }

    fn text(&self, query: &str, bound: &[u8]) -> Option<String> {
        let mut connection = PgConnection::establish(&self.database.url()).unwrap();
        let rows: Vec<Row> = if query.contains("$1") {
            sql_query(query)
                .bind::<Binary, _>(bound)
                .load(&mut connection)
                .unwrap()
        } else {
            sql_query(query).load(&mut connection).unwrap()
        };
        assert!(rows.len() < 2, "{query}: {} rows", rows.len());
        rows.into_iter().next()?.text
    }
}

/// The reason without what all have in common and without the place in the body.
fn short(reason: &str) -> String {
    let told = reason.trim_start_matches("the body is no event: ");
    let told = told.split(": invalid").next().unwrap_or(told);
    told.split(" (line").next().unwrap_or(told).to_owned()
}
