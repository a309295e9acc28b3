//! A network that a check may mistreat: brought up in a folder of its own, nodes killed and started again.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Context;
use super::program::{Program, Said};
use crate::bringup::http_get;
use crate::chain::{self, Tip};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::process::{End, Process};
use crate::session::Session;
use crate::state::NodeEntry;

/// Topology of the bench network: 3 orderers, 2 organisations, both must endorse.
pub(super) const BENCH: &str = include_str!("../../topologies/bench.toml");
/// Topology of the demonstration network: 3 orderers, 4 organisations, a majority must endorse.
pub(super) const DEMO: &str = include_str!("../../topologies/demo.toml");
/// The channel of both.
pub(super) const CHANNEL: &str = "care";

const UP_PATIENCE: Duration = Duration::from_secs(180);
const KILL_PATIENCE: Duration = Duration::from_secs(10);
const LEADER_PATIENCE: Duration = Duration::from_secs(60);
const AGREE_PATIENCE: Duration = Duration::from_secs(120);
const PORT_PATIENCE: Duration = Duration::from_secs(60);
const PORT_PAUSE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(50);
/// Metric that says who leads.
const LEADER_METRIC: &str = "consensus_etcdraft_is_leader";

/// A running network; its processes end with it.
pub(super) struct Trial {
    dir: PathBuf,
    binary: PathBuf,
    session: Session,
    leave: bool,
}

// === impl Trial ===

impl Trial {
    /// Brings a new network up.
    pub(super) async fn up(context: &Context, name: &str, topology: &str) -> Outcome<Self> {
        let dir = context.work.join(name);
        let _ = std::fs::remove_dir_all(&dir);
        let file = context.work.join(format!("{name}.toml"));
        crate::state::replace_file(&file, topology.as_bytes())?;
        let result = Program::new(&context.binary)
            .args(["network", "up", "--detach", "--quiet", "--topology"])
            .args([&file])
            .args(["--dir"])
            .args([&dir])
            .succeed(UP_PATIENCE)
            .await;
        if let Err(failure) = result {
            end_all(&dir);
            return Err(failure);
        }
        Self::adopt(context, &dir)
    }

    /// Takes over a network that somebody else brought up in `dir`.
    pub(super) fn adopt(context: &Context, dir: &Path) -> Outcome<Self> {
        let session = Session::open(dir)?;
        Ok(Self { dir: dir.to_owned(), binary: context.binary.clone(), session, leave: false })
    }

    /// Lets it run on when it is dropped, for a check that comes later; the end of the run ends it.
    pub(super) fn leave(&mut self) {
        self.leave = true;
    }

    /// Its folder.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A client's view of it.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// All its nodes.
    pub(super) fn nodes(&self) -> &[NodeEntry] {
        &self.session.file().nodes
    }

    /// Peers, and the orderers of the channel: those that were replaced have no chain any more.
    pub(super) fn on_channel(&self) -> impl Iterator<Item = &NodeEntry> {
        let file = self.session.file();
        let orders = |node: &NodeEntry| {
            let mut channels = file.channels.iter().filter(|channel| channel.name == CHANNEL);
            channels.any(|channel| channel.orderers.contains(&node.name))
        };
        file.nodes.iter().filter(move |node| node.role == "peer" || orders(node))
    }

    /// Reads the network's file again, after a command that has changed it.
    pub(super) fn reopen(&mut self) -> Outcome<()> {
        self.session = Session::open(&self.dir)?;
        Ok(())
    }

