//! `up`: one process per node, each waited for until it is healthy.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{health, ports};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::output::Output;
use crate::process::Process;
use crate::state::{NetworkFile, NodeEntry, read_credential};

const POLL: Duration = Duration::from_millis(20);
/// Lines of a log that a failure shows.
const LOG_LINES: usize = 5;

/// Starts every node that is not running and waits until all are healthy; returns how many were started.
pub fn start(file: &NetworkFile, patience: Duration, output: Output) -> Outcome<usize> {
    let waiting: Vec<&NodeEntry> =
        file.nodes.iter().filter(|node| Process::of_file(&node.pid_file).is_none()).collect();
    for node in &waiting {
        check(node)?;
    }
    let step = output.step("nodes");
    let mut children = Vec::with_capacity(waiting.len());
    for node in &waiting {
        children.push((*node, spawn(node)?));
    }
    let deadline = Instant::now() + patience;
    for (node, child) in &mut children {
        step.progress(&format!("waiting for {}", node.name));
        wait_healthy(node, child, deadline)?;
    }
    let orderers = file.nodes_of("orderer").count();
    let peers = file.nodes_of("peer").count();
    step.done(&format!("{orderers} orderers, {peers} peers are healthy"));
    Ok(children.len())
}

/// What would make the node fail at once: said before anything is started.
fn check(node: &NodeEntry) -> Outcome<()> {
    let config = crate::node::config::NodeConfig::load(&node.config_file)?;
    for path in [&config.tls.certificate, &config.tls.key].into_iter().chain(&config.tls.roots) {
        read_credential(path)?;
    }
    if !config.msp_dir.join("signcerts").is_dir() {
        return Err(Failure::new(
            Code::Certificate,
            format!("{} has no signing certificate", node.name),
        )
        .at(config.msp_dir.display())
        .hint("restore the folder from a backup, or make a new network in another folder"));
    }
    let addresses =
        [Some(&node.address), node.cluster_address.as_ref(), Some(&node.operations_address)];
    addresses.into_iter().flatten().try_for_each(|address| ports::check_free(&node.name, address))
}

fn spawn(node: &NodeEntry) -> Outcome<Child> {
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
    let child = Command::new(&own)
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
        None => return Err(stopped(node, "at once")),
    }
    Ok(child)
}

fn wait_healthy(node: &NodeEntry, child: &mut Child, deadline: Instant) -> Outcome<()> {
    loop {
        let reason = match health::healthy(&node.operations_address) {
            Ok(()) => return Ok(()),
            Err(reason) => reason,
        };
        if let Ok(Some(status)) = child.try_wait() {
            return Err(stopped(node, &status.to_string()));
        }
        if Instant::now() >= deadline {
            return Err(Failure::new(Code::NodeSlow, format!("not healthy in time: {reason}"))
                .at(&node.name)
                .hint(format!("its log is {}", node.log_file.display())));
        }
        std::thread::sleep(POLL);
    }
}

fn stopped(node: &NodeEntry, how: &str) -> Failure {
    let _ = std::fs::remove_file(&node.pid_file);
    let log = std::fs::read_to_string(&node.log_file).unwrap_or_default();
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
