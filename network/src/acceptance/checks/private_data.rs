//! Group `health`: private data reaches its members and nobody else, and goes for good when it is purged; what it costs.

mod load;
mod speed;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use carecord_proto::carecord::privdata::SignedReceipt;
use carecord_proto::common::Block;
use carecord_proto::hash::sha256;
use prost::Message;
use rand::seq::IndexedRandom;

use self::load::{Load, Written};
use crate::acceptance::load as public;
use crate::acceptance::trial::{CHANNEL, DEMO, Trial};
use crate::acceptance::{Check, Context, Finding};
use crate::chain;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::node::config::NodeConfig;
use crate::process::Process;
use crate::receipts::{self, Asked};

const TRANSACTIONS: usize = 10_000;
/// Times that a peer is killed or cut off.
const BLOWS: usize = 10;
/// Keys that are purged.
const PURGED: usize = 20;
/// How long a peer that is cut off hears and says nothing.
const SILENCE: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(600);
/// After its commit, or after a peer that was away has caught up, purged bytes are in no file (decision 0011).
const DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(500);

/// The collections: name, members by organisation, and the peers that run for them.
const COLLECTIONS: [Collection; 3] = [
    Collection { name: "wards", members: &["HospitalA", "HospitalB"], required: 1 },
    Collection { name: "invoices", members: &["HospitalA", "HospitalB", "Insurer"], required: 1 },
    Collection { name: "studies", members: &["Research"], required: 0 },
];
/// The collection of which keys are purged, and the member that is away meanwhile.
const PURGING: (usize, &str) = (1, "insurer");
/// The member that is lost after the purge and restored from what was copied before.
const RESTORED: &str = "hospital-b";

/// The member that makes a snapshot before the purge.
const SNAPSHOT: &str = "hospital-a";

/// A collection of this check.
struct Collection {
    name: &'static str,
    members: &'static [&'static str],
    required: u32,
}

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "private-data",
        group: "health",
        goal: "10,000 private transactions, peers killed and cut off: members have all, others no byte, \
               hashes equal; 60 s after a purge no byte on any disk, receipts hold offline",
        work: |context| Box::pin(private_data(context)),
    },
    Check {
        name: "private-write-speed",
        group: "health",
        goal: "a private write of two members, both endorsing, reaches 0.8 of the speed of a public one",
        work: |context| Box::pin(speed::private_write_speed(context)),
    },
];

async fn private_data(context: &Context) -> Outcome<Finding> {
    let count = context.scaled(TRANSACTIONS, 300);
    let trial = Trial::up(context, "private-data", DEMO).await?;
    deploy(&trial, context, &COLLECTIONS).await?;
    let (written, errors, blows) = write_under_blows(&trial, count).await?;
    trial.agreed().await?;
    let converged = Instant::now();
    let missing = missing(&trial, &written).await?;
    let converged = converged.elapsed();
    let backups = context.work.join("private-data-backups");
    let copied = copy_before(&trial, &backups).await?;
    let purge = purge(&trial, context, &written, &copied).await?;
    let strangers = strangers(&trial)?;
    let ok = written.len() >= count
        && missing.is_empty()
        && strangers.is_empty()
        && purge.left.is_empty()
        && purge.receipts == purge.expected
        && purge.refused;
    let figure = format!(
        "{} VALID over {blows}; members miss {}, {} bytes of others' data at non-members; after the purge of {} keys \
         {} traces, {} of {} receipts hold",
        written.len(),
        missing.len(),
        strangers.len(),
        PURGED.min(written.len()),
        purge.left.len(),
        purge.receipts,
        purge.expected
    );
    let mut finding = Finding::new(figure, ok)
        .remark(format!(
            "members had everything {:.1} s after the last blow",
            converged.as_secs_f64()
        ))
        .remark(format!(
            "the slowest receipt came {:.0} s after its commit",
            purge.slowest.as_secs_f64()
        ))
        .remark(format!("calls that failed meanwhile: {errors}"));
    for wrong in [&missing, &strangers, &purge.left] {
        if let Some(first) = wrong.first() {
            finding = finding.remark(first.clone());
        }
    }
    Ok(context.scale_remark(finding, &format!("{count} transactions")))
}

