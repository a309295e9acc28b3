//! Group `membership`: orderers that come back without the data that they voted with, or were replaced, on real processes
//! under load (rows F23 to F26 of the fault catalogue).

mod shared;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::acceptance::chains::judge;
use crate::acceptance::load::Load;
use crate::acceptance::trial::{BENCH, CHANNEL, Trial};
use crate::acceptance::{Check, Context, Finding};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::participation;
use crate::state::NodeEntry;
use shared::copied;

const CLIENTS: usize = 24;
/// Orderers that lose all data, one after the other.
const WIPES: usize = 6;
/// Transactions that become VALID between two steps.
const BETWEEN: u64 = 200;
const PATIENCE: Duration = Duration::from_secs(120);
/// What was under way when the majority went may take so long to be told; after it nothing may become VALID.
const UNDER_WAY: Duration = Duration::from_secs(3);
/// Some elections long: a vote that should not be there would have elected a leader.
const QUIET: Duration = Duration::from_secs(8);
const POLL: Duration = Duration::from_millis(50);
/// What the log of an orderer says that lost its data.
const MUST_NOT_VOTE: &str = "must not vote";
const NEW: &str = "orderer4";

pub(super) const CHECKS: &[Check] = &[Check {
    name: "wiped-orderer",
    group: "membership",
    goal: "orderers wiped, restored from an old copy, evicted while down, replaced while dead, under load: no vote under an \
           old id, back under a new one without a restart, none lost, none doubled",
    work: |context| Box::pin(wiped_orderer(context)),
}];

struct Run {
    trial: Trial,
    load: Load,
    processes: BTreeMap<String, i32>,
    wrong: Vec<String>,
    done: Vec<String>,
}

async fn wiped_orderer(context: &Context) -> Outcome<Finding> {
    let trial = Trial::up(context, "wiped-orderer", BENCH).await?;
    let wipes = context.scaled(WIPES, 2);
    let load = Load::start(&trial, CLIENTS, &[])?;
    let (wrong, done) = (Vec::new(), Vec::new());
    let mut run = Run { trial, load, processes: BTreeMap::new(), wrong, done };
    run.load.wait_for(BETWEEN, PATIENCE).await?;
    for round in 0..wipes {
        run.wiped(round).await?;
    }
    run.restored().await?;
    run.evicted().await?;
    run.replaced().await?;
    let Run { trial, load, wrong, done, .. } = run;
    let errors = load.errors();
    let verdict = judge(&trial, &load.stop()?).await?;
    let finding = Finding::new(
        format!("{wipes} wiped, 1 restored, 1 evicted twice, 1 replaced: {verdict}"),
        verdict.ok() && wrong.is_empty(),
    )
    .remark(done.join("; "))
    .remark(format!("calls that failed meanwhile: {errors}"));
    let finding = context.scale_remark(finding, &format!("{wipes} wipes"));
    let wrong: Vec<String> = wrong.into_iter().chain(verdict.wrong()).collect();
    Ok(if wrong.is_empty() { finding } else { finding.remark(wrong.join("; ")) })
}

// === impl Run: what happens to an orderer ===

impl Run {
    /// F23: the whole data folder goes. In the first two rounds its vote is the one that a majority lacks.
    async fn wiped(&mut self, round: usize) -> Outcome<()> {
        let leader = self.trial.leader().await?;
        let follower = self.other(&[&leader])?;
        let name = if round.is_multiple_of(2) { leader } else { follower };
        let node = self.node(&name)?;
        let old = self.id_of(&node).await?;
        self.trial.kill(&[name.as_str()]).await?;
        std::fs::remove_dir_all(&node.data_dir)
            .map_err(|error| Failure::file(&node.data_dir, &error))?;
        let said = self.back(&node)?;
        self.refused(&node, said).await?;
        self.load.wait_for(BETWEEN, PATIENCE).await?;
        if round < 2 {
            self.has_no_vote(&node, round).await?;
        }
        let new = self.readmitted(&node, old).await?;
        self.done.push(format!("{name} wiped, Raft id {old} to {new}"));
        Ok(())
    }

    /// F24: an old copy of the data in the place of the data.
    async fn restored(&mut self) -> Outcome<()> {
        let name = self.other(&[&self.trial.leader().await?])?;
        let node = self.node(&name)?;
        let old = self.id_of(&node).await?;
        let copy = self.trial.dir().join("old-copy");
        self.trial.kill(&[name.as_str()]).await?;
        copied(&node.data_dir, &copy).await?;
        self.back(&node)?;
        self.votes(&node).await?;
        // What it confirms now is remembered by the others.
        self.load.wait_for(5 * BETWEEN, PATIENCE).await?;
        tokio::time::sleep(UNDER_WAY).await;
        self.trial.kill(&[name.as_str()]).await?;
        std::fs::remove_dir_all(&node.data_dir)
            .map_err(|error| Failure::file(&node.data_dir, &error))?;
        copied(&copy, &node.data_dir).await?;
        let said = self.back(&node)?;
        self.refused(&node, said).await?;
        let new = self.readmitted(&node, old).await?;
        self.done.push(format!("{name} restored from an old copy, Raft id {old} to {new}"));
        Ok(())
    }

