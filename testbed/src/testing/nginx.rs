//! A real nginx in front of something, with the configuration that is recommended: an
//! unprivileged process in the foreground, all its files in a folder of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::unistd::{User, geteuid};
use tempfile::TempDir;

use super::eventually;
use crate::stack::leftovers::checkout;
use crate::stack::ports::free_port;
use crate::stack::process::{Process, tail};

/// Below the repository: what the documents recommend.
const CONFIGURATION: &str = "deploy/nginx/bookend.conf.template";

/// A running nginx. Killed when dropped.
#[derive(Debug)]
pub struct Nginx {
    address: SocketAddr,
    process: Process,
    _folder: TempDir,
}

impl Nginx {
    /// Starts one in front of `ingestor`.
    ///
    /// # Panics
    /// When there is none, or it does not take the configuration.
    #[must_use]
    pub fn before(ingestor: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("a folder: {error}"));
        let port = free_port().unwrap_or_else(|error| panic!("{error}"));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let main = folder.path().join("nginx.conf");
        fs::write(&main, configuration(folder.path(), address, ingestor))
            .unwrap_or_else(|error| panic!("{}: {error}", main.display()));
        let command = unprivileged(folder.path(), &main);
        let marker = main.to_string_lossy().into_owned();
        let mut process = Process::spawn(folder.path(), "nginx", &marker, &command)
            .unwrap_or_else(|error| panic!("{error} (Debian: apt-get install nginx-light)"));
        eventually(Duration::from_secs(20), "nginx listens", || {
            assert!(process.is_running(), "nginx: {}", tail(process.log()));
            TcpStream::connect(address).is_ok()
        });
        Self {
            address,
            process,
            _folder: folder,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it says of itself and of requests that it refuses.
    #[must_use]
    pub fn log(&self) -> String {
        let text = fs::read(self.process.log()).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// The recommended file with our two addresses, inside what every nginx needs around it.
fn configuration(folder: &Path, listen: SocketAddr, ingestor: SocketAddr) -> String {
    let path = checkout().join(CONFIGURATION);
    let recommended = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .replace("${BOOKEND_LISTEN}", &listen.to_string())
        .replace("${BOOKEND_INGESTOR}", &ingestor.to_string());
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {folder}/{kind};\n"))
        .collect();
    format!(
        "daemon off;\nworker_processes 1;\npid {folder}/nginx.run;\nerror_log stderr info;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\naccess_log off;\n{temporary}{recommended}}}\n"
    )
}

/// nginx as `nobody`, where we are root.
fn unprivileged(folder: &Path, main: &Path) -> Command {
    let nginx = nginx();
    let mut command = Command::new(&nginx);
    if geteuid().is_root() {
        let Some(user) = User::from_name("nobody").ok().flatten() else {
            panic!("the system has no user `nobody`");
        };
        chown(folder, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        command = Command::new("setpriv");
        command
            .arg(format!("--reuid={}", user.uid))
            .arg(format!("--regid={}", user.gid))
            .arg("--clear-groups")
            .arg(&nginx);
    }
    command.arg("-p").arg(folder).args(["-e", "stderr"]);
    command.arg("-c").arg(main);
    command
}

/// Where it usually is: Debian's is not in an ordinary user's PATH.
fn nginx() -> PathBuf {
    let debians = PathBuf::from("/usr/sbin/nginx");
    if debians.is_file() {
        return debians;
    }
    PathBuf::from("nginx")
}
