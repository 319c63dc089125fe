//! `bookend secrets …`: signing secrets looked at and rolled, with real ingestors and processors on a
//! real log and a real database, and a fake Stripe that delivers all the while.

mod refusals;
mod roll;
mod status;

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;
use std::time::Duration;

use serde_json::{Value, json};
use testbed::services::{Service, ServiceBuilder};
use testbed::stripe::{Fake, FakeConfig, FakeHandle, NewObjectEvent};
use testbed::testing::{TestTopics, eventually};

use crate::fixture::{Answer, Ledger, run};
use crate::operating::as_role;
use crate::stripe_api;

const PATIENCE: Duration = Duration::from_secs(60);
/// The fake's first endpoint.
const OLD: &str = "we_1MrgZlJDPojXS6LNrp4lFpKh";

/// A Stripe, an ingestor that watches a file, a processor, and a person at the keyboard.
struct Setup {
    ledger: Ledger,
    stripe: FakeHandle,
    ingestor: Service,
    _processor: Service,
    _topics: TestTopics,
    dir: tempfile::TempDir,
}

impl Setup {
    fn new() -> Self {
        let (ledger, topics) = (Ledger::new(), TestTopics::create());
        let dir = tempfile::tempdir().unwrap();
        let config = FakeConfig::default();
        let file = dir.path().join("secrets");
        std::fs::write(&file, format!("main={}\n", config.secret)).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let start = |builder: ServiceBuilder| {
            let builder = builder
                .env("KAFKA_BROKERS", &topics.brokers)
                .env("EVENTS_TOPIC", &topics.events)
                .env("STATS_TOPIC", &topics.stats)
                .env("DEAD_TOPIC", &topics.dead)
                .env("BOOKINGS_TOPIC", &topics.bookings)
                .env("CONSUMER_GROUP", &topics.group);
            let mut service = builder.spawn(dir.path()).unwrap();
            service.wait_ready(PATIENCE).unwrap();
            service
        };
        let ingestor = ServiceBuilder::new("ingestor")
            .env("STRIPE_WEBHOOK_SECRETS_FILE", file.display().to_string());
        let ingestor = start(ingestor);
        let url = as_role(&ledger.url, "bookend_processor");
        let processor = start(ServiceBuilder::new("processor").env("DATABASE_URL", url));
        let stripe = Fake::start(FakeConfig {
            target: Some(format!("{}/webhooks/stripe", ingestor.url())),
            ..config
        });
        Self {
            ledger,
            stripe: stripe.unwrap(),
            ingestor,
            _processor: processor,
            _topics: topics,
            dir,
        }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("secrets")
    }

    fn names(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.file()).unwrap();
        let lines = text.lines();
        lines
            .map(|line| line.split('=').next().unwrap().to_owned())
            .collect()
    }

    fn variables(&self, role: &str) -> Vec<(&'static str, String)> {
        vec![
            ("DATABASE_URL", as_role(&self.ledger.url, role)),
            ("BOOKEND_OPERATOR", "Ada".to_owned()),
            ("DEPLOYMENT", "development".to_owned()),
            ("STRIPE_API_BASE", self.stripe.url()),
            ("STRIPE_LIVEMODE", "false".to_owned()),
            ("STRIPE_OPERATOR_KEY", self.stripe.api_key().to_owned()),
        ]
    }

    fn bookend_as(&self, role: &str, arguments: &[&str]) -> Answer {
        let variables = self.variables(role);
        let variables: Vec<(&str, &str)> = variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        run(arguments, &variables, b"")
    }

    fn bookend(&self, arguments: &[&str]) -> Answer {
        self.bookend_as("bookend_console", arguments)
    }

    /// The arguments of a roll of the first endpoint; those given replace the usual ones.
    fn roll(&self, more: &[&str]) -> Vec<String> {
        let file = self.file().display().to_string();
        let usual = [
            ("--endpoint", OLD),
            ("--file", &file),
            ("--overlap", "1s"),
            ("--settle", "5s"),
            ("--timeout", "60s"),
        ];
        let mut all = vec!["secrets", "roll"];
        for (name, value) in usual {
            if !more.contains(&name) {
                all.extend([name, value]);
            }
        }
        all.extend(more);
        all.into_iter().map(str::to_owned).collect()
    }

    fn execute(&self, more: &[&str]) -> Answer {
        let all = self.roll(&[more, &["--execute", "--reason", "ticket 7"]].concat());
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        self.bookend(&all)
    }

    fn spawn(&self, more: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_bookend"))
            .args(self.roll(&[more, &["--execute", "--reason", "ticket 7"]].concat()))
            .env_clear()
            .envs(self.variables("bookend_console"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// What Stripe lists.
    fn listed(&self) -> Vec<Value> {
        stripe_api::listed(&self.stripe)
    }

    /// Somebody changes an endpoint at Stripe.
    fn write(&self, id: &str, form: &'static str) {
        let url = format!("{}/v1/webhook_endpoints/{id}", self.stripe.url());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let status = runtime.block_on(async {
            let request = reqwest::Client::new()
                .post(url)
                .bearer_auth(self.stripe.api_key())
                .header("Content-Type", "application/x-www-form-urlencoded")
                .body(form);
            request.send().await.unwrap().status()
        });
        assert_eq!(status, 200);
    }

    /// The endpoints that replace the first.
    fn new_ones(&self) -> Vec<Value> {
        let mut all = self.listed();
        all.retain(|one| one["metadata"]["bookend_replaces"] == OLD);
        all
    }

    /// Nothing was refused, and everything that happened is in the ledger.
    fn assert_nothing_refused(&self) {
        eventually(PATIENCE, "everything is delivered", || {
            self.stripe.is_idle()
        });
        let deliveries = self.stripe.deliveries();
        for delivery in &deliveries {
            let taken = delivery.answers.iter().all(|status| *status == 200);
            assert!(taken, "{delivery:?}");
        }
        let events = self.stripe.events().len();
        assert!(events > 50, "only {events} events");
        eventually(PATIENCE, "everything is in the ledger", || {
            self.ledger.text("SELECT count(*) FROM events") == events.to_string()
        });
    }
}

/// Something happens at Stripe, all the while, until this is dropped.
struct Load<'a>(&'a AtomicBool);

impl<'a> Load<'a> {
    fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        setup: &'scope Setup,
        stop: &'a AtomicBool,
    ) -> Self
    where
        'a: 'scope,
    {
        scope.spawn(move || {
            for number in 0.. {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                setup.stripe.add_event(&NewObjectEvent {
                    kind: "payment_intent.created".to_owned(),
                    object: json!({"id": format!("pi_{number}"), "object": "payment_intent",
                        "amount": 500, "currency": "eur", "status": "requires_payment_method"}),
                    deliver: true,
                    ..NewObjectEvent::default()
                });
                // A pace, not a wait for anything.
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Self(stop)
    }
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