/// Defines the collections on the chaincode `bench`; members endorse what is written into theirs.
async fn deploy(trial: &Trial, context: &Context, collections: &[Collection]) -> Outcome<()> {
    let json: Vec<_> = collections.iter().map(Collection::json).collect();
    let file = context.work.join("collections.json");
    crate::state::replace_file(&file, serde_json::Value::from(json).to_string().as_bytes())?;
    let file = file.display().to_string();
    let args = ["chaincode", "deploy", "bench", "--collections", &file, "--quiet"];
    trial.run(&args, PATIENCE).await.map(|_| ())
}

/// Writes until `count` transactions are VALID, while peers are killed and cut off in turn at random.
async fn write_under_blows(trial: &Trial, count: usize) -> Outcome<(Vec<Written>, String, String)> {
    let load = Load::start(trial)?;
    let (mut kills, mut cuts) = (0, 0);
    for blow in 1..=BLOWS {
        load.wait_for(count * blow / (BLOWS + 1), PATIENCE).await?;
        let peers: Vec<_> = trial.session().file().nodes_of("peer").cloned().collect();
        let Some(victim) = peers.choose(&mut rand::rng()) else { break };
        if blow % 2 == 0 {
            trial.kill(&[victim.name.as_str()]).await?;
            tokio::time::sleep(SILENCE).await;
            trial.restart().await?;
            kills += 1;
        } else if let Some(process) = Process::of_file(&victim.pid_file) {
            process.freeze();
            tokio::time::sleep(SILENCE).await;
            process.thaw();
            cuts += 1;
        }
    }
    load.wait_for(count, PATIENCE).await?;
    let (written, errors) = load.stop()?;
    Ok((written, errors, format!("{kills} kills and {cuts} cuts")))
}

/// What members still lack when their time is over.
async fn missing(trial: &Trial, written: &[Written]) -> Outcome<Vec<String>> {
    let deadline = Instant::now() + PATIENCE;
    let mut lacking = Vec::new();
    for node in trial.session().file().nodes_of("peer") {
        let contract = public::contract(trial.session(), &node.name)?;
        for one in written.iter().filter(|one| one.of().has(&node.organisation)) {
            let args = [one.of().name.to_owned(), one.key.clone()];
            loop {
                let value = contract.evaluate("getPrivate", args.clone()).await;
                if value.is_ok_and(|value| value == one.value.as_bytes()) {
                    break;
                }
                if Instant::now() >= deadline || lacking.len() > 3 {
                    lacking.push(format!("{} lacks a value of {}", node.name, one.of().name));
                    break;
                }
                tokio::time::sleep(POLL).await;
            }
        }
    }
    Ok(lacking)
}

/// Traces of collections in the folders of peers that are no members, and of orderers.
fn strangers(trial: &Trial) -> Outcome<Vec<String>> {
    let mut traces = Vec::new();
    for node in trial.nodes() {
        let own =
            |collection: &&Collection| node.role != "peer" || !collection.has(&node.organisation);
        for collection in COLLECTIONS.iter().filter(own) {
            let marks = [collection.key_mark(), collection.value_mark()];
            traces.extend(found(&data_dir(node)?, &marks)?);
        }
    }
    // The same look finds what is there: each collection at its members.
    for collection in &COLLECTIONS {
        let node = trial.session().file().peer_of(collection.members[0])?;
        if found(&data_dir(node)?, &[collection.value_mark()])?.is_empty() {
            let cause = format!("the look finds nothing of {} at a member", collection.name);
            return Err(Failure::new(Code::Short, cause));
        }
    }
    Ok(traces)
}

/// Backup of a member, made before the purge; a snapshot of another lies in that one's own folder.
struct Copied {
    backup: PathBuf,
    node: PathBuf,
}

