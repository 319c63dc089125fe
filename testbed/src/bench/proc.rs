//! What Linux tells of a process: memory and processor time.

use std::fs;

/// Ticks of `/proc/<pid>/stat` in a second, on every Linux that we run on.
const TICKS_PER_S: f64 = 100.0;

/// Resident memory, KiB; none when there is no such process.
pub(super) fn resident_kib(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Seconds of processor time so far, user and system; of ended children, too.
pub(super) fn cpu_seconds(pid: i32) -> Option<f64> {
    let fields = stat(pid)?;
    let times = fields.get(11..15)?;
    let ticks: f64 = times
        .iter()
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    Some(ticks / TICKS_PER_S)
}

/// The same of a process and its children that still run.
pub(super) fn cpu_seconds_of_family(pid: i32) -> f64 {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let children = entries
        .filter_map(|entry| entry.file_name().to_string_lossy().parse::<i32>().ok())
        .filter(|child| stat(*child).is_some_and(|f| f.get(1) == Some(&pid.to_string())));
    children.chain([pid]).filter_map(cpu_seconds).sum()
}

/// The fields of `/proc/<pid>/stat` after the name: state, parent, …
fn stat(pid: i32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and parentheses.
    let (_, rest) = stat.rsplit_once(')')?;
    Some(rest.split_whitespace().map(ToOwned::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_used_its_time() {
        let pid = i32::try_from(std::process::id()).unwrap();
        assert!(resident_kib(pid).is_some_and(|kib| kib > 100));
        let own = cpu_seconds(pid).unwrap();
        assert!(cpu_seconds_of_family(pid) >= own);
        assert_eq!(resident_kib(-1), None);
    }
}
