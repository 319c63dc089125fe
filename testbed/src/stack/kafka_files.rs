//! A broker's files: server properties, log settings, formatted storage.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::{StackError, file};
use super::install::run;

/// Any valid id: every directory is a cluster of its own.
const CLUSTER_ID: &str = "Qm9va2VuZFRlc3RiZWQxMg";
const LOGGING: &str = "status = error\nappender.out.type = Console\nappender.out.name = out\n\
appender.out.layout.type = PatternLayout\nappender.out.layout.pattern = %d %p %c{1} %m%n\n\
rootLogger.level = warn\nrootLogger.appenderRef.out.ref = out\n";

/// Where one node lives.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) id: usize,
    pub(crate) port: u16,
    pub(crate) controller_port: u16,
    pub(crate) dir: PathBuf,
    /// A second listener, and the port under which clients are told to find it.
    pub(crate) proxied: Option<(u16, u16)>,
}

impl Node {
    pub(crate) fn properties(&self) -> PathBuf {
        self.dir.join("server.properties")
    }

    /// The JVM's arguments up to the class to run.
    pub(crate) fn java(&self, java: &Path, class_path: &str) -> Command {
        let mut command = Command::new(java);
        let logging = self.dir.join("log4j2.properties");
        command
            .args(["-Xms192m", "-Xmx512m", "-XX:+UseSerialGC"])
            .args(["-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"])
            .arg(format!("-Dlog4j2.configurationFile={}", logging.display()))
            .args(["-cp", class_path])
            .current_dir(&self.dir);
        command
    }
}

/// Writes the files of `node` and formats its storage.
///
/// # Errors
/// When a file can't be written, or Kafka's storage tool refuses.
pub(crate) fn prepare(
    node: &Node,
    all: &[Node],
    java: &Path,
    class_path: &str,
) -> Result<(), StackError> {
    fs::create_dir_all(&node.dir).map_err(file("create", &node.dir))?;
    let path = node.properties();
    fs::write(&path, properties(node, all)).map_err(file("write", &path))?;
    let path = node.dir.join("log4j2.properties");
    fs::write(&path, LOGGING).map_err(file("write", &path))?;
    run(node
        .java(java, class_path)
        .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"])
        .arg(node.properties()))
    .map(drop)
}

fn properties(node: &Node, all: &[Node]) -> String {
    let voters: Vec<String> = all
        .iter()
        .map(|node| format!("{}@127.0.0.1:{}", node.id, node.controller_port))
        .collect();
    let replicas = all.len().min(3);
    let in_sync = if replicas == 3 { 2 } else { 1 };
    let (id, port, controller) = (node.id, node.port, node.controller_port);
    let (listener, protocol, advertised) = match node.proxied {
        None => (String::new(), "", String::new()),
        Some((port, seen)) => (
            format!(",PROXIED://127.0.0.1:{port}"),
            ",PROXIED:PLAINTEXT",
            format!(
                "advertised.listeners=PLAINTEXT://127.0.0.1:{},PROXIED://127.0.0.1:{seen}\n",
                node.port
            ),
        ),
    };
    format!(
        "process.roles=broker,controller\n\
         node.id={id}\n\
         log.dirs={}\n\
         controller.quorum.voters={}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{listener}\n\
         {advertised}\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocol}\n\
         controller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=PLAINTEXT\n\
         auto.create.topics.enable=false\n\
         default.replication.factor={replicas}\n\
         min.insync.replicas={in_sync}\n\
         unclean.leader.election.enable=false\n\
         offsets.retention.minutes=43200\n\
         offsets.topic.replication.factor={replicas}\n\
         offsets.topic.num.partitions=3\n\
         transaction.state.log.replication.factor={replicas}\n\
         transaction.state.log.min.isr={in_sync}\n\
         share.coordinator.state.topic.replication.factor={replicas}\n\
         share.coordinator.state.topic.min.isr={in_sync}\n\
         num.network.threads=2\n\
         num.io.threads=2\n\
         group.initial.rebalance.delay.ms=0\n\
         log.cleaner.dedupe.buffer.size=2097152\n\
         log.index.size.max.bytes=1048576\n",
        node.dir.join("data").display(),
        voters.join(","),
    )
}