async fn copy_before(trial: &Trial, parent: &Path) -> Outcome<Copied> {
    let _ = std::fs::remove_dir_all(parent);
    std::fs::create_dir_all(parent).map_err(|error| Failure::file(parent, &error))?;
    let to = parent.display().to_string();
    trial
        .run(&["backup", "create", "--node", RESTORED, "--to", &to, "--with-keys"], PATIENCE)
        .await?;
    trial.run(&["snapshot", "create", "--node", SNAPSHOT, "--quiet"], PATIENCE).await?;
    let made = crate::backup::list(parent)?.pop();
    let made = made.ok_or_else(|| Failure::new(Code::Short, "no backup is there"))?;
    let node = trial.session().file().node(RESTORED)?;
    let folder = node.config_file.parent().map(Path::to_owned);
    let folder = folder.ok_or_else(|| Failure::new(Code::Short, "the node has no folder"))?;
    Ok(Copied { backup: made.folder, node: folder })
}

/// What came of the purge.
#[derive(Default)]
struct Purge {
    /// Traces of purged keys or values in any node's folder.
    left: Vec<String>,
    /// Receipts that say that nothing is left and that hold offline, and how many should.
    receipts: usize,
    expected: usize,
    /// Whether a receipt with one changed bit is refused.
    refused: bool,
    slowest: Duration,
}

async fn purge(
    trial: &Trial,
    context: &Context,
    written: &[Written],
    copied: &Copied,
) -> Outcome<Purge> {
    let (collection, away) = PURGING;
    let of = &COLLECTIONS[collection];
    let purged: Vec<_> =
        written.iter().filter(|one| one.collection == collection).take(PURGED).collect();
    let marks: Vec<String> =
        purged.iter().flat_map(|one| [one.key.clone(), one.value.clone()]).collect();
    trial.kill(&[away]).await?;
    let contract = public::contract(trial.session(), "hospital-a")?;
    for one in &purged {
        let proposal = contract
            .proposal("purgePrivate")
            .arguments([of.name])
            .transient("key", one.key.clone())
            .organisations(["HospitalAMSP"]);
        let failed = |error| crate::session::from_sdk(&error);
        let transaction = proposal.build().map_err(failed)?.endorse().await.map_err(failed)?;
        let commit = transaction.submit().await.map_err(failed)?;
        commit.wait_valid().await.map_err(failed)?;
    }
    let mut result = Purge::default();
    let committed = Instant::now();
    trial.restart().await?;
    trial.agreed().await?;
    receipts_of(trial, context, &purged, committed, &mut result).await?;
    for node in trial.nodes() {
        result.left.extend(found(&data_dir(node)?, &marks)?);
    }
    restore(trial, copied, &marks, &mut result).await?;
    Ok(result)
}

/// A member comes back from a backup that has the purged values: they go again.
async fn restore(
    trial: &Trial,
    copied: &Copied,
    marks: &[String],
    result: &mut Purge,
) -> Outcome<()> {
    trial.kill(&[RESTORED]).await?;
    std::fs::remove_dir_all(&copied.node).map_err(|error| Failure::file(&copied.node, &error))?;
    let (from, to) = (copied.backup.display().to_string(), copied.node.display().to_string());
    trial.program(&["backup", "restore", "--from", &from, "--to", &to]).succeed(PATIENCE).await?;
    let node = trial.session().file().node(RESTORED)?;
    if found(&data_dir(node)?, marks)?.is_empty() {
        return Err(Failure::new(Code::Short, "the restored backup does not have what was purged"));
    }
    trial.restart().await?;
    trial.agreed().await?;
    tokio::time::sleep(DEADLINE).await;
    result.left.extend(found(&data_dir(node)?, marks)?);
    Ok(())
}

/// Has every peer sign for every purged key, within the deadline, and checks the receipts with the program, offline.
async fn receipts_of(
    trial: &Trial,
    context: &Context,
    purged: &[&Written],
    committed: Instant,
    result: &mut Purge,
) -> Outcome<()> {
    let session = trial.session();
    let folder = context.work.join("private-data-receipts");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, &error))?;
    let genesis = &session.file().channel(Some(CHANNEL))?.genesis_file;
    for node in session.file().nodes_of("peer") {
        let user = session.file().admin(&node.organisation)?;
        for one in purged {
            result.expected += 1;
            let asked = Asked {
                channel: CHANNEL,
                chaincode: "bench",
                collection: one.of().name,
                key_hash: sha256(&[one.key.as_bytes()]),
            };
            let signed = loop {
                let signed = receipts::ask(session, node, user, &asked).await?;
                let said =
                    carecord_proto::carecord::privdata::Receipt::decode(signed.receipt.clone());
                let gone = said.is_ok_and(|receipt| receipts::says_gone(&receipt));
                if gone || committed.elapsed() > DEADLINE + DEADLINE {
                    break signed;
                }
                tokio::time::sleep(POLL).await;
            };
            result.slowest = result.slowest.max(committed.elapsed());
            result.receipts +=
                usize::from(holds(trial, &signed, &folder, genesis, &node.name).await?);
            result.refused = !holds(trial, &changed(&signed), &folder, genesis, &node.name).await?;
        }
    }
    Ok(())
}