    /// Starts one node that does not run, and does not wait for it: what it lacks is the check's matter.
    pub(super) fn spawn(&self, node: &NodeEntry) -> Outcome<()> {
        let failed = |error: std::io::Error| Failure::new(Code::Short, error).at(&node.name);
        let log = OpenOptions::new().create(true).append(true).open(&node.log_file);
        let log = log.map_err(failed)?;
        let child = Command::new(&self.binary)
            .args(["node", "run", &node.role, "--config"])
            .arg(&node.config_file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let process = Process::running(child.id());
        let ended = || Failure::new(Code::NodeStopped, "it ended at once").at(&node.name);
        process.ok_or_else(ended)?.write(&node.pid_file)
    }

    /// The carecord binary with arguments, about no network.
    pub(super) fn program(&self, args: &[&str]) -> Program {
        Program::new(&self.binary).args(args)
    }

    /// The carecord binary with arguments and this network's folder.
    pub(super) fn carecord(&self, args: &[&str]) -> Program {
        Program::new(&self.binary).args(args).args(["--dir"]).args([&self.dir])
    }

    /// Runs the carecord binary on this network; anything but success is a failure.
    pub(super) async fn run(&self, args: &[&str], patience: Duration) -> Outcome<Said> {
        self.carecord(args).succeed(patience).await
    }

    /// `kill -9`; returns when the process is gone.
    pub(super) async fn kill(&self, names: &[&str]) -> Outcome<()> {
        let mut processes = Vec::new();
        for name in names {
            let node = self.session.file().node(name)?;
            let process = Process::of_file(&node.pid_file)
                .ok_or_else(|| Failure::new(Code::Short, "it does not run").at(name))?;
            processes.push((name, process));
        }
        for (_, process) in &processes {
            process.end(End::AtOnce);
        }
        let deadline = Instant::now() + KILL_PATIENCE;
        for (name, process) in processes {
            while process.is_alive() {
                if Instant::now() >= deadline {
                    return Err(Failure::new(Code::NodeStuck, "it outlives kill -9").at(name));
                }
                tokio::time::sleep(POLL).await;
            }
        }
        Ok(())
    }

    /// Starts what does not run, as an operator would; waits a while if another program has taken a port meanwhile.
    pub(super) async fn restart(&self) -> Outcome<()> {
        let deadline = Instant::now() + PORT_PATIENCE;
        loop {
            let up = self.run(&["network", "up", "--detach", "--quiet"], UP_PATIENCE).await;
            match up {
                Err(failure)
                    if failure.to_string().contains(Code::PortTaken.text())
                        && Instant::now() < deadline =>
                {
                    tokio::time::sleep(PORT_PAUSE).await;
                }
                result => return result.map(|_| ()),
            }
        }
    }

    /// Name of the orderer that leads the channel.
    pub(super) async fn leader(&self) -> Outcome<String> {
        let deadline = Instant::now() + LEADER_PATIENCE;
        while Instant::now() < deadline {
            let leading = self.session.file().nodes_of("orderer").find(|node| leads(node));
            if let Some(node) = leading {
                return Ok(node.name.clone());
            }
            tokio::time::sleep(POLL).await;
        }
        Err(Failure::new(Code::Short, "no orderer says that it leads"))
    }

    /// The newest block at every node, once all have the same height and hashes.
    pub(super) async fn agreed(&self) -> Outcome<Tip> {
        let deadline = Instant::now() + AGREE_PATIENCE;
        loop {
            let reason = match self.tips().await {
                Ok(tips) => match agreement(&tips) {
                    Ok(tip) => return Ok(tip),
                    Err(reason) => reason,
                },
                Err(failure) => failure.to_string(),
            };
            if Instant::now() >= deadline {
                return Err(Failure::new(Code::Short, format!("nodes do not agree: {reason}")));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The newest block at every node.
    pub(super) async fn tips(&self) -> Outcome<Vec<(String, Tip)>> {
        let mut tips = Vec::new();
        for node in self.on_channel() {
            tips.push((node.name.clone(), chain::tip(&self.session, node, CHANNEL).await?));
        }
        Ok(tips)
    }

    /// Memory that its processes are charged for (PSS), in bytes.
    pub(super) fn pss_bytes(&self) -> Outcome<u64> {
        self.nodes().iter().map(|node| self.node_pss_bytes(node)).sum()
    }

    /// The same of one node.
    pub(super) fn node_pss_bytes(&self, node: &NodeEntry) -> Outcome<u64> {
        Process::of_file(&node.pid_file)
            .and_then(Process::pss_bytes)
            .ok_or_else(|| Failure::new(Code::Short, "its memory cannot be read").at(&node.name))
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if !self.leave {
            end_all(&self.dir);
        }
    }
}

/// Whether an orderer says that it leads the channel.
pub(super) fn leads(node: &NodeEntry) -> bool {
    let Ok((200, metrics)) = http_get(node, "/metrics") else { return false };
    metrics.lines().any(|line| {
        line.starts_with(LEADER_METRIC)
            && line.contains(&format!("\"{CHANNEL}\""))
            && line.ends_with(" 1")
    })
}

/// The tip that all share, or what differs.
fn agreement(tips: &[(String, Tip)]) -> Result<Tip, String> {
    let (_, first) = tips.first().ok_or("there are no nodes")?;
    let mut common = first.clone();
    for (name, tip) in tips {
        if (tip.height, &tip.header_hash) != (first.height, &first.header_hash) {
            return Err(format!("{name} is at {}, another at {}", tip.height, first.height));
        }
        match (&common.commit_hash, &tip.commit_hash) {
            (Some(known), Some(own)) if known != own => {
                return Err(format!("{name} has another commit hash at {}", tip.height));
            }
            (None, Some(_)) => common.commit_hash.clone_from(&tip.commit_hash),
            _ => {}
        }
    }
    Ok(common)
}

/// Ends the networks in all folders of `work`.
pub(super) fn end_all_within(work: &Path) {
    let Ok(entries) = std::fs::read_dir(work) else { return };
    for entry in entries.filter_map(Result::ok) {
        end_all(&entry.path());
    }
}

/// Ends every process of the network in `dir`, by its pid file.
pub(super) fn end_all(dir: &Path) {
    let Ok(session) = Session::open(dir) else { return };
    for node in &session.file().nodes {
        if let Some(process) = Process::of_file(&node.pid_file) {
            process.end(End::AtOnce);
            process.wait_end(KILL_PATIENCE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tip(height: u64, commit: Option<&str>) -> Tip {
        let commit_hash = commit.map(str::to_owned);
        Tip { height, header_hash: format!("h{height}"), commit_hash }
    }

    fn of(tips: &[Tip]) -> Result<Tip, String> {
        let named: Vec<_> = tips.iter().map(|tip| ("n".to_owned(), tip.clone())).collect();
        agreement(&named)
    }

    #[test]
    fn nodes_agree_if_heights_and_hashes_are_equal() {
        assert_eq!(of(&[tip(3, None), tip(3, Some("a"))]).unwrap(), tip(3, Some("a")));
        assert!(of(&[tip(3, None), tip(2, None)]).is_err());
        assert!(of(&[tip(3, Some("a")), tip(3, None), tip(3, Some("b"))]).is_err());
    }
}
