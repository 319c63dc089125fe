//! What `up` starts, in which order, and what it tells about it.

use std::env;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::services::{ServiceBuilder, binary};
use crate::stack::postgres::execute;
use crate::stack::process::Process;
use crate::stack::url::{database, with};
use crate::stack::{Kafka, Postgres, StackError, ports};

const SECRET: &str = "whsec_testbed_5WYLQUyrb3vtCcPWxPqGSwHn";
const API_KEY: &str = "rk_test_fake_51KcMVUJDPojXS6LN";
const READY: Duration = Duration::from_secs(60);
/// Database roles, as the migrations name them after `bookend_`.
const ROLES: [&str; 6] = [
    "owner",
    "processor",
    "reconciler",
    "console",
    "app",
    "reader",
];

struct Servers {
    kafka: Option<Kafka>,
    postgres: Option<Postgres>,
    brokers: String,
    database: String,
}

type Env = Vec<(String, String)>;

/// Starts everything and leaves it running; what `.bookend/env` says.
pub(super) fn start(
    servers_dir: &Path,
    services_dir: &Path,
    brokers: usize,
) -> Result<Env, StackError> {
    let servers = servers(servers_dir, brokers)?;
    ServiceBuilder::new("processor")
        .env("KAFKA_BROKERS", &servers.brokers)
        .env("DATABASE_URL", &servers.database)
        .run_once("migrate")?;
    let kafka = |name: &str| ServiceBuilder::new(name).env("KAFKA_BROKERS", &servers.brokers);
    let role = |role: &str| with_role(&servers.database, role);

    let mut ingestor = kafka("ingestor")
        .env("STRIPE_WEBHOOK_SECRETS", SECRET)
        .spawn(services_dir)?;
    let (mut fake, fake_url) = fake(services_dir, &ingestor.url())?;
    let mut processor = kafka("processor")
        .env("DATABASE_URL", role("processor"))
        .spawn(services_dir)?;
    let mut reconciler = kafka("reconciler")
        .env("DATABASE_URL", role("reconciler"))
        .env("STRIPE_API_BASE", &fake_url)
        .env("STRIPE_API_KEY", API_KEY)
        .env("SWEEP_INTERVAL", "5s")
        .env("SWEEP_LAG", "5s")
        .spawn(services_dir)?;
    for service in [&mut ingestor, &mut processor, &mut reconciler] {
        service.wait_ready(READY)?;
    }
    let mut env = Vec::new();
    let mut tell = |key: &str, value: String| env.push((key.to_owned(), value));
    tell("INGESTOR_URL", ingestor.url());
    tell("INGESTOR_OPS_URL", ingestor.ops_url());
    tell("PROCESSOR_OPS_URL", processor.ops_url());
    tell("RECONCILER_OPS_URL", reconciler.ops_url());
    tell("STRIPE_API_BASE", fake_url);
    tell("STRIPE_API_KEY", API_KEY.to_owned());
    tell("STRIPE_WEBHOOK_SECRETS", SECRET.to_owned());
    tell("STRIPE_LIVEMODE", "false".to_owned());
    tell("DEPLOYMENT", "development".to_owned());
    tell("KAFKA_BROKERS", servers.brokers.clone());
    tell("DATABASE_URL", servers.database.clone());
    for name in ROLES {
        let key = format!("{}_DATABASE_URL", name.to_uppercase());
        tell(&key, role(name));
    }
    tell("INGESTOR_PID", ingestor.pid().to_string());
    tell("PROCESSOR_PID", processor.pid().to_string());
    tell("RECONCILER_PID", reconciler.pid().to_string());
    for service in [ingestor, processor, reconciler] {
        service.leave();
    }
    fake.leave();
    if let Some(kafka) = servers.kafka {
        kafka.leave();
    }
    if let Some(postgres) = servers.postgres {
        postgres.leave();
    }
    Ok(env)
}

fn servers(dir: &Path, nodes: usize) -> Result<Servers, StackError> {
    let given = |name: &str| {
        let value = env::var_os(name)?;
        Some(value.to_string_lossy().into_owned())
    };
    let (kafka, brokers) = match given("KAFKA_BROKERS") {
        Some(brokers) => (None, brokers),
        None => {
            let kafka = Kafka::start(dir, nodes)?;
            let brokers = kafka.brokers();
            (Some(kafka), brokers)
        }
    };
    let (postgres, database) = match given("DATABASE_URL") {
        Some(url) => (None, url),
        None => {
            let postgres = Postgres::start(dir)?;
            execute(&postgres.url("postgres"), "CREATE DATABASE bookend")?;
            let url = postgres.url("bookend");
            (Some(postgres), url)
        }
    };
    Ok(Servers {
        kafka,
        postgres,
        brokers,
        database,
    })
}

fn with_role(url: &str, role: &str) -> String {
    with(url, Some(&format!("bookend_{role}")), database(url))
}

/// The fake Stripe, as a process that outlives us.
fn fake(dir: &Path, ingestor: &str) -> Result<(Process, String), StackError> {
    let listen = format!("127.0.0.1:{}", ports::free_port()?);
    let mut command = Command::new(binary("testbed"));
    command
        .args(["stripe", "--listen", &listen, "--secret", SECRET])
        .args(["--api-key", API_KEY])
        .args(["--target", &format!("{ingestor}/webhooks/stripe")]);
    let process = Process::spawn(dir, "stripe", &listen, &command)?;
    Ok((process, format!("http://{listen}")))
}
