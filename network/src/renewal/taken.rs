//! Whether a running node has taken over what was put into its files.

use std::time::{Duration, Instant};

use crate::bringup::http_get;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::process::Process;
use crate::state::NodeEntry;

const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);
const RELOADS: &str = "carecord_certificate_reloads_total";

/// How often a node has taken certificates over; none if it does not run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) identity: Option<u64>,
    pub(super) tls: Option<u64>,
}

pub(super) fn counts(node: &NodeEntry) -> Counts {
    Counts { identity: count(node, "identity"), tls: count(node, "tls") }
}

/// Waits until the node has taken certificates over once more than `before`; a node that did not run reads them when
/// it starts.
pub(super) async fn wait(node: &NodeEntry, kind: &str, before: Option<u64>) -> Outcome<()> {
    let Some(before) = before else { return Ok(()) };
    let deadline = Instant::now() + PATIENCE;
    while count(node, kind).is_none_or(|now| now <= before) {
        if Process::of_file(&node.pid_file).is_none() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let cause = format!("the node does not take its new {kind} certificate over");
            return Err(Failure::new(Code::Renew, cause)
                .at(&node.name)
                .hint(format!("its log says why: {}", node.log_file.display())));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

fn count(node: &NodeEntry, kind: &str) -> Option<u64> {
    Process::of_file(&node.pid_file)?;
    let (200, metrics) = http_get(node, "/metrics").ok()? else { return None };
    let labels = format!("{{kind=\"{kind}\",outcome=\"applied\"}} ");
    let line = metrics.lines().find_map(|line| {
        line.strip_prefix(RELOADS)?.strip_prefix(labels.as_str()).map(str::to_owned)
    });
    // A counter that was never counted up is not shown.
    Some(line.map_or(0, |value| value.parse().unwrap_or(0)))
}

/// The value of a metric of one channel, of a node that runs.
pub(super) fn gauge(node: &NodeEntry, name: &str, channel: &str) -> Option<f64> {
    let (200, metrics) = http_get(node, "/metrics").ok()? else { return None };
    let series = format!("{name}{{channel=\"{channel}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(series.as_str())?.parse().ok())
}
