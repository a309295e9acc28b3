//! Group `network`: nodes are killed under load; what was acknowledged stays, once, on every node.

use std::time::Duration;

use crate::acceptance::chains::judge;
use crate::acceptance::load::Load;
use crate::acceptance::trial::{BENCH, DEMO, Trial};
use crate::acceptance::{Check, Context, Finding};
use crate::error::Outcome;

const CLIENTS: usize = 24;
/// Acknowledgements between two kills.
const BETWEEN: u64 = 200;
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "kill-leader",
        group: "network",
        goal: "kill -9 of the leading orderer 20 times: none lost, none doubled, chains equal",
        work: |context| Box::pin(kill(context, Victim::Leader, 20)),
    },
    Check {
        name: "kill-peer",
        group: "network",
        goal: "kill -9 of a peer 20 times: none lost, none doubled, commit hashes equal",
        work: |context| Box::pin(kill(context, Victim::Peer, 20)),
    },
    Check {
        name: "kill-all",
        group: "network",
        goal: "kill -9 of all nodes at once 5 times: none lost, none doubled, commit hashes equal",
        work: |context| Box::pin(kill(context, Victim::All, 5)),
    },
];

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    /// The orderer that leads at that moment.
    Leader,
    /// One peer after the other; the other organisations are a majority.
    Peer,
    /// Everybody at once.
    All,
}

async fn kill(context: &Context, victim: Victim, times: usize) -> Outcome<Finding> {
    let times = context.scaled(times, 1);
    let (name, topology) = match victim {
        Victim::Leader => ("kill-leader", BENCH),
        Victim::Peer => ("kill-peer", DEMO),
        Victim::All => ("kill-all", BENCH),
    };
    let trial = Trial::up(context, name, topology).await?;
    let load = Load::start(&trial, CLIENTS, &[])?;
    load.wait_for(BETWEEN, PATIENCE).await?;
    let mut pauses = Vec::new();
    for round in 0..times {
        load.longest_pause();
        let names = victim.names(&trial, round).await?;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        trial.kill(&names).await?;
        // Every other time the rest goes on alone for a while, so that the node has something to catch up with.
        if victim != Victim::All && round % 2 == 1 {
            load.wait_for(BETWEEN, PATIENCE).await?;
        }
        trial.restart().await?;
        load.wait_for(BETWEEN, PATIENCE).await?;
        pauses.push(load.longest_pause());
    }
    let errors = load.errors();
    let verdict = judge(&trial, &load.stop()?).await?;
    pauses.sort_unstable();
    let pause = |at: usize| pauses.get(at).map_or(0.0, Duration::as_secs_f64);
    let finding = Finding::new(format!("{times} kills: {verdict}"), verdict.ok())
        .remark(format!(
            "longest wait for a commit around a kill: median {:.1} s, worst {:.1} s",
            pause(pauses.len() / 2),
            pause(pauses.len().saturating_sub(1))
        ))
        .remark(format!("calls that failed meanwhile: {errors}"));
    let finding = context.scale_remark(finding, &format!("{times} kills"));
    Ok(match verdict.wrong() {
        Some(wrong) => finding.remark(wrong),
        None => finding,
    })
}

// === impl Victim ===

impl Victim {
    async fn names(self, trial: &Trial, round: usize) -> Outcome<Vec<String>> {
        let peers: Vec<String> =
            trial.session().file().nodes_of("peer").map(|node| node.name.clone()).collect();
        Ok(match self {
            Self::Leader => vec![trial.leader().await?],
            Self::Peer => vec![peers[round % peers.len()].clone()],
            Self::All => trial.nodes().iter().map(|node| node.name.clone()).collect(),
        })
    }
}