/// Whether the program, given files alone, says that a receipt holds and that the key is gone.
async fn holds(
    trial: &Trial,
    signed: &SignedReceipt,
    folder: &Path,
    genesis: &Path,
    node: &str,
) -> Outcome<bool> {
    let (path, block) = (folder.join("one.receipt"), folder.join("one.block"));
    crate::state::replace_file(&path, &signed.encode_to_vec())?;
    let receipt = carecord_proto::carecord::privdata::Receipt::decode(signed.receipt.clone());
    let purge = receipt.ok().and_then(|receipt| receipt.purge);
    if let Some(purge) = purge {
        let session = trial.session();
        let from = session.file().node(node)?;
        let found: Block = chain::block(session, from, CHANNEL, purge.block).await?;
        crate::state::replace_file(&block, &found.encode_to_vec())?;
    }
    let [path, block, genesis] = [&path, &block, genesis].map(|path| path.display().to_string());
    let args = ["private", "verify", &path, "--config", &genesis, "--block", &block, "-o", "json"];
    let said = trial.program(&args).run(PATIENCE).await?;
    Ok(said.out.contains("\"gone\":true") || said.out.contains("\"gone\": true"))
}

fn changed(signed: &SignedReceipt) -> SignedReceipt {
    let mut bytes = signed.receipt.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    SignedReceipt { receipt: bytes.into(), signature: signed.signature.clone() }
}

fn data_dir(node: &crate::state::NodeEntry) -> Outcome<PathBuf> {
    Ok(NodeConfig::load(&node.config_file)?.data_dir)
}

/// Files below `folder` that hold one of these texts, as it is or in hexadecimal; the name of the file alone is told.
fn found(folder: &Path, marks: &[String]) -> Outcome<Vec<String>> {
    let hex: Vec<String> = marks.iter().map(hex::encode).collect();
    let spellings = marks.iter().chain(&hex).map(String::as_bytes);
    let automaton = aho_corasick::AhoCorasick::new(spellings)
        .map_err(|error| Failure::new(Code::Short, error))?;
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| Failure::file(&folder, &error))?;
        for entry in entries.filter_map(Result::ok) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path)
                && automaton.is_match(&bytes)
            {
                files.push(path.display().to_string());
            }
        }
    }
    Ok(files)
}

// === impl Collection ===

impl Collection {
    fn has(&self, organisation: &str) -> bool {
        self.members.contains(&organisation)
    }

    /// In front of every key; in no public part of anything.
    fn key_mark(&self) -> String {
        format!("pdkey-{}-", self.name)
    }

    /// In front of every value.
    fn value_mark(&self) -> String {
        format!("pdvalue-{}-", self.name)
    }

    fn json(&self) -> serde_json::Value {
        let of = |role: &str| {
            let members = self.members.iter().map(|member| format!("'{member}MSP.{role}'"));
            format!("OR({})", members.collect::<Vec<_>>().join(","))
        };
        serde_json::json!({
            "name": self.name, "policy": of("member"), "requiredPeerCount": self.required,
            "maxPeerCount": 3, "endorsementPolicy": { "signaturePolicy": of("peer") },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_finds_plain_and_hexadecimal_text_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("deep")).unwrap();
        std::fs::write(dir.path().join("deep/plain"), b"\0a-mark\0").unwrap();
        std::fs::write(dir.path().join("hex"), hex::encode("a-mark")).unwrap();
        std::fs::write(dir.path().join("other"), b"a-mar").unwrap();
        assert_eq!(found(dir.path(), &["a-mark".to_owned()]).unwrap().len(), 2);
        assert!(found(dir.path(), &["b-mark".to_owned()]).unwrap().is_empty());
    }
}