    /// F26: removed while it was down, taken in again, and the same once more; then a restart.
    async fn evicted(&mut self) -> Outcome<()> {
        let name = self.trial.leader().await?;
        let node = self.node(&name)?;
        let first = self.id_of(&node).await?;
        let mut ids = vec![first];
        for _ in 0..2 {
            self.trial.kill(&[name.as_str()]).await?;
            self.trial.run(&["orderer", "remove", &name], PATIENCE).await?;
            self.trial.run(&["orderer", "add", &name], PATIENCE).await?;
            self.trial.reopen()?;
            self.votes(&node).await?;
            ids.push(self.id_of(&node).await?);
        }
        self.trial.kill(&[name.as_str()]).await?;
        self.back(&node)?;
        self.votes(&node).await?;
        self.load.wait_for(BETWEEN, PATIENCE).await?;
        let mut different = ids.clone();
        different.dedup();
        if different.len() != ids.len() || self.id_of(&node).await? != ids[2] {
            self.wrong.push(format!("{name}, evicted twice, had Raft ids {ids:?}"));
        }
        self.done.push(format!("{name} evicted while down, twice, Raft ids {ids:?}"));
        Ok(())
    }

    /// F25: a leader that is dead gives way to a new orderer; then that one, which no first block brings back, is wiped.
    async fn replaced(&mut self) -> Outcome<()> {
        let name = self.trial.leader().await?;
        self.trial.kill(&[name.as_str()]).await?;
        self.note_processes();
        let replace = ["orderer", "replace", &name, "--with", NEW];
        self.trial.run(&replace, PATIENCE).await?;
        self.trial.reopen()?;
        self.same_processes("the replacement");
        if self.trial.nodes().iter().any(|node| node.name == name) {
            self.wrong.push(format!("{name} was replaced and is in the network still"));
        }
        self.load.wait_for(BETWEEN, PATIENCE).await?;
        let node = self.node(NEW)?;
        self.votes(&node).await?;
        let old = self.id_of(&node).await?;
        self.trial.kill(&[NEW]).await?;
        std::fs::remove_dir_all(&node.data_dir)
            .map_err(|error| Failure::file(&node.data_dir, &error))?;
        let said = self.back(&node)?;
        self.answers(&node).await?;
        self.trial.run(&["channel", "join", "-C", CHANNEL, "--node", NEW], PATIENCE).await?;
        self.refused(&node, said).await?;
        let new = self.readmitted(&node, old).await?;
        self.done.push(format!(
            "{name} replaced while dead by {NEW}, that wiped, Raft id {old} to {new}"
        ));
        Ok(())
    }
}

// === impl Run: what must come of it ===

impl Run {
    /// With a second orderer down, the refused one would make the majority: nothing may be ordered.
    async fn has_no_vote(&mut self, node: &NodeEntry, round: usize) -> Outcome<()> {
        let leader = self.trial.leader().await?;
        // Once a leader is missing that it could elect, once a follower for which it could confirm.
        let second = match round {
            0 => leader,
            _ => self.other(&[&leader, &node.name])?,
        };
        self.trial.kill(&[second.as_str()]).await?;
        tokio::time::sleep(UNDER_WAY).await;
        let before = self.load.valid();
        tokio::time::sleep(QUIET).await;
        let ordered = self.load.valid() - before;
        if ordered > 0 {
            let name = &node.name;
            self.wrong.push(format!("{ordered} transactions with the vote of the wiped {name}"));
        }
        let second_node = self.node(&second)?;
        self.back(&second_node)?;
        self.votes(&second_node).await?;
        self.load.wait_for(BETWEEN, PATIENCE).await?;
        let standing = participation::standing(self.trial.session(), node, CHANNEL)?;
        if standing.relation != "follower" {
            self.wrong.push(format!("the wiped {} is {standing:?}", node.name));
        }
        self.done
            .push(format!("with {second} down too nothing was ordered for {} s", QUIET.as_secs()));
        Ok(())
    }

    /// Removed and added as its log says, while all others run on: a consenter under a new id, which is answered.
    async fn readmitted(&mut self, node: &NodeEntry, old: u64) -> Outcome<u64> {
        self.note_processes();
        for step in ["remove", "add"] {
            self.trial.run(&["orderer", step, &node.name], PATIENCE).await?;
        }
        self.trial.reopen()?;
        self.votes(node).await?;
        let new = self.id_of(node).await?;
        if new == old {
            self.wrong.push(format!("{} is back under its old Raft id {old}", node.name));
        }
        self.same_processes("a return");
        self.load.wait_for(BETWEEN, PATIENCE).await?;
        Ok(new)
    }

    /// Waits until the node was told that it may not vote and follows; it may not have led meanwhile.
    async fn refused(&mut self, node: &NodeEntry, said: usize) -> Outcome<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = std::fs::read(&node.log_file).unwrap_or_default();
            let told = String::from_utf8_lossy(&log[said.min(log.len())..]).contains(MUST_NOT_VOTE);
            // It has just been started, and may not answer yet.
            let standing = participation::standing(self.trial.session(), node, CHANNEL).ok();
            let follows = standing
                .as_ref()
                .is_some_and(|it| it.relation == "follower" && it.status == "active");
            if told && follows {
                break;
            }
            if Instant::now() >= deadline {
                let cause = format!("it was not told that it may not vote: {standing:?}");
                return Err(Failure::new(Code::Short, cause).at(&node.name));
            }
            tokio::time::sleep(POLL).await;
        }
        if self.trial.leader().await? == node.name {
            self.wrong.push(format!("{} leads without the data that it voted with", node.name));
        }
        Ok(())
    }
}
