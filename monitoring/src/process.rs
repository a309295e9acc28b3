//! What `/proc/self` tells about the process, under the names that Prometheus clients use.

use std::fs;

use prometheus::{
    Gauge, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};

/// Bytes per memory page and clock ticks per second, as on every Linux that we run on.
const PAGE_BYTES: f64 = 4096.0;
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads `/proc/self` at each scrape.
#[derive(Debug)]
pub(crate) struct ProcessCollector {
    cpu_seconds: Gauge,
    resident_bytes: Gauge,
    virtual_bytes: Gauge,
    open_fds: Gauge,
    max_fds: Gauge,
    start_time: Gauge,
    threads: Gauge,
}

// === impl ProcessCollector ===

impl ProcessCollector {
    pub(crate) fn new() -> Self {
        Self {
            cpu_seconds: gauge("process_cpu_seconds_total", "User and system CPU time spent."),
            resident_bytes: gauge("process_resident_memory_bytes", "Resident memory size."),
            virtual_bytes: gauge("process_virtual_memory_bytes", "Virtual memory size."),
            open_fds: gauge("process_open_fds", "Number of open file descriptors."),
            max_fds: gauge("process_max_fds", "Maximum number of open file descriptors."),
            start_time: gauge("process_start_time_seconds", "Start time since the Unix epoch."),
            threads: gauge("process_threads", "Number of OS threads."),
        }
    }

    fn all(&self) -> [&Gauge; 7] {
        [
            &self.cpu_seconds,
            &self.resident_bytes,
            &self.virtual_bytes,
            &self.open_fds,
            &self.max_fds,
            &self.start_time,
            &self.threads,
        ]
    }

    fn refresh(&self) {
        if let Some(stat) =
            fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(after_name)
        {
            let field = |index: usize| stat.get(index).copied().unwrap_or(0.0);
            // Numbered from the field after the command name (proc(5) counts it as field 3).
            self.cpu_seconds.set((field(11) + field(12)) / TICKS_PER_SECOND);
            self.threads.set(field(17));
            self.start_time.set(boot_time() + field(19) / TICKS_PER_SECOND);
            self.virtual_bytes.set(field(20));
            self.resident_bytes.set(field(21) * PAGE_BYTES);
        }
        if let Ok(entries) = fs::read_dir("/proc/self/fd") {
            self.open_fds.set(entries.count() as f64);
        }
        if let Some(limit) = max_fds() {
            self.max_fds.set(limit);
        }
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.all().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.refresh();
        self.all().into_iter().flat_map(Collector::collect).collect()
    }
}

fn gauge(name: &str, help: &str) -> Gauge {
    Gauge::with_opts(Opts::new(name, help)).expect("metric names are constants of this program")
}

/// The numbers of `/proc/self/stat` after the command name, which may itself hold spaces.
fn after_name(stat: &str) -> Option<Vec<f64>> {
    let (_, rest) = stat.rsplit_once(')')?;
    Some(rest.split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect())
}

fn boot_time() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok()).unwrap_or(0.0)
}

fn max_fds() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
