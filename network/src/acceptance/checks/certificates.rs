//! Group `membership`: certificates over time, on a network of real processes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use carecord_comm::protos::endorser_client::EndorserClient;
use carecord_proto::common::Envelope;
use carecord_proto::protos::SignedProposal;
use prost::Message;

use crate::acceptance::chains::judge;
use crate::acceptance::load::Load;
use crate::acceptance::trial::{BENCH, CHANNEL, Trial};
use crate::acceptance::{Check, Context, Finding};
use crate::certificates::Certificate;
use crate::chain::{self, Range};
use crate::codes::Code;
use crate::configuring::broadcast;
use crate::error::{Failure, Outcome};
use crate::state::{NodeEntry, UserEntry};

const CLIENTS: usize = 12;
const BETWEEN: u64 = 400;
const PATIENCE: Duration = Duration::from_secs(120);
const RENEWAL: Duration = Duration::from_secs(600);
/// Where the user of the bench network comes from who is revoked.
const REVOKED: &str = "client-a";

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "rotate-under-load",
        group: "membership",
        goal: "every TLS and signing certificate of every node exchanged: none lost, none doubled, commit hashes equal",
        work: |context| Box::pin(rotate(context)),
    },
    Check {
        name: "revoked-everywhere",
        group: "membership",
        goal: "a revoked user is refused at gateway, endorser, orderer and deliver with the block of the list",
        work: |context| Box::pin(revoked(context)),
    },
];

