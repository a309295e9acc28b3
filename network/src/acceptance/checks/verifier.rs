//! Group `network`: an independent program re-checks the bytes of every node's chain.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use carecord_proto::common::Envelope;
use carecord_proto::msp::SerializedIdentity;
use carecord_proto::{block, envelope};
use prost::Message;

use crate::acceptance::program::Program;
use crate::acceptance::trial::{BENCH, CHANNEL, Trial};
use crate::acceptance::{Check, Context, Finding};
use crate::chain;
use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// Names the program; by default `tools/verify_ledger.py` beside the test data.
const VERIFIER: &str = "CARECORD_VERIFIER";
const TRANSACTIONS: usize = 1_000;
const KEY_KINDS: usize = 3;
const RUNS_MAX: usize = 10;
const PATIENCE: Duration = Duration::from_secs(600);

pub(super) const CHECKS: &[Check] = &[Check {
    name: "verify-ledger",
    group: "network",
    goal: "the independent verifier passes the chain of every node, 1,000 transactions of all key kinds",
    work: |context| Box::pin(verify(context)),
}];

async fn verify(context: &Context) -> Outcome<Finding> {
    let count = context.scaled(TRANSACTIONS, 100);
    let verifier = verifier()?;
    let trial = Trial::up(context, "verify-ledger", BENCH).await?;
    let args =
        ["bench", "submit", "--mixed-keys", "--in-flight", "32", "--seconds", "5", "--quiet"];
    for _ in 0..RUNS_MAX {
        trial.run(&args, PATIENCE).await?;
        if transactions(&trial).await? >= count {
            break;
        }
    }
    let height = trial.agreed().await?.height.to_string();
    let (mut passed, mut kinds, mut wrong) = (0, BTreeSet::new(), Vec::new());
    for node in trial.nodes() {
        let out = context.work.join(format!("{}.blocks", node.name));
        let file = out.display().to_string();
        let args = ["ledger", "export", "--node", &node.name, "--channel", CHANNEL, "--out", &file];
        trial.run(&args, PATIENCE).await?;
        let commit_hash: &[&str] = if node.role == "peer" { &[] } else { &["--no-commit-hash"] };
        let said = Program::new("python3")
            .args([verifier.as_os_str()])
            .args(["--format", "stream", "--blocks", &height, "--transactions"])
            .args([count.to_string()])
            .args(commit_hash)
            .args([&file])
            .run(PATIENCE)
            .await?;
        match said.ok {
            true => passed += 1,
            false => wrong.push(format!("{}: {}", node.name, said.last_words())),
        }
        kinds.extend(key_kinds(&chain::read_export(&out)?));
    }
    let all = trial.nodes().len();
    let ok = passed == all && kinds.len() >= KEY_KINDS;
    let kinds: Vec<String> = kinds.into_iter().collect();
    let figure =
        format!("{passed} of {all} chains pass, {height} blocks, keys {}", kinds.join(" "));
    let finding = context.scale_remark(Finding::new(figure, ok), &format!("{count} transactions"));
    Ok(match wrong.first() {
        Some(first) => finding.remark(first),
        None => finding,
    })
}

fn verifier() -> Outcome<PathBuf> {
    let named = std::env::var_os(VERIFIER).map(PathBuf::from);
    let beside = || {
        let data = crate::acceptance::ledgers::data(".")?;
        Ok(data.join("../tools/verify_ledger.py"))
    };
    let path = named.map_or_else(beside, Ok)?;
    if path.exists() {
        return Ok(path);
    }
    Err(Failure::new(Code::Short, "the independent verifier is missing")
        .at(path.display())
        .hint(format!("name it with {VERIFIER}")))
}

/// Transactions in the chain of the first peer.
async fn transactions(trial: &Trial) -> Outcome<usize> {
    let file = trial.session().file();
    let node = file.nodes_of("peer").next();
    let node = node.ok_or_else(|| Failure::new(Code::Short, "the network has no peer"))?;
    let height = chain::height(trial.session(), node, CHANNEL).await?;
    let mut count = 0;
    let all = chain::Range::Between(0, height - 1);
    chain::stream(trial.session(), node, CHANNEL, all, |block| {
        count += block::envelopes(&block).len();
        Ok(())
    })
    .await?;
    Ok(count)
}

/// Kinds of the keys that signed transactions.
fn key_kinds(blocks: &[carecord_proto::common::Block]) -> BTreeSet<String> {
    blocks.iter().flat_map(block::envelopes).filter_map(key_kind).collect()
}

fn key_kind(bytes: &bytes::Bytes) -> Option<String> {
    let opened = envelope::Opened::open(&Envelope::decode(bytes.clone()).ok()?).ok()?;
    let creator = SerializedIdentity::decode(opened.signature_header.creator).ok()?;
    let (_, pem) = x509_parser::pem::parse_x509_pem(&creator.id_bytes).ok()?;
    let certificate = pem.parse_x509().ok()?;
    let key = certificate.public_key();
    let curve = key.algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
    Some(match curve {
        Some(curve) if curve == x509_parser::oid_registry::OID_EC_P256 => "p256".to_owned(),
        Some(curve) if curve == x509_parser::oid_registry::OID_NIST_EC_P384 => "p384".to_owned(),
        Some(curve) => curve.to_id_string(),
        None if key.algorithm.algorithm == x509_parser::oid_registry::OID_SIG_ED25519 => {
            "ed25519".to_owned()
        }
        None => key.algorithm.algorithm.to_id_string(),
    })
}
