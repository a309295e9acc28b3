//! Group `membership`: a new peer begins with a snapshot taken under load; a lost peer comes back from a backup.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::acceptance::chains::{judge, judge_without_chain_of};
use crate::acceptance::load::Load;
use crate::acceptance::program::Program;
use crate::acceptance::trial::{DEMO, Trial};
use crate::acceptance::{Check, Context, Finding};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::snapshots::{self, Shown, Snapshots};
use crate::state::NodeEntry;

const CLIENTS: usize = 16;
const PATIENCE: Duration = Duration::from_secs(600);
/// Transactions before a snapshot or backup, and after it.
const BEFORE: usize = 2_000;
const AFTER: usize = 1_000;
/// Blocks ahead of the tip of which two peers make a snapshot each.
const AHEAD: u64 = 10;
const CHANNEL: &str = crate::acceptance::trial::CHANNEL;
/// The peer that is new, or lost; the other three organisations are a majority.
const NEW: &str = "research";
const PRESENT: [&str; 3] = ["hospital-a", "hospital-b", "insurer"];

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "snapshot-join",
        group: "membership",
        goal: "under load two peers make equal snapshots of one block, and a peer that begins with one ends with the \
               commit hash of the others",
        work: |context| Box::pin(snapshot_join(context)),
    },
    Check {
        name: "backup-restore",
        group: "membership",
        goal: "a peer copied under load, lost and restored ends with the chain of the others, and a record stored \
               before opens from its vault",
        work: |context| Box::pin(backup_restore(context)),
    },
];

async fn snapshot_join(context: &Context) -> Outcome<Finding> {
    let (before, after) = (context.scaled(BEFORE, 100), context.scaled(AFTER, 100));
    let trial = Trial::up(context, "snapshot-join", DEMO).await?;
    trial.kill(&[NEW]).await?;
    let node = trial.session().file().node(NEW)?;
    remove(&node.data_dir)?;
    let load = Load::start(&trial, CLIENTS, &PRESENT)?;
    load.wait_for(before as u64, PATIENCE).await?;
    load.longest_pause();
    let begun = Instant::now();
    let valid = load.valid();
    let (one, other) = twins(&trial).await?;
    let shown = make(&trial, PRESENT[0]).await?;
    let rate = (load.valid() - valid) as f64 / begun.elapsed().as_secs_f64();
    let pause = load.longest_pause();
    let joined = snapshots::join(trial.session(), node, &shown.folder).await?;
    trial.restart().await?;
    load.wait_for(after as u64, PATIENCE).await?;
    let log = load.stop()?;
    let verdict = judge_without_chain_of(&trial, &log, NEW).await?;
    let equal = one.hash == other.hash;
    let ok = verdict.ok() && equal && joined.block > 0 && verdict.valid >= before + after;
    let figure = format!(
        "joined after block {}, snapshots of block {} {}; {verdict}",
        joined.block,
        one.block,
        if equal { "equal" } else { "differ" },
    );
    let finding = context
        .scale_remark(Finding::new(figure, ok), &format!("{} transactions", before + after))
        .remark(format!(
            "{rate:.0} tx/s and a longest pause of {} ms while snapshots were made; {} bytes",
            pause.as_millis(),
            shown.bytes
        ));
    Ok(match verdict.wrong() {
        Some(wrong) => finding.remark(wrong),
        None => finding,
    })
}

/// Snapshots of one block still to come, by two peers.
async fn twins(trial: &Trial) -> Outcome<(Shown, Shown)> {
    let session = trial.session();
    let at = |peer: &str| Snapshots::of(session, session.file().node(peer)?, CHANNEL);
    let (one, other) = (at(PRESENT[0])?, at(PRESENT[1])?);
    let height = crate::chain::height(session, session.file().node(PRESENT[0])?, CHANNEL).await?;
    let block = height + AHEAD;
    let (one, other) =
        futures::future::join(one.make(block, PATIENCE), other.make(block, PATIENCE)).await;
    Ok((one?, other?))
}

async fn make(trial: &Trial, peer: &str) -> Outcome<Shown> {
    let session = trial.session();
    Snapshots::of(session, session.file().node(peer)?, CHANNEL)?.make(0, PATIENCE).await
}