async fn rotate(context: &Context) -> Outcome<Finding> {
    let trial = Trial::up(context, "rotate-under-load", BENCH).await?;
    let before = in_force(&trial)?;
    let load = Load::start(&trial, CLIENTS, &[])?;
    load.wait_for(BETWEEN, PATIENCE).await?;
    load.longest_pause();
    let (begun, count) = (Instant::now(), load.valid());
    trial.run(&["cert", "renew", "--all"], RENEWAL).await?;
    let took = begun.elapsed();
    let rate = (load.valid() - count) as f64 / took.as_secs_f64();
    load.wait_for(BETWEEN, PATIENCE).await?;
    let (pause, errors) = (load.longest_pause(), load.errors());
    let after = in_force(&trial)?;
    let kept = before.iter().filter(|(path, print)| after.get(*path) == Some(print)).count();
    let verdict = judge(&trial, &load.stop()?).await?;
    // What is in force must also be what a node starts with.
    let names: Vec<String> = trial.nodes().iter().map(|node| node.name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    trial.kill(&names).await?;
    trial.restart().await?;
    trial.agreed().await?;
    let figure = format!(
        "{} certificates of {} nodes exchanged in {:.0} s at {rate:.0} tx/s: {verdict}",
        after.len() - kept,
        trial.nodes().len(),
        took.as_secs_f64()
    );
    let finding = Finding::new(figure, verdict.ok() && kept == 0)
        .remark(format!("longest wait for a commit meanwhile: {:.1} s", pause.as_secs_f64()))
        .remark(format!("calls that failed meanwhile: {errors}"));
    Ok(match verdict.wrong() {
        Some(wrong) => finding.remark(wrong),
        None => finding,
    })
}

/// The certificates that the nodes' files hold, by path.
pub(super) fn in_force(trial: &Trial) -> Outcome<BTreeMap<PathBuf, String>> {
    let mut found = BTreeMap::new();
    for node in trial.nodes() {
        let config = crate::node::config::NodeConfig::load(&node.config_file)?;
        let below = crate::certificates::below(&config.msp_dir.join("signcerts"))
            .map_err(|error| Failure::file(&config.msp_dir, &error))?;
        found.extend(below.into_iter().map(|(path, one)| (path, one.fingerprint)));
        let text = crate::state::read_credential(&config.tls.certificate)?;
        let own = Certificate::of_pem(&text).into_iter().next();
        found.extend(own.map(|one| (config.tls.certificate.clone(), one.fingerprint)));
    }
    Ok(found)
}

/// Whether somebody is served, by where.
pub(super) type Served = Vec<(String, bool)>;

async fn revoked(context: &Context) -> Outcome<Finding> {
    let trial = Trial::up(context, "revoked-everywhere", BENCH).await?;
    let file = trial.session().file();
    let user = file.user(REVOKED)?.clone();
    let before = everywhere(&trial, &user, transaction(&trial, &user).await?).await?;
    // Endorsed while it could be, for the orderers; and one that nobody revokes, to see that they go on.
    let late = transaction(&trial, &user).await?;
    trial.run(&["cert", "revoke", "--user", REVOKED], PATIENCE).await?;
    let after = everywhere(&trial, &user, late).await?;
    let other = file.admin(&user.organisation)?.clone();
    let spared = everywhere(&trial, &other, transaction(&trial, &other).await?).await?;
    let refused = after.iter().filter(|(_, served)| !served).count();
    let wrong: Vec<String> =
        [("before", &before, true), ("after", &after, false), ("others", &spared, true)]
            .iter()
            .flat_map(|(when, list, wanted)| {
                let wrong = list.iter().filter(move |(_, served)| served != wanted);
                wrong.map(move |(place, _)| format!("{place} {when}"))
            })
            .collect();
    let figure = format!("refused at {refused} of {} places once the block was there", after.len());
    let finding = Finding::new(figure, wrong.is_empty());
    Ok(if wrong.is_empty() { finding } else { finding.remark(wrong.join(", ")) })
}

/// An envelope that an orderer takes, signed by `user`.
pub(super) async fn transaction(trial: &Trial, user: &UserEntry) -> Outcome<Envelope> {
    let signer = trial.session().signer(user)?;
    let nonce = Bytes::from(rand::random::<[u8; 24]>().to_vec());
    let creator = signer.serialized();
    let header = carecord_proto::common::ChannelHeader {
        r#type: carecord_proto::common::HeaderType::EndorserTransaction as i32,
        channel_id: CHANNEL.to_owned(),
        tx_id: carecord_proto::envelope::tx_id(&nonce, &creator),
        timestamp: Some(prost_types::Timestamp { seconds: crate::bringup::now_unix_s(), nanos: 0 }),
        ..Default::default()
    };
    let signature = carecord_proto::common::SignatureHeader { creator, nonce };
    let data = Bytes::from_static(b"no transaction, which is the peers' matter");
    let payload = carecord_proto::envelope::payload(&header, &signature, data);
    let failed = |error| Failure::new(Code::Short, error);
    let signature = signer.sign(&payload).map_err(failed)?.into();
    Ok(Envelope { payload, signature })
}

/// Every place that knows people, asked once each.
pub(super) async fn everywhere(
    trial: &Trial,
    user: &UserEntry,
    envelope: Envelope,
) -> Outcome<Served> {
    let mut served = Vec::new();
    for node in trial.nodes().iter().filter(|node| node.role != "ca") {
        let mut note = |what: &str, is: bool| served.push((format!("{what} of {}", node.name), is));
        note("deliver", reads(trial, node, user).await);
        if node.role == "orderer" {
            let sent = broadcast(trial.session(), node, user, &envelope).await;
            note("broadcast", sent.is_ok());
        } else {
            let gateway = trial.session().gateway(user, Some(&node.name))?;
            let bench = gateway.network(CHANNEL).contract("bench");
            let put = ["k", "v"];
            note("gateway evaluate", bench.evaluate("put", put).await.is_ok());
            let endorsed = match bench.proposal("put").arguments(put).build() {
                Ok(proposal) => proposal.endorse().await.is_ok(),
                Err(_) => false,
            };
            note("gateway endorse", endorsed);
            note("endorser", endorses(trial, node, user).await?);
        }
    }
    Ok(served)
}

async fn reads(trial: &Trial, node: &NodeEntry, user: &UserEntry) -> bool {
    let range = Range::Newest;
    chain::stream_as(trial.session(), node, user, CHANNEL, range, |_| Ok(())).await.is_ok()
}

/// Asks the endorser itself, past the gateway.
async fn endorses(trial: &Trial, node: &NodeEntry, user: &UserEntry) -> Outcome<bool> {
    let signer = trial.session().signer(user)?;
    let nonce = Bytes::from(rand::random::<[u8; 24]>().to_vec());
    let args = ["put", "k", "v"].map(Bytes::from).to_vec();
    let now = prost_types::Timestamp { seconds: crate::bringup::now_unix_s(), nanos: 0 };
    let (proposal, _) = carecord_proto::proposal::build(
        CHANNEL,
        "bench",
        args,
        BTreeMap::new(),
        signer.serialized(),
        nonce,
        now,
    );
    let proposal_bytes = Bytes::from(proposal.encode_to_vec());
    let failed = |error| Failure::new(Code::Short, error);
    let signature = signer.sign(&proposal_bytes).map_err(failed)?.into();
    let signed = SignedProposal { proposal_bytes, signature };
    let mut client = EndorserClient::new(trial.session().connect(node, user)?);
    let answer = client.process_proposal(signed).await;
    Ok(answer.is_ok_and(|answer| {
        answer.into_inner().response.is_some_and(|response| response.status == 200)
    }))
}
