//! `/metrics` of the process, by the names that Prometheus' own clients use.

use super::metrics::{Page, in_seconds};

/// In how many parts of a second Linux tells processor time, whatever its own clock is.
const TICKS: u64 = 100;

/// Writes what the system tells of this process; nothing where it tells nothing.
pub(super) fn write(page: &mut Page) {
    let field = |file: &str, place: usize| {
        let text = std::fs::read_to_string(file).ok()?;
        // In `stat` the second field is a name, which may hold anything, in parentheses.
        let fields = text.rsplit_once(") ").map_or(&*text, |(_, rest)| rest);
        fields
            .split_ascii_whitespace()
            .nth(place)?
            .parse::<u64>()
            .ok()
    };
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident =
        (status.lines()).find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    if let Some(Ok(kib)) = resident.map(str::parse::<u64>) {
        page.single(
            "process_resident_memory_bytes",
            "gauge",
            "Memory that the process has.",
            kib * 1024,
        );
    }
    let stat = "/proc/self/stat";
    if let (Some(user), Some(system)) = (field(stat, 11), field(stat, 12)) {
        page.single(
            "process_cpu_seconds_total",
            "counter",
            "Processor time that it took.",
            in_seconds((user + system) * (1_000_000 / TICKS)),
        );
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        page.single(
            "process_open_fds",
            "gauge",
            "File descriptors that it has open.",
            files.count(),
        );
    }
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    if let Some(most) = limit.current {
        page.single(
            "process_max_fds",
            "gauge",
            "File descriptors that it may have open.",
            most,
        );
    }
}
