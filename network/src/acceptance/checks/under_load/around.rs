//! What the phases of the run need: who runs, who orders, how a node fares.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use carecord_orderer::Consenters;
use prost::Message;

use super::{NEW, PATIENCE, Run};
use crate::acceptance::trial::{CHANNEL, Trial};
use crate::codes::Code;
use crate::configuring;
use crate::error::{Failure, Outcome};
use crate::participation::{self, Standing};
use crate::process::Process;
use crate::state::NodeEntry;
use crate::topology::{Node, Organisation, OrganisationRole, Topology};

const POLL: Duration = Duration::from_millis(50);
const SETTLES: Duration = Duration::from_secs(60);
/// What the log of an orderer says that lost its data.
const MUST_NOT_VOTE: &str = "must not vote under this id again";

impl Run {
    pub(super) fn begin(&self) -> (Instant, u64) {
        self.load.longest_pause();
        (Instant::now(), self.load.valid())
    }

    pub(super) async fn end(&mut self, begun: (Instant, u64), what: &str) -> Outcome<()> {
        let (seconds, valid) = (begun.0.elapsed().as_secs_f64(), self.load.valid() - begun.1);
        self.load.wait_for(self.between, PATIENCE).await?;
        let pause = self.load.longest_pause().as_secs_f64();
        let rate = valid as f64 / seconds;
        self.phases.push(format!(
            "{what} in {seconds:.1} s at {rate:.0} tx/s, longest wait for a commit {pause:.1} s"
        ));
        Ok(())
    }

    /// Notes who runs now; nobody may be restarted from here on.
    pub(super) fn note_processes(&mut self) {
        self.processes = running(&self.trial);
    }

    pub(super) fn same_processes(&mut self, when: &str) {
        let now = running(&self.trial);
        let restarted = self.processes.iter().filter(|(name, pid)| now.get(*name) != Some(pid));
        let names: Vec<&str> = restarted.map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            self.wrong.push(format!("{when} restarted {}", names.join(", ")));
        }
    }

    pub(super) fn orderers(&self) -> Outcome<Vec<String>> {
        Ok(self.trial.session().file().channel(Some(CHANNEL))?.orderers.clone())
    }

    /// The consenters as the leader tells of them.
    pub(super) async fn consenters(&self) -> Outcome<Consenters> {
        let leader = self.trial.leader().await?;
        let session = self.trial.session();
        participation::consenters(session, session.file().node(&leader)?, CHANNEL)
    }

    pub(super) async fn id_of(&self, node: &NodeEntry) -> Outcome<Option<u64>> {
        let consenters = self.consenters().await?.consenters;
        let is = |address: String| Some(address) == node.cluster_address;
        Ok(consenters
            .iter()
            .find(|one| is(format!("{}:{}", one.host, one.port)))
            .map(|one| one.raft_id))
    }

    /// Gives an orderer that knows nothing of the channel the newest configuration block.
    pub(super) async fn hand_block(&self, node: &NodeEntry) -> Outcome<()> {
        let session = self.trial.session();
        let admin = session.file().admin(&node.organisation)?;
        let deadline = Instant::now() + SETTLES;
        loop {
            let channel = session.file().channel(Some(CHANNEL))?;
            let mut others = channel.clone();
            others.orderers.retain(|name| *name != node.name);
            let current = configuring::current(session, &others, admin).await?;
            let block = current.block.encode_to_vec();
            match participation::join(session, node, &block) {
                Err(failure) if failure.to_string().contains("already exists") => return Ok(()),
                // It has just been started.
                Err(_) if Instant::now() < deadline => tokio::time::sleep(POLL).await,
                result => return result,
            }
        }
    }

    /// Waits until the node has fetched the chain, found itself named in it, and was told that it may not vote.
    pub(super) async fn refused(&self, node: &NodeEntry, said: u64) -> Outcome<Standing> {
        let deadline = Instant::now() + SETTLES;
        loop {
            let standing = participation::standing(self.trial.session(), node, CHANNEL)?;
            let told = std::fs::read(&node.log_file).is_ok_and(|log| {
                let begin = usize::try_from(said).unwrap_or(usize::MAX).min(log.len());
                String::from_utf8_lossy(&log[begin..]).contains(MUST_NOT_VOTE)
            });
            let done = told && standing.status == "active" && standing.relation == "follower";
            if done {
                return Ok(standing);
            }
            if Instant::now() >= deadline {
                let cause =
                    format!("a wiped orderer was not told that it may not vote: {standing:?}");
                return Err(Failure::new(Code::Short, cause).at(&node.name));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    pub(super) async fn healthy(&self, node: &NodeEntry) -> Outcome<()> {
        let deadline = Instant::now() + SETTLES;
        while !matches!(crate::bringup::http_get(node, "/healthz"), Ok((200, _))) {
            if Instant::now() >= deadline {
                return Err(Failure::new(Code::NodeSlow, "not healthy in time").at(&node.name));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}

pub(super) fn running(trial: &Trial) -> BTreeMap<String, i32> {
    let pid = |node: &NodeEntry| {
        Process::of_file(&node.pid_file).map(|process| (node.name.clone(), process.pid()))
    };
    trial.on_channel().filter_map(pid).collect()
}

pub(super) fn ids(consenters: &Consenters) -> Vec<u64> {
    consenters.consenters.iter().map(|one| one.raft_id).collect()
}

/// One more peer of an organisation that is there.
pub(super) fn newcomer(trial: &Trial, organisation: &str) -> Outcome<Topology> {
    let file = trial.session().file();
    let entry = file.organisation(organisation)?;
    Ok(Topology {
        ca: false,
        name: file.name.clone(),
        operations_tls: file.nodes.iter().any(|node| node.operations_tls.is_some()),
        organisations: vec![Organisation {
            roles: Vec::new(),
            name: entry.name.clone(),
            msp_id: entry.msp_id.clone(),
            domain: entry.domain.clone(),
            country: None,
            role: OrganisationRole::Peer,
        }],
        nodes: vec![Node {
            name: NEW.to_owned(),
            organisation: entry.name.clone(),
            role: OrganisationRole::Peer,
            host: "127.0.0.1".to_owned(),
            port: None,
            cluster_port: None,
            operations_port: None,
            admin_port: None,
        }],
        channels: Vec::new(),
        users: Vec::new(),
    })
}
