//! Group `membership`: two rows of the list of faults on real processes: certificates exchanged while an orderer is down
//! (F27), and a lone orderer that is killed and started (F28).

use std::time::{Duration, Instant};

use bytes::Bytes;
use carecord_ca::Validity;

use super::certificates::transaction;
use crate::acceptance::trial::{BENCH, CHANNEL, Trial, leads};
use crate::acceptance::{Check, Context, Finding};
use crate::bringup::{http_get, now_unix_s};
use crate::codes::Code;
use crate::configuring::{self, Change, broadcast};
use crate::error::{Failure, Outcome};
use crate::pairs;
use crate::renewal;
use crate::state::NodeEntry;

const EXCHANGES: usize = 20;
const RESTARTS: usize = 50;
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);
/// Two election timeouts of the bench network: twice ten ticks of 100 ms.
const TWO_ELECTIONS: Duration = Duration::from_secs(2);
const DAYS: u32 = 10;
/// What the orderers say of a change for which too few of them are there.
const QUORUM: &str = "quorum";

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "exchange-one-down",
        group: "membership",
        goal: "with one of three orderers down its own TLS certificate can be exchanged and no other's, 20 times (F27)",
        work: |context| Box::pin(exchange_one_down(context)),
    },
    Check {
        name: "lone-orderer",
        group: "membership",
        goal: "a lone orderer leads and orders again within two election timeouts of its start, 50 times (F28)",
        work: |context| Box::pin(lone_orderer(context)),
    },
];

async fn exchange_one_down(context: &Context) -> Outcome<Finding> {
    let trial = Trial::up(context, "exchange-one-down", BENCH).await?;
    let rounds = context.scaled(EXCHANGES, 3);
    let (mut taken, mut refused, mut wrong) = (0, 0, Vec::new());
    let orderers: Vec<NodeEntry> = trial.session().file().nodes_of("orderer").cloned().collect();
    for round in 0..rounds {
        let down = &orderers[round % orderers.len()];
        let up = &orderers[(round + 1) % orderers.len()];
        trial.kill(&[&down.name]).await?;
        match exchange_once_unheard(&trial, up, down).await? {
            Err(failure) if failure.to_string().contains(QUORUM) => refused += 1,
            other => wrong.push(format!("{} while {} is down: {other:?}", up.name, down.name)),
        }
        match exchange(&trial, down, down).await? {
            Ok(()) => taken += 1,
            Err(failure) => wrong.push(format!("{} itself: {failure}", down.name)),
        }
        trial.restart().await?;
        trial.agreed().await?;
    }
    let figure = format!(
        "{taken} of {rounds} exchanges of the dead one's taken, {refused} of others' refused"
    );
    let finding = Finding::new(figure, (taken, refused) == (rounds, rounds) && wrong.is_empty());
    let finding = context.scale_remark(finding, &format!("{rounds} rounds"));
    Ok(if wrong.is_empty() { finding } else { finding.remark(wrong.join("; ")) })
}

/// Like [`exchange`], once the leader has noticed that `down` is gone: until then it takes every exchange.
async fn exchange_once_unheard(
    trial: &Trial,
    of: &NodeEntry,
    down: &NodeEntry,
) -> Outcome<Result<(), Failure>> {
    trial.leader().await?;
    tokio::time::sleep(TWO_ELECTIONS).await;
    exchange(trial, of, down).await
}

/// Names a new TLS certificate for `of`; puts it into its files if the orderers take it.
async fn exchange(trial: &Trial, of: &NodeEntry, down: &NodeEntry) -> Outcome<Result<(), Failure>> {
    let session = trial.session();
    let (folder, authority) = renewal::organisation(session, &of.organisation)?;
    let failed = |error: carecord_ca::Error| Failure::new(Code::Renew, error);
    let member = folder.node(&of.name).map_err(failed)?;
    let hosts = [member.full_name(), &of.name, "localhost", "127.0.0.1"].map(str::to_owned);
    let validity = Validity::days_from(now_unix_s(), DAYS);
    let issued = authority.tls(member.full_name(), &hosts, validity).map_err(failed)?;
    let old = crate::state::read_credential(&member.tls_certificate())?;
    let new = Bytes::copy_from_slice(issued.certificate_pem.as_bytes());
    let channel = session.file().channel(Some(CHANNEL))?;
    let nodes = configuring::nodes_of(session, channel);
    let nodes: Vec<&NodeEntry> = nodes.into_iter().filter(|n| n.name != down.name).collect();
    let signers = [session.file().admin(&of.organisation)?];
    let change = Change {
        channel: CHANNEL,
        signers: &signers,
        nodes: &nodes,
        patience: PATIENCE,
        force: true,
    };
    let outcome = configuring::change(session, &change, |root| {
        renewal::exchange(root, &[old.to_vec()], &new)
    });
    if let Err(refused) = outcome.await {
        return Ok(Err(refused));
    }
    pairs::put(&member.tls_certificate(), &member.tls_key(), &issued)?;
    Ok(Ok(()))
}

async fn lone_orderer(context: &Context) -> Outcome<Finding> {
    let trial = Trial::up(context, "lone-orderer", &alone()).await?;
    let rounds = context.scaled(RESTARTS, 5);
    let node = trial.session().file().node("orderer1")?.clone();
    let user = trial.session().file().admin("HospitalA")?.clone();
    let (mut waits, mut since_start) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        trial.leader().await?;
        broadcast(trial.session(), &node, &user, &transaction(&trial, &user).await?).await?;
        trial.kill(&[&node.name]).await?;
        let started = Instant::now();
        trial.spawn(&node)?;
        until(&node, |node| http_get(node, "/metrics").is_ok()).await?;
        let serves = Instant::now();
        until(&node, leads).await?;
        waits.push(serves.elapsed());
        since_start.push(started.elapsed());
    }
    trial.agreed().await?;
    let height = trial.agreed().await?.height;
    waits.sort_unstable();
    since_start.sort_unstable();
    let worst = waits.last().copied().unwrap_or_default();
    let figure = format!(
        "{rounds} restarts: leads {:.2} s (median) to {:.2} s (worst) after it serves, chain of {height} blocks",
        waits[rounds / 2].as_secs_f64(),
        worst.as_secs_f64()
    );
    let finding =
        Finding::new(figure, worst <= TWO_ELECTIONS && height > rounds as u64).remark(format!(
            "{:.2} s (median) to {:.2} s (worst) after the start of the process",
            since_start[rounds / 2].as_secs_f64(),
            since_start[rounds - 1].as_secs_f64()
        ));
    Ok(context.scale_remark(finding, &format!("{rounds} restarts")))
}

/// The bench network with one orderer.
fn alone() -> String {
    let others = ["orderer2", "orderer3"]
        .map(|name| format!("[[nodes]]\nname = \"{name}\"\norganisation = \"Orderer\"\n\n"));
    let text = others.iter().fold(BENCH.to_owned(), |text, other| text.replace(other.as_str(), ""));
    text.replace(", \"orderer2\", \"orderer3\"", "")
}

async fn until(node: &NodeEntry, holds: impl Fn(&NodeEntry) -> bool) -> Outcome<()> {
    let deadline = Instant::now() + PATIENCE;
    while !holds(node) {
        if Instant::now() >= deadline {
            return Err(Failure::new(Code::NodeSlow, "it does not lead").at(&node.name));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}
