//! Who is measured: the floors and the real ingestor, each a process of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::requests::SECRET;
use crate::services::{Service, ServiceBuilder, binary};
use crate::stack::ports;
use crate::stack::process::Process;

/// Longest time for one to begin.
const READY: Duration = Duration::from_secs(60);

/// One of those that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::bench) enum Who {
    /// A handler that reads and answers.
    Answer,
    /// … and checks the MAC.
    Hmac,
    /// … and appends with `linger.ms` 0.
    Append0,
    /// … and appends with `linger.ms` 5.
    Append5,
    /// The ingestor.
    Real,
    /// As `Append0`, with the record that the ingestor promises.
    Record0,
    /// As `Append5`, with that record.
    Record5,
}

/// All, in the order of the table: who is compared stands side by side, and is measured so.
pub(in crate::bench) const ALL: [Who; 7] = [
    Who::Answer,
    Who::Hmac,
    Who::Append0,
    Who::Append5,
    Who::Real,
    Who::Record0,
    Who::Record5,
];

impl Who {
    pub(in crate::bench) const fn label(self) -> &'static str {
        match self {
            Self::Answer => "answer only",
            Self::Hmac => "+ HMAC",
            Self::Append0 => "+ bare append, linger 0",
            Self::Append5 => "+ bare append, linger 5",
            Self::Record0 => "append of its record, linger 0",
            Self::Record5 => "append of its record, linger 5",
            Self::Real => "ingestor",
        }
    }
}

/// A running candidate.
pub(in crate::bench) struct Candidate {
    pub(in crate::bench) who: Who,
    pub(in crate::bench) address: SocketAddr,
    running: Running,
}

enum Running {
    Floor(Process),
    Real(Service),
}

impl Candidate {
    /// Starts it and waits until it serves.
    ///
    /// # Errors
    /// When it does not.
    pub(in crate::bench) fn start(who: Who, brokers: &str, dir: &Path) -> anyhow::Result<Self> {
        let running = match who {
            Who::Answer => floor(&["--what", "answer"], dir)?,
            Who::Hmac => floor(&["--what", "hmac"], dir)?,
            Who::Append0 => append(["append", "0"], brokers, dir)?,
            Who::Append5 => append(["append", "5"], brokers, dir)?,
            Who::Record0 => append(["record", "0"], brokers, dir)?,
            Who::Record5 => append(["record", "5"], brokers, dir)?,
            Who::Real => real(brokers, dir)?,
        };
        let (running, port) = running;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let deadline = Instant::now() + READY;
        while std::net::TcpStream::connect(address).is_err() {
            if Instant::now() > deadline {
                bail!("{} does not listen", who.label());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self {
            who,
            address,
            running,
        })
    }

    pub(in crate::bench) fn pid(&self) -> i32 {
        match &self.running {
            Running::Floor(process) => process.pid(),
            Running::Real(service) => service.pid(),
        }
    }
}

fn append([what, linger]: [&str; 2], brokers: &str, dir: &Path) -> anyhow::Result<(Running, u16)> {
    let args = ["--what", what, "--linger", linger, "--brokers", brokers];
    floor(&args, dir)
}

fn floor(args: &[&str], dir: &Path) -> anyhow::Result<(Running, u16)> {
    let port = ports::free_port()?;
    let binary = binary("testbed");
    let mut command = Command::new(&binary);
    let listen = format!("127.0.0.1:{port}");
    command.args(["floor", "--listen", &listen]).args(args);
    let name = format!("floor-{port}");
    let process = Process::spawn(dir, &name, &binary.to_string_lossy(), &command)?;
    Ok((Running::Floor(process), port))
}

fn real(brokers: &str, dir: &Path) -> anyhow::Result<(Running, u16)> {
    let mut service = ServiceBuilder::new("ingestor")
        .env("KAFKA_BROKERS", brokers)
        .env("STRIPE_WEBHOOK_SECRETS", format!("bench={SECRET}"))
        .spawn(dir)?;
    service.wait_ready(READY)?;
    let port = service.url().rsplit(':').next().map(str::parse::<u16>);
    let Some(Ok(port)) = port else {
        bail!("the ingestor has no port");
    };
    Ok((Running::Real(service), port))
}
