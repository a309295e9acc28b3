//! What a run costs: CPU time, disk, syncs of every node.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::bringup::http_get;
use crate::process::{Process, own_cpu};
use crate::state::NetworkFile;

/// Metrics that are observed once for each sync: an orderer's log, a peer's block log.
const SYNCS: [&str; 2] =
    ["consensus_etcdraft_data_persist_duration_count", "ledger_blockstorage_commit_time_count"];

/// What had been spent at one moment.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    cpu: BTreeMap<String, Duration>,
    disk_bytes: u64,
    fsyncs: BTreeMap<String, u64>,
}

/// What was spent between two moments.
#[derive(Debug, Default)]
pub(super) struct Spent {
    /// CPU seconds by process.
    pub(super) cpu_seconds: BTreeMap<String, f64>,
    /// Growth of all nodes' data.
    pub(super) disk_bytes: u64,
    /// Syncs by metric, all nodes together.
    pub(super) fsyncs: BTreeMap<String, u64>,
}

/// Looks at all nodes of the network and at this process.
pub(super) fn snapshot(file: &NetworkFile) -> Snapshot {
    let mut snapshot = Snapshot::default();
    snapshot.cpu.insert("client".to_owned(), own_cpu());
    for node in &file.nodes {
        if let Some(cpu) = Process::of_file(&node.pid_file).and_then(Process::cpu) {
            snapshot.cpu.insert(node.name.clone(), cpu);
        }
        snapshot.disk_bytes += folder_bytes(&node.data_dir);
        if let Ok((200, metrics)) = http_get(node, "/metrics") {
            for (name, count) in syncs(&metrics) {
                *snapshot.fsyncs.entry(name).or_default() += count;
            }
        }
    }
    snapshot
}

// === impl Snapshot ===

impl Snapshot {
    /// What was spent from `self` to `later`.
    pub(super) fn until(&self, later: &Self) -> Spent {
        let cpu = later.cpu.iter().map(|(name, cpu)| {
            let before = self.cpu.get(name).copied().unwrap_or_default();
            (name.clone(), cpu.saturating_sub(before).as_secs_f64())
        });
        let fsyncs = later.fsyncs.iter().map(|(name, count)| {
            (name.clone(), count.saturating_sub(self.fsyncs.get(name).copied().unwrap_or_default()))
        });
        Spent {
            cpu_seconds: cpu.collect(),
            disk_bytes: later.disk_bytes.saturating_sub(self.disk_bytes),
            fsyncs: fsyncs.collect(),
        }
    }
}

/// Counts of syncs in Prometheus text.
fn syncs(metrics: &str) -> Vec<(String, u64)> {
    metrics
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let name = series.split('{').next()?;
            let value: f64 = value.parse().ok()?;
            SYNCS.contains(&name).then(|| (name.to_owned(), value as u64))
        })
        .collect()
}

/// Bytes that the files below `folder` occupy on the disk.
fn folder_bytes(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    const BLOCK: u64 = 512;
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
            Ok(metadata) => metadata.blocks() * BLOCK,
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::syncs;

    #[test]
    fn syncs_are_counted_by_node_kind() {
        let metrics = "# HELP x y\nledger_blockstorage_commit_time_count{channel=\"care\"} 12\n\
                       ledger_blockstorage_commit_time_sum{channel=\"care\"} 0.5\nother_count 9\n";
        assert_eq!(syncs(metrics), [("ledger_blockstorage_commit_time_count".to_owned(), 12)]);
    }
}