async fn backup_restore(context: &Context) -> Outcome<Finding> {
    let (before, after) = (context.scaled(BEFORE, 100), context.scaled(AFTER, 100));
    let dir = context.work.join("backup-restore");
    crate::acceptance::trial::end_all(&dir);
    remove(&dir)?;
    // The demonstration stores records, so that there is something in the vaults.
    Program::new(&context.binary)
        .args(["demo", "--quiet", "--keep", "--patients", "1", "--dir"])
        .args([&dir])
        .succeed(PATIENCE)
        .await?;
    let trial = Trial::adopt(context, &dir)?;
    let record = record(&trial).await?;
    let lost = trial.session().file().peer_of(&record.organisation)?.clone();
    let load = Load::start(&trial, CLIENTS, &[])?;
    load.wait_for(before as u64, PATIENCE).await?;
    let parent = context.work.join("backups");
    remove(&parent)?;
    std::fs::create_dir_all(&parent).map_err(|error| Failure::file(&parent, &error))?;
    let begun = Instant::now();
    let listed = create(&trial, &lost.name, &parent).await?;
    let took = begun.elapsed();
    let orderer = trial.leader().await?;
    create(&trial, &orderer, &parent).await?;
    load.wait_for(after as u64, PATIENCE).await?;
    let log = load.stop()?;
    trial.kill(&[lost.name.as_str()]).await?;
    let own = folder(&lost)?;
    remove(&own)?;
    let (from, to) = (listed.folder.display().to_string(), own.display().to_string());
    Program::new(&context.binary)
        .args(["backup", "restore", "--from", &from, "--to", &to])
        .succeed(PATIENCE)
        .await?;
    trial.restart().await?;
    let verdict = judge(&trial, &log).await?;
    let opened = record.open(&trial).await?;
    let ok = verdict.ok() && opened > 0 && verdict.valid >= before;
    let figure = format!("{} restored, a record of {opened} bytes opens; {verdict}", lost.name);
    let finding = context
        .scale_remark(Finding::new(figure, ok), &format!("{} transactions", before + after))
        .remark(format!(
            "{} files with {} bytes copied in {:.1} s under load; the leading orderer too",
            listed.manifest.files.len(),
            listed.manifest.bytes(),
            took.as_secs_f64()
        ));
    Ok(match verdict.wrong() {
        Some(wrong) => finding.remark(wrong),
        None => finding,
    })
}

/// Makes a backup with the command, as an operator does, and looks at it.
async fn create(trial: &Trial, node: &str, parent: &Path) -> Outcome<crate::backup::Listed> {
    let to = parent.display().to_string();
    let args = ["backup", "create", "--node", node, "--to", &to, "--with-keys"];
    trial.run(&args, PATIENCE).await?;
    let made = crate::backup::list(parent)?.into_iter().find(|it| it.manifest.node == node);
    let made = made.ok_or_else(|| Failure::new(Code::Short, "no backup is there").at(node))?;
    crate::backup::verify(&made.folder)?;
    Ok(made)
}

/// A record in a vault, and whose it is.
struct Record {
    id: String,
    patient: String,
    organisation: String,
}

#[derive(Deserialize)]
struct Records {
    records: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
}

async fn record(trial: &Trial) -> Outcome<Record> {
    let file = trial.session().file();
    for user in file.users.iter().filter(|user| user.role.as_deref() == Some("patient")) {
        let patient = file.full_name(user);
        let args = ["record", "list", "--as", &patient, "-o", "json", "--quiet"];
        let said = trial.carecord(&args).run(PATIENCE).await?;
        let Ok(found) = serde_json::from_str::<Records>(&said.out) else { continue };
        if let Some(entry) = found.records.into_iter().next() {
            let organisation = user.organisation.clone();
            return Ok(Record { id: entry.id, patient, organisation });
        }
    }
    Err(Failure::new(Code::Short, "the demonstration has left no record"))
}

impl Record {
    /// Opens it as its patient does; gives its length.
    async fn open(&self, trial: &Trial) -> Outcome<u64> {
        let out = trial.dir().join("opened");
        let path = out.display().to_string();
        let args = [
            "record",
            "open",
            "--as",
            &self.patient,
            "--purpose",
            "PATRQT",
            &self.id,
            "--out",
            &path,
        ];
        trial.run(&args, PATIENCE).await?;
        Ok(std::fs::metadata(&out).map_err(|error| Failure::file(&out, &error))?.len())
    }
}

/// The folder of everything that is a node's own.
fn folder(node: &NodeEntry) -> Outcome<PathBuf> {
    let parent = node.config_file.parent();
    parent.map(Path::to_owned).ok_or_else(|| Failure::new(Code::Short, "it has no folder"))
}

fn remove(path: &Path) -> Outcome<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::file(path, &error))
        }
        _ => Ok(()),
    }
}
