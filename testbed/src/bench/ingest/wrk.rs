//! Debian's `wrk` beside our load generator: an outside check that it sends about as much.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

/// Seconds of the check.
const SECONDS: u32 = 3;

/// Requests a second that `wrk` gets answered, on as many connections.
///
/// # Errors
/// When it is not installed or says nothing.
pub(super) fn rate(
    address: SocketAddr,
    connections: usize,
    requests: &[Vec<u8>],
    dir: &Path,
) -> anyhow::Result<f64> {
    let path = dir.join("wrk.lua");
    std::fs::write(&path, script(requests))
        .with_context(|| format!("cannot write {}", path.display()))?;
    let output = Command::new("wrk")
        .args([
            "-t1",
            &format!("-c{connections}"),
            &format!("-d{SECONDS}s"),
            "-s",
        ])
        .arg(&path)
        .arg(format!("http://{address}/webhooks/stripe"))
        .output()
        .context("wrk cannot be run (make bench installs it)")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(!said.contains("Non-2xx"), "wrk was refused: {said}");
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"));
    let rate = line.and_then(|rate| rate.trim().parse().ok());
    rate.with_context(|| format!("wrk tells no rate: {said}"))
}

/// The same whole requests, in turn.
fn script(requests: &[Vec<u8>]) -> String {
    let mut text = String::from("local all = {\n");
    for request in requests.iter().take(500) {
        text.push('"');
        for byte in request {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\{byte:03}");
        }
        text.push_str("\",\n");
    }
    text.push_str("}\nlocal n = 0\nfunction request()\n  n = n % #all + 1\n  return all[n]\nend\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_request_is_in_the_script() {
        let text = script(&[b"a\r\n\"".to_vec()]);
        assert!(text.contains(r#""\097\013\010\034","#), "{text}");
    }
}
