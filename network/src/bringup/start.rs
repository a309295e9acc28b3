//! `up`: one process per node, each waited for until it is healthy.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use carecord_ca::service::PASSPHRASE_VARIABLE;

use super::{health, ports};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::output::Output;
use crate::process::Process;
use crate::state::{NetworkFile, NodeEntry};

const POLL: Duration = Duration::from_millis(20);
/// Lines of a log that a failure shows.
const LOG_LINES: usize = 5;

/// A node that was just spawned.
struct Started<'a> {
    node: &'a NodeEntry,
    /// Where the log of this run begins.
    log_begin: u64,
    child: Child,
}

/// The nodes that do not run.
pub fn waiting(file: &NetworkFile) -> Vec<&NodeEntry> {
    file.nodes.iter().filter(|node| Process::of_file(&node.pid_file).is_none()).collect()
}

/// Starts every node that is not running and waits until all are healthy; returns how many were started.
pub fn start(file: &NetworkFile, patience: Duration, output: Output) -> Outcome<usize> {
    let waiting = waiting(file);
    for node in &waiting {
        check(node)?;
    }
    let step = output.step("nodes");
    let mut children = Vec::with_capacity(waiting.len());
    for node in &waiting {
        let log_begin = std::fs::metadata(&node.log_file).map_or(0, |log| log.len());
        children.push(Started { node, log_begin, child: spawn(node, log_begin)? });
    }
    let deadline = Instant::now() + patience;
    for started in &mut children {
        step.progress(&format!("waiting for {}", started.node.name));
        started.wait_healthy(deadline)?;
    }
    let orderers = file.nodes_of("orderer").count();
    let peers = file.nodes_of("peer").count();
    let cas = match file.nodes_of("ca").count() {
        0 => String::new(),
        cas => format!(", {cas} CAs"),
    };
    step.done(&format!("{orderers} orderers, {peers} peers{cas} are healthy"));
    Ok(children.len())
}

/// What would make the node fail at once: said before anything is started.
fn check(node: &NodeEntry) -> Outcome<()> {
    crate::node::config::NodeConfig::load(&node.config_file)?.check()?;
    let addresses = [
        Some(&node.address),
        node.cluster_address.as_ref(),
        Some(&node.operations_address),
        node.admin_address.as_ref(),
    ];
    addresses.into_iter().flatten().try_for_each(|address| ports::check_free(&node.name, address))
}

fn spawn(node: &NodeEntry, log_begin: u64) -> Outcome<Child> {
    let failed = |path: &Path, error: &std::io::Error| Failure::file(path, error);
    let own = std::env::current_exe().map_err(|error| {
        Failure::new(Code::File, format!("cannot find the carecord binary: {error}"))
    })?;
    if let Some(folder) = node.log_file.parent() {
        std::fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    }
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&node.log_file)
        .map_err(|error| failed(&node.log_file, &error))?;
    let errors = log.try_clone().map_err(|error| failed(&node.log_file, &error))?;
    let mut command = Command::new(&own);
    if node.role != super::cas::ROLE {
        // The passphrase of CAs' keys is nothing for anybody else.
        command.env_remove(PASSPHRASE_VARIABLE);
    }
    let child = command
        .args(["node", "run", &node.role, "--config"])
        .arg(&node.config_file)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        // A group of its own, so that Ctrl-C at the terminal reaches only the command that the user started.
        .process_group(0)
        .spawn()
        .map_err(|error| failed(&own, &error))?;
    match Process::running(child.id()) {
        Some(process) => process.write(&node.pid_file)?,
        None => return Err(stopped(node, log_begin, "at once")),
    }
    Ok(child)
}

// === impl Started ===

impl Started<'_> {
    fn wait_healthy(&mut self, deadline: Instant) -> Outcome<()> {
        let node = self.node;
        loop {
            let reason = match health::healthy(node) {
                Ok(()) => return Ok(()),
                Err(reason) => reason,
            };
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(stopped(node, self.log_begin, &status.to_string()));
            }
            if Instant::now() >= deadline {
                return Err(Failure::new(Code::NodeSlow, format!("not healthy in time: {reason}"))
                    .at(&node.name)
                    .hint(format!("its log is {}", node.log_file.display())));
            }
            std::thread::sleep(POLL);
        }
    }
}

/// In the node's own words if it said why it ended, else with the end of its log.
fn stopped(node: &NodeEntry, log_begin: u64, how: &str) -> Failure {
    Process::forget(&node.pid_file);
    let log = std::fs::read(&node.log_file).unwrap_or_default();
    let begin = usize::try_from(log_begin).unwrap_or(usize::MAX).min(log.len());
    let log = String::from_utf8_lossy(&log[begin..]);
    if let Some(failure) = Failure::read(&log) {
        return failure;
    }
    let lines: Vec<&str> = log.lines().rev().take(LOG_LINES).collect();
    let end: Vec<&str> = lines.into_iter().rev().collect();
    let cause = if end.is_empty() {
        format!("the node stopped ({how}) and wrote no log")
    } else {
        format!("the node stopped ({how}); its log ends:\n    {}", end.join("\n    "))
    };
    Failure::new(Code::NodeStopped, cause)
        .at(&node.name)
        .hint(format!("the whole log is {}", node.log_file.display()))
}
