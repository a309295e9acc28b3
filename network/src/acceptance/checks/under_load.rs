//! Group `membership`: everything that an operator changes in the life of a network, in one run, under load.
//!
//! Issue's line: certificates rotated, each orderer replaced, one wiped and rejoined, leadership moved 20 times, a snapshot
//! taken and a new peer joined from it, at 200 transactions a second.

mod around;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::certificates::in_force;
use crate::acceptance::chains::judge_without_chain_of;
use crate::acceptance::load::{Load, steady};
use crate::acceptance::trial::{BENCH, CHANNEL, Trial};
use crate::acceptance::{Check, Context, Finding};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::participation;
use crate::snapshots::{self, Snapshots};
use crate::state::NetworkDir;
use around::{ids, newcomer};

/// Transactions each second, and how much less may have become VALID over the whole run.
const RATE: u64 = 200;
const RATE_SHARE_MIN: f64 = 0.95;
/// Transactions that become VALID before the first phase and after each.
const BETWEEN: usize = 1_000;
const MOVES: usize = 20;
/// Moves that may fail, and be asked for again, before the check gives up.
const REFUSALS_MAX: usize = 2;
/// The same between two moves of leadership.
const BETWEEN_MOVES: u64 = 50;
const PATIENCE: Duration = Duration::from_secs(300);
/// Whose snapshot is taken, and the new peer of the same organisation.
const SOURCE: &str = "hospital-a";
const NEW: &str = "hospital-a2";

pub(super) const CHECKS: &[Check] = &[Check {
    name: "membership-under-load",
    group: "membership",
    goal: "at 200 tx/s all certificates rotated, each orderer replaced, one wiped and rejoined, leadership moved 20 \
           times, a new peer from a snapshot: every transaction VALID once with at most 3 resends",
    work: |context| Box::pin(under_load(context)),
}];

/// The network, its load, and what the phases came to.
struct Run {
    trial: Trial,
    load: Load,
    between: u64,
    phases: Vec<String>,
    wrong: Vec<String>,
    processes: BTreeMap<String, i32>,
}

async fn under_load(context: &Context) -> Outcome<Finding> {
    let trial = Trial::up(context, "membership-under-load", BENCH).await?;
    let moves = context.scaled(MOVES, 4);
    let between = context.scaled(BETWEEN, 100) as u64;
    let load = Load::steady(&trial, RATE)?;
    let begun = Instant::now();
    let (phases, wrong) = (Vec::new(), Vec::new());
    let processes = BTreeMap::new();
    let mut run = Run { trial, load, between, phases, wrong, processes };
    run.note_processes();
    run.load.wait_for(between, PATIENCE).await?;
    run.load.longest_pause();
    run.rotate().await?;
    run.replace().await?;
    run.wipe().await?;
    run.lead(moves).await?;
    run.snapshot().await?;
    let rate = run.load.valid() as f64 / begun.elapsed().as_secs_f64();
    let Run { trial, load, phases, mut wrong, .. } = run;
    let errors = load.errors();
    let (log, resends) = load.stop_and_count()?;
    let verdict = judge_without_chain_of(&trial, &log, NEW).await?;
    if rate < RATE as f64 * RATE_SHARE_MIN {
        wrong.push(format!("{rate:.0} tx/s became VALID instead of {RATE}"));
    }
    wrong.extend(verdict.wrong());
    let ok = wrong.is_empty() && verdict.ok() && verdict.valid == verdict.sent;
    let figure = format!("{} sent at {rate:.0} tx/s; {verdict}", verdict.sent);
    let finding = Finding::new(figure, ok)
        .remark(phases.join("; "))
        .remark(format!("VALID after 0 to {} resends: {resends:?}", steady::RESENDS_MAX))
        .remark(format!("calls that failed meanwhile: {errors}"));
    let finding =
        context.scale_remark(finding, &format!("{moves} moves, {between} between phases"));
    Ok(if wrong.is_empty() { finding } else { finding.remark(wrong.join("; ")) })
}

// === impl Run: phases ===

impl Run {
    async fn rotate(&mut self) -> Outcome<()> {
        let before = in_force(&self.trial)?;
        let begun = self.begin();
        self.trial.run(&["cert", "renew", "--all"], PATIENCE).await?;
        let after = in_force(&self.trial)?;
        let kept = before.iter().filter(|(path, print)| after.get(*path) == Some(print)).count();
        if kept > 0 {
            self.wrong.push(format!("{kept} certificates were not rotated"));
        }
        self.same_processes("rotation");
        self.end(begun, &format!("{} certificates rotated", after.len() - kept)).await
    }

