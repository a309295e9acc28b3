//! Write sets that did not arrive, fetched from members' peers.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use carecord_ledger::{Missing, Prefetched};
use carecord_proto::carecord::privdata::{Digest, PullRequest};
use rand::seq::SliceRandom;

use super::{
    limits::{FETCH_TIMEOUT, MAX_DIGESTS},
    signed::{header, sign},
};
use crate::{channel::Channel, peer::Peer, remote::RemotePeer};

/// Fetches what a block needs and this peer has not, for a second at most; whatever is found waits for the commit.
pub(crate) async fn fetch_wanted(
    peer: &Arc<Peer>,
    channel: &Arc<Channel>,
    number: u64,
    prefetched: &Prefetched,
) -> Result<(), carecord_ledger::Error> {
    if !prefetched.has_private_writes() {
        return Ok(());
    }
    let metrics = &peer.config().metrics.private_data;
    let (started, ledger) = (Instant::now(), Arc::clone(channel.ledger()));
    let prefetched = prefetched.clone();
    let listed = tokio::task::spawn_blocking(move || ledger.wanted(number, &prefetched)).await;
    // A task that panicked found nothing; the commit lists what is missing.
    let wanted = listed.unwrap_or_else(|_| Ok(Vec::new()))?;
    let label = [channel.id()];
    metrics
        .list_missing_duration
        .with_label_values(&label)
        .observe(started.elapsed().as_secs_f64());
    if wanted.is_empty() {
        return Ok(());
    }
    let started = Instant::now();
    let ledger = Arc::clone(channel.ledger());
    fetch(peer, channel, wanted, FETCH_TIMEOUT, move |found, source| {
        ledger.note_wanted(found, source).unwrap_or_default()
    })
    .await;
    metrics.fetch_duration.with_label_values(&label).observe(started.elapsed().as_secs_f64());
    Ok(())
}

/// Asks the members' peers one after the other; `take` says of each set of an answer whether it is what was asked for, and is
/// called on a thread that may wait. Gives what nobody had.
pub(super) async fn fetch(
    peer: &Arc<Peer>,
    channel: &Arc<Channel>,
    mut missing: Vec<Missing>,
    within: Duration,
    take: impl Fn(&[(Missing, Bytes)], &str) -> Vec<bool> + Clone + Send + 'static,
) -> Vec<Missing> {
    let deadline = Instant::now() + within;
    let mut remotes = peer.remote_peers().of_channel(&channel.bundle()).to_vec();
    remotes.shuffle(&mut rand::rng());
    remotes.retain(|remote| remote.is_up());
    for remote in remotes {
        // An answer may be cut short at a limit: the same peer is asked again while it gives something.
        while !missing.is_empty() && Instant::now() < deadline {
            let asked = of_member(channel, &remote, &missing);
            if asked.is_empty() {
                break;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(found) = ask(peer, channel, &remote, &missing, &asked, left).await else {
                break;
            };
            let before = missing.len();
            let (take, source) = (take.clone(), remote.node.msp_id.clone());
            let (found, mut left) = apart(missing, found);
            let taken = tokio::task::spawn_blocking(move || {
                let taken = take(&found, &source);
                let wrong =
                    found.into_iter().enumerate().filter(|(at, _)| taken.get(*at) != Some(&true));
                wrong.map(|(_, (missing, _))| missing).collect::<Vec<_>>()
            });
            left.extend(taken.await.unwrap_or_default());
            missing = left;
            if missing.len() == before {
                break;
            }
        }
    }
    missing
}

/// What was found, with what it is for, and what was not.
fn apart(
    missing: Vec<Missing>,
    mut found: BTreeMap<usize, Bytes>,
) -> (Vec<(Missing, Bytes)>, Vec<Missing>) {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for (index, missing) in missing.into_iter().enumerate() {
        match found.remove(&index) {
            Some(bytes) => with.push((missing, bytes)),
            None => without.push(missing),
        }
    }
    (with, without)
}

/// The positions of what a peer's organisation should have.
fn of_member(channel: &Channel, remote: &RemotePeer, missing: &[Missing]) -> Vec<usize> {
    let mut known: BTreeMap<(&str, &str), bool> = BTreeMap::new();
    let mut asked = Vec::new();
    for (index, wanted) in missing.iter().enumerate() {
        let (namespace, name) = (wanted.spot.namespace.as_str(), wanted.spot.collection.as_str());
        let has = *known.entry((namespace, name)).or_insert_with(|| {
            let found = channel.ledger().collection(namespace, name).ok().flatten();
            found.is_some_and(|collection| collection.has_member(&remote.node.msp_id))
        });
        if has && asked.len() < MAX_DIGESTS {
            asked.push(index);
        }
    }
    asked
}

/// What a peer gives of what it is asked for, by position in `missing`; none if it gives nothing.
async fn ask(
    peer: &Peer,
    channel: &Channel,
    remote: &RemotePeer,
    missing: &[Missing],
    asked: &[usize],
    within: Duration,
) -> Option<BTreeMap<usize, Bytes>> {
    let started = Instant::now();
    let digest = |index: &usize| {
        let Missing { spot, tx_id, hash, .. } = &missing[*index];
        Digest {
            block: spot.block,
            tx: spot.tx,
            tx_id: tx_id.clone(),
            namespace: spot.namespace.clone(),
            collection: spot.collection.clone(),
            hash: hash.clone(),
        }
    };
    let header = Some(header::<PullRequest>(peer, channel.id()));
    let request = PullRequest { header, digests: asked.iter().map(digest).collect() };
    let signed = sign(peer, &request).ok()?;
    let mut client = remote.private_data();
    let address = &remote.node.address;
    let answer = match tokio::time::timeout(within, client.pull(signed)).await {
        Ok(Ok(answer)) => answer.into_inner(),
        Ok(Err(status)) => {
            let reason = status.message();
            tracing::info!(channel = channel.id(), address, reason, "peer gave no private data");
            if status.code() == tonic::Code::Unavailable {
                remote.mark_down(peer.config().timeouts.retry_after);
            }
            return None;
        }
        Err(_) => {
            tracing::info!(channel = channel.id(), address, "peer gave no private data in time");
            remote.mark_down(peer.config().timeouts.retry_after);
            return None;
        }
    };
    let pull = &peer.config().metrics.private_data.pull_duration;
    pull.with_label_values(&[channel.id()]).observe(started.elapsed().as_secs_f64());
    let found = answer.found.into_iter().filter_map(|found| {
        let index = usize::try_from(found.index).ok()?;
        Some((*asked.get(index)?, found.rwset))
    });
    let found: BTreeMap<_, _> = found.collect();
    (!found.is_empty()).then_some(found)
}
