//! Apache Kafka in KRaft mode: one node or three, on loopback.
//!
//! Not here: security (a service's own settings decide that) and durability of the data
//! beyond the handle.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::error::StackError;
use super::kafka_files::{Node, prepare};
use super::process::{Process, tail};
use super::{install, jars, ports, topics};
use crate::faults::Proxy;

const READY_WITHIN: Duration = Duration::from_secs(60);

/// A running cluster. Killed when dropped: its data is nobody's.
#[derive(Debug)]
pub struct Kafka {
    dir: PathBuf,
    java: PathBuf,
    class_path: String,
    nodes: Vec<Node>,
    processes: Vec<Process>,
}

impl Kafka {
    /// Starts `nodes` brokers in `dir`, with the four topics of Bookend.
    ///
    /// # Errors
    /// When Java or Kafka can't be had, or the cluster does not come up within a minute.
    pub fn start(dir: &Path, nodes: usize) -> Result<Self, StackError> {
        Self::start_with(dir, nodes, false).map(|(kafka, _)| kafka)
    }

    /// The same, each node with a second listener that clients reach only through a proxy:
    /// their bootstrap address is a proxy's, and what the node then tells them, too.
    ///
    /// # Errors
    /// As [`Kafka::start`].
    pub fn start_behind_proxies(
        dir: &Path,
        nodes: usize,
    ) -> Result<(Self, Vec<Proxy>), StackError> {
        Self::start_with(dir, nodes, true)
    }

    fn start_with(
        dir: &Path,
        nodes: usize,
        proxied: bool,
    ) -> Result<(Self, Vec<Proxy>), StackError> {
        let mut proxies = Vec::new();
        let mut kafka = Self {
            dir: dir.to_path_buf(),
            java: install::java()?,
            class_path: jars::class_path()?,
            nodes: Vec::new(),
            processes: Vec::new(),
        };
        for id in 1..=nodes.max(1) {
            let proxied = if proxied {
                let port = ports::free_port()?;
                let proxy = Proxy::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
                let seen = proxy.address().port();
                proxies.push(proxy);
                Some((port, seen))
            } else {
                None
            };
            kafka.nodes.push(Node {
                id,
                port: ports::free_port()?,
                controller_port: ports::free_port()?,
                dir: dir.join(format!("kafka-{id}")),
                proxied,
            });
        }
        for node in &kafka.nodes {
            prepare(node, &kafka.nodes, &kafka.java, &kafka.class_path)?;
        }
        kafka.start_again()?;
        topics::create(&kafka.brokers(), &topics::standard())?;
        Ok((kafka, proxies))
    }

    /// `host:port[,host:port]`, the value of `KAFKA_BROKERS`.
    #[must_use]
    pub fn brokers(&self) -> String {
        let all = self.nodes.iter();
        let all: Vec<String> = all.map(|node| format!("127.0.0.1:{}", node.port)).collect();
        all.join(",")
    }

    /// The first node's process id; 0 while it is stopped.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.processes.first().map_or(0, Process::pid)
    }

    /// Each node's process, to disturb one of several.
    pub fn node(&mut self, index: usize) -> Option<&mut Process> {
        self.processes.get_mut(index)
    }

    /// Starts the nodes on the ports and data they had; returns when all of them answer.
    ///
    /// # Errors
    /// When they don't answer within a minute.
    pub fn start_again(&mut self) -> Result<(), StackError> {
        self.processes.clear();
        for node in &self.nodes {
            self.processes.push(self.launch(node)?);
        }
        self.wait_ready()
    }

    /// Starts one node (counted from 0) that was killed; returns when all nodes answer.
    ///
    /// # Errors
    /// When they don't answer within a minute.
    pub fn start_node_again(&mut self, index: usize) -> Result<(), StackError> {
        if let Some(node) = self.nodes.get(index) {
            let fresh = self.launch(node)?;
            if let Some(place) = self.processes.get_mut(index) {
                *place = fresh;
            }
        }
        self.wait_ready()
    }

    fn launch(&self, node: &Node) -> Result<Process, StackError> {
        let mut command = node.java(&self.java, &self.class_path);
        command.arg("kafka.Kafka").arg(node.properties());
        let name = format!("kafka-{}", node.id);
        let marker = node.properties().to_string_lossy().into_owned();
        Process::spawn(&self.dir, &name, &marker, &command)
    }

    /// Ends all nodes in good order.
    ///
    /// # Errors
    /// When a process can't be signalled.
    pub fn stop(&mut self) -> Result<(), StackError> {
        self.end(Signal::SIGTERM)
    }

    /// Ends all nodes at once (SIGKILL).
    ///
    /// # Errors
    /// When a process can't be signalled.
    pub fn kill(&mut self) -> Result<(), StackError> {
        self.end(Signal::SIGKILL)
    }

    /// Freezes all nodes: connections stay open, nothing answers.
    ///
    /// # Errors
    /// When a process can't be signalled.
    pub fn pause(&mut self) -> Result<(), StackError> {
        let mut all = self.processes.iter_mut();
        all.try_for_each(|process| process.signal(Signal::SIGSTOP))
    }

    /// Ends [`Kafka::pause`].
    ///
    /// # Errors
    /// When a process can't be signalled.
    pub fn resume(&mut self) -> Result<(), StackError> {
        let mut all = self.processes.iter_mut();
        all.try_for_each(|process| process.signal(Signal::SIGCONT))
    }

    /// Leaves the cluster running after us.
    pub fn leave(mut self) {
        self.processes.iter_mut().for_each(Process::leave);
    }

    fn end(&mut self, signal: Signal) -> Result<(), StackError> {
        for process in &mut self.processes {
            process.signal(signal)?;
        }
        for process in &mut self.processes {
            process.end(signal, Duration::from_secs(20))?;
        }
        self.processes.clear();
        Ok(())
    }

    fn wait_ready(&mut self) -> Result<(), StackError> {
        let deadline = Instant::now() + READY_WITHIN;
        let brokers = self.brokers();
        loop {
            let up = topics::brokers_up(&brokers);
            if up == self.nodes.len() {
                return Ok(());
            }
            let mut processes = self.processes.iter_mut();
            let dead =
                processes.find_map(|node| (!node.is_running()).then(|| node.log().to_owned()));
            if dead.is_some() || Instant::now() >= deadline {
                let log = dead.unwrap_or_else(|| self.dir.join("kafka-1.log"));
                return Err(StackError::NotReady {
                    what: format!("Kafka ({up} of {} nodes)", self.nodes.len()),
                    seconds: READY_WITHIN.as_secs(),
                    tail: tail(&log),
                    log,
                });
            }
            thread::sleep(Duration::from_millis(100));
        }
    }
}
