//! What the steps share: who is who, waiting, and who must not have been restarted.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use carecord_orderer::ConsenterView;

use super::{PATIENCE, POLL, Run};
use crate::acceptance::program::Program;
use crate::acceptance::trial::{CHANNEL, Trial};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::participation;
use crate::process::Process;
use crate::state::NodeEntry;

/// Entries of the log that a consenter may lack that counts as one.
const LAG_MAX: u64 = 20;

// === impl Run ===

impl Run {
    /// Waits until the leader says that the node votes and has nearly all of its log. Before that a consenter is a learner,
    /// or one whose committed configuration is old, and whoever ends another one meanwhile ends the majority.
    pub(super) async fn votes(&self, node: &NodeEntry) -> Outcome<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let leader = self.node(&self.trial.leader().await?)?;
            let told = participation::consenters(self.trial.session(), &leader, CHANNEL);
            let own =
                told.ok().and_then(|told| told.consenters.into_iter().find(|one| is(node, one)));
            let near = |one: &ConsenterView| one.lag.is_some_and(|lag| lag <= LAG_MAX);
            if own.as_ref().is_some_and(|one| one.role == "voter" && one.alive && near(one)) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let cause = format!("it is to vote, but the leader says: {own:?}");
                return Err(Failure::new(Code::Short, cause).at(&node.name));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    pub(super) async fn answers(&self, node: &NodeEntry) -> Outcome<()> {
        let deadline = Instant::now() + PATIENCE;
        while let Err(failure) = participation::answers(self.trial.session(), node) {
            if Instant::now() >= deadline {
                return Err(failure);
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    pub(super) fn node(&self, name: &str) -> Outcome<NodeEntry> {
        self.trial.session().file().node(name).cloned()
    }

    /// An orderer of the channel that is none of `but`.
    pub(super) fn other(&self, but: &[&String]) -> Outcome<String> {
        let orderers = &self.trial.session().file().channel(Some(CHANNEL))?.orderers;
        let other = orderers.iter().find(|name| !but.contains(name));
        other.cloned().ok_or_else(|| Failure::new(Code::Short, "there is no other orderer"))
    }

    /// Starts a node; answers where in its log this run begins.
    pub(super) fn back(&self, node: &NodeEntry) -> Outcome<usize> {
        let said = std::fs::metadata(&node.log_file).map_or(0, |log| log.len());
        self.trial.spawn(node)?;
        Ok(usize::try_from(said).unwrap_or(usize::MAX))
    }

    /// Its Raft id, as the leader knows it.
    pub(super) async fn id_of(&self, node: &NodeEntry) -> Outcome<u64> {
        let leader = self.node(&self.trial.leader().await?)?;
        let told = participation::consenters(self.trial.session(), &leader, CHANNEL)?;
        let own = told.consenters.iter().find(|one| is(node, one));
        own.map(|one| one.raft_id)
            .ok_or_else(|| Failure::new(Code::Short, "it is no consenter").at(&node.name))
    }

    pub(super) fn note_processes(&mut self) {
        self.processes = running(&self.trial);
    }

    pub(super) fn same_processes(&mut self, when: &str) {
        let now = running(&self.trial);
        for (name, _) in self.processes.iter().filter(|(name, pid)| now.get(*name) != Some(pid)) {
            self.wrong.push(format!("{when} restarted {name}"));
        }
    }
}

fn is(node: &NodeEntry, one: &ConsenterView) -> bool {
    node.cluster_address.as_deref() == Some(&format!("{}:{}", one.host, one.port))
}

fn running(trial: &Trial) -> BTreeMap<String, i32> {
    let pid = |node: &NodeEntry| Some((node.name.clone(), Process::of_file(&node.pid_file)?.pid()));
    trial.on_channel().filter_map(pid).collect()
}

/// Copies a folder with all that is in it.
pub(super) async fn copied(from: &Path, to: &Path) -> Outcome<()> {
    Program::new("cp").args(["-a"]).args([from, to]).succeed(PATIENCE).await.map(|_| ())
}