    /// Each orderer in turn gives way to one with other certificates, an empty folder and a Raft id of its own.
    async fn replace(&mut self) -> Outcome<()> {
        let before = self.consenters().await?;
        let old = self.orderers()?;
        let begun = self.begin();
        for (index, name) in old.iter().enumerate() {
            let new = format!("orderer{}", old.len() + index + 1);
            self.trial.run(&["orderer", "replace", name, "--with", &new], PATIENCE).await?;
            self.trial.reopen()?;
            self.load.wait_for(self.between, PATIENCE).await?;
        }
        let after = self.consenters().await?;
        let kept = ids(&after).into_iter().filter(|id| ids(&before).contains(id)).count();
        if kept > 0 || after.consenters.len() != before.consenters.len() {
            self.wrong.push(format!("after the replacements {kept} Raft ids are old: {after:?}"));
        }
        self.note_processes();
        let what = format!(
            "{} orderers replaced, Raft ids {:?} to {:?}",
            old.len(),
            ids(&before),
            ids(&after)
        );
        self.end(begun, &what).await
    }

    /// The leader loses its data of the channel: it is to follow until the configuration takes it in again.
    async fn wipe(&mut self) -> Outcome<()> {
        let name = self.trial.leader().await?;
        let node = self.trial.session().file().node(&name)?.clone();
        let begun = self.begin();
        self.trial.kill(&[name.as_str()]).await?;
        let folder = node.data_dir.join(CHANNEL);
        std::fs::remove_dir_all(&folder).map_err(|error| Failure::file(&folder, &error))?;
        let said = std::fs::metadata(&node.log_file).map_or(0, |file| file.len());
        self.trial.spawn(&node)?;
        self.note_processes();
        let old_id = self.id_of(&node).await?;
        self.hand_block(&node).await?;
        let standing = self.refused(&node, said).await?;
        self.load.wait_for(self.between, PATIENCE).await?;
        let still = participation::standing(self.trial.session(), &node, CHANNEL)?;
        if (&*standing.relation, &*still.relation) != ("follower", "follower") {
            self.wrong.push(format!("the wiped {name} is {still:?}"));
        }
        if self.trial.leader().await? == name {
            self.wrong.push(format!("{name} leads without the data that it voted with"));
        }
        self.trial.run(&["orderer", "remove", &name], PATIENCE).await?;
        self.trial.run(&["orderer", "add", &name], PATIENCE).await?;
        self.trial.reopen()?;
        let new_id = self.id_of(&node).await?;
        if old_id.is_none() || new_id.is_none() || new_id == old_id {
            self.wrong.push(format!("{name} had Raft id {old_id:?} and has {new_id:?}"));
        }
        self.same_processes("the wiped orderer's return");
        let (old, new) = (old_id.unwrap_or_default(), new_id.unwrap_or_default());
        let what = format!("leader {name} wiped, follower, back, Raft id {old} to {new}");
        self.end(begun, &what).await
    }

    async fn lead(&mut self, moves: usize) -> Outcome<()> {
        let orderers = self.orderers()?;
        let begun = self.begin();
        let (mut moved, mut refusals) = (0, Vec::new());
        for round in 0.. {
            if moved == moves {
                break;
            }
            let to = &orderers[round % orderers.len()];
            if self.trial.leader().await? == *to {
                continue;
            }
            // An orderer that cannot hand over says so, and its operator asks again; how often is in the report.
            let ask = self.trial.carecord(&["orderer", "transfer-leader", "--to", to]);
            let said = ask.run(PATIENCE).await?;
            if !said.ok {
                refusals.push(said.last_words());
                if refusals.len() > REFUSALS_MAX {
                    return Err(Failure::new(Code::Short, refusals.join("; ")));
                }
                continue;
            }
            moved += 1;
            self.load.wait_for(BETWEEN_MOVES, PATIENCE).await?;
        }
        self.end(begun, &format!("leadership moved {moved} times, asked again {refusals:?}")).await
    }

    async fn snapshot(&mut self) -> Outcome<()> {
        let begun = self.begin();
        let source = self.trial.session().file().node(SOURCE)?;
        let shown = Snapshots::of(self.trial.session(), source, CHANNEL)?.make(0, PATIENCE).await?;
        let organisation = source.organisation.clone();
        let newcomer = newcomer(&self.trial, &organisation)?;
        crate::bringup::add_nodes(&NetworkDir::new(self.trial.dir())?, &newcomer)?;
        self.trial.reopen()?;
        let node = self.trial.session().file().node(NEW)?;
        self.trial.spawn(node)?;
        self.healthy(node).await?;
        let joined = snapshots::join(self.trial.session(), node, &shown.folder).await?;
        self.same_processes("the new peer");
        let what = format!("{NEW} joined from a snapshot of block {}", joined.block);
        self.end(begun, &what).await
    }
}
