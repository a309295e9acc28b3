//! Group `network`: every node really syncs its log, counted from outside by strace.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::acceptance::load::Load;
use crate::acceptance::program::Program;
use crate::acceptance::trial::{BENCH, Trial};
use crate::acceptance::{Check, Context, Finding};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::process::Process;

const CLIENTS: usize = 16;
const TRANSACTIONS: usize = 1_000;
const PATIENCE: Duration = Duration::from_secs(300);
/// Attaching takes a moment.
const ATTACH: Duration = Duration::from_secs(1);

pub(super) const CHECKS: &[Check] = &[Check {
    name: "fsync-count",
    group: "network",
    goal: "each node syncs its log; at a peer at least once a block",
    work: |context| Box::pin(count(context)),
}];

async fn count(context: &Context) -> Outcome<Finding> {
    let count = context.scaled(TRANSACTIONS, 100) as u64;
    let trial = Trial::up(context, "fsync-count", BENCH).await?;
    let before = trial.agreed().await?.height;
    let traces = attach(context, &trial).await?;
    let load = Load::start(&trial, CLIENTS, &[])?;
    load.wait_for(count, PATIENCE).await?;
    let valid = load.stop()?.len() as u64 / 2;
    let blocks = trial.agreed().await?.height - before;
    let mut syncs = BTreeMap::new();
    for (name, trace) in traces {
        syncs.insert(name, trace.end().await?);
    }
    let enough = |(name, count): (&String, &u64)| {
        let peer = trial.session().file().node(name).is_ok_and(|node| node.role == "peer");
        if peer { *count >= blocks } else { *count > 0 }
    };
    let ok = blocks > 0 && syncs.len() == trial.nodes().len() && syncs.iter().all(enough);
    let each: Vec<String> = syncs.iter().map(|(name, count)| format!("{name} {count}")).collect();
    let figure = format!("{valid} transactions in {blocks} blocks: {}", each.join(", "));
    let finding = Finding::new(figure, ok);
    Ok(context.scale_remark(finding, &format!("{count} transactions")))
}

/// A strace at one node.
struct Trace {
    child: tokio::process::Child,
    out: PathBuf,
}

async fn attach(context: &Context, trial: &Trial) -> Outcome<Vec<(String, Trace)>> {
    Program::new("strace").args(["--version"]).succeed(PATIENCE).await?;
    let mut traces = Vec::new();
    for node in trial.nodes() {
        let process = Process::of_file(&node.pid_file)
            .ok_or_else(|| Failure::new(Code::Short, "it does not run").at(&node.name))?;
        let out = context.work.join(format!("strace-{}", node.name));
        let child = tokio::process::Command::new("strace")
            .args(["-f", "-q", "-e", "trace=fsync,fdatasync", "-e", "signal=none", "-o"])
            .arg(&out)
            .args(["-p", &process.pid().to_string()])
            .stdin(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Failure::new(Code::Short, format!("cannot run strace: {error}")))?;
        traces.push((node.name.clone(), Trace { child, out }));
    }
    tokio::time::sleep(ATTACH).await;
    Ok(traces)
}

// === impl Trace ===

impl Trace {
    /// Detaches and tells how many syncs there were.
    async fn end(mut self) -> Outcome<u64> {
        if let Some(process) = self.child.id().and_then(Process::running) {
            process.end(crate::process::End::Gracefully);
        }
        self.child.wait().await.map_err(|error| Failure::new(Code::Short, error))?;
        let text = crate::state::read_text(&self.out)?;
        // A call that another thread's call interrupts fills two lines; the second says "resumed".
        let begun = |line: &&str| line.contains("sync(") && !line.contains("resumed");
        Ok(text.lines().filter(begun).count() as u64)
    }
}
