//! What Linux tells of a process: memory and processor time.

use std::fs;

/// Ticks of `/proc/<pid>/stat` in a second, on every Linux that we run on.
const TICKS_PER_S: f64 = 100.0;

/// Resident memory, KiB; none when there is no such process.
pub(super) fn resident_kib(pid: i32) -> Option<u64> {
    memory_kib(pid, "VmRSS:")
}

/// Most resident memory since [`reset_peak`], KiB; none when there is no such process.
pub(super) fn peak_resident_kib(pid: i32) -> Option<u64> {
    memory_kib(pid, "VmHWM:")
}

/// Forgets the peak so far, where the system permits it (proc(5), `clear_refs`).
pub(super) fn reset_peak(pid: i32) {
    drop(fs::write(format!("/proc/{pid}/clear_refs"), "5"));
}

/// As many open files as the system permits: thousands of sockets are opened from here.
pub(super) fn raise_open_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Where it is not permitted, what there is must do.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

fn memory_kib(pid: i32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Seconds of processor time so far, user and system.
pub(super) fn cpu_seconds(pid: i32) -> Option<f64> {
    seconds(&stat(pid)?, 2)
}

/// The same of a process and its children, those that have ended included.
pub(super) fn cpu_seconds_of_family(pid: i32) -> f64 {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let parent = pid.to_string();
    let children = entries
        .filter_map(|entry| stat(entry.file_name().to_string_lossy().parse().ok()?))
        .filter(|stat| stat.get(1) == Some(&parent));
    let own = stat(pid).and_then(|stat| seconds(&stat, 4)).unwrap_or(0.0);
    own + children.filter_map(|stat| seconds(&stat, 2)).sum::<f64>()
}

/// The first so many of: own user and system time, that of ended children.
fn seconds(stat: &[String], count: usize) -> Option<f64> {
    let times = stat.get(11..)?.iter().take(count);
    let ticks: f64 = times.filter_map(|field| field.parse::<f64>().ok()).sum();
    Some(ticks / TICKS_PER_S)
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
