//! Before an endorsement leaves: what the simulation wrote is on the disks that its collections require.

use std::{collections::BTreeMap, collections::VecDeque, sync::Arc, time::Instant};

use carecord_ledger::{Collection, Noted};
use carecord_proto::{
    carecord::privdata::PushedSet,
    rwset::{CollPvtRwSet, NsPvtRwSet, TxPvtRwSet},
};
use futures::{StreamExt, stream::FuturesUnordered};
use rand::seq::SliceRandom;

use crate::{channel::Channel, peer::Peer, remote::RemotePeer};

/// What a simulation wrote into collections, on its way to their members.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) channel: Arc<Channel>,
    pub(crate) tx_id: String,
    pub(crate) height: u64,
    pub(crate) set: TxPvtRwSet,
}

/// The part of one collection, and the peers that have it or may be sent it.
struct Part {
    namespace: String,
    set: CollPvtRwSet,
    /// Acknowledgements without which the endorsement does not leave.
    required: usize,
    /// Peers to send it to at first.
    wave: usize,
    is_own: bool,
    candidates: VecDeque<Arc<RemotePeer>>,
    acknowledged: usize,
    under_way: usize,
}

/// Notes the write sets here, where this peer is a member, and hands them to the other members' peers.
///
/// Fails, so that the proposal is not endorsed, unless each collection's required number of peers has acknowledged.
pub(crate) async fn distribute(peer: &Arc<Peer>, outgoing: Outgoing) -> Result<(), String> {
    let started = Instant::now();
    let Outgoing { channel, tx_id, height, set } = outgoing;
    let mut parts = parts(peer, &channel, &tx_id, set)?;
    let own = joined(parts.iter().filter(|part| part.is_own));
    // First here: who is pushed a set counts its sender among those who have it.
    note(peer, &channel, &tx_id, height, own).await?;
    send(peer, &channel, &tx_id, height, &mut parts).await.map_err(|reason| {
        let channel = channel.id();
        format!(
            "failed to distribute private collection, txID {tx_id}, channel {channel}: {reason}"
        )
    })?;
    let sent = &peer.config().metrics.private_data.send_duration;
    sent.with_label_values(&[channel.id()]).observe(started.elapsed().as_secs_f64());
    Ok(())
}

fn parts(
    peer: &Arc<Peer>,
    channel: &Channel,
    tx_id: &str,
    set: TxPvtRwSet,
) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    for NsPvtRwSet { namespace, collections } in set.namespaces {
        for set in collections {
            let found = channel.ledger().collection(&namespace, &set.name);
            let found = found.map_err(|error| error.to_string())?.ok_or_else(|| {
                format!("collection {}/{namespace}/{} could not be found", channel.id(), set.name)
            })?;
            let mut part = Part::new(peer, channel, namespace.clone(), set, &found)?;
            part.leave_out_holders(channel, tx_id);
            parts.push(part);
        }
    }
    Ok(parts)
}

async fn note(
    peer: &Arc<Peer>,
    channel: &Channel,
    tx_id: &str,
    height: u64,
    own: TxPvtRwSet,
) -> Result<(), String> {
    if own.namespaces.is_empty() {
        return Ok(());
    }
    let source = peer.config().signer.msp_id().to_owned();
    let noted = Noted { tx_id: tx_id.to_owned(), height, source, set: own };
    let answers = channel.notes().note(vec![noted]).await?;
    answers.into_iter().try_for_each(|answer| answer.map_err(|error| error.to_string()))
}

async fn send(
    peer: &Arc<Peer>,
    channel: &Arc<Channel>,
    tx_id: &str,
    height: u64,
    parts: &mut [Part],
) -> Result<(), String> {
    let mut under_way = FuturesUnordered::new();
    let mut reasons = Vec::new();
    let mut is_first = true;
    loop {
        for (remote, indices) in chosen(parts, is_first) {
            let set = joined(indices.iter().map(|index| &parts[*index])).to_bytes();
            let set = PushedSet { tx_id: tx_id.to_owned(), height, private_set: set };
            let (peer, channel) = (Arc::clone(peer), Arc::clone(channel));
            under_way.push(async move {
                let address = remote.node.address.clone();
                let pushed = peer.pushers().push(&peer, channel.id(), remote, set).await;
                (indices, pushed.map_err(|reason| format!("{address}: {reason}")))
            });
        }
        is_first = false;
        if parts.iter().all(|part| part.acknowledged >= part.required) {
            // What is still under way arrives without this being waited for.
            peer.spawn(async move { while under_way.next().await.is_some() {} });
            return Ok(());
        }
        let Some((indices, pushed)) = under_way.next().await else {
            let short = parts.iter().filter(|part| part.acknowledged < part.required);
            return Err(format!(
                "failed disseminating {} out of {} private dissemination plans: {}",
                short.count(),
                parts.len(),
                reasons.join("; ")
            ));
        };
        for index in indices {
            parts[index].under_way -= 1;
            parts[index].acknowledged += usize::from(pushed.is_ok());
        }
        reasons.extend(pushed.err());
    }
}

/// Whom to send what now: at first up to the maximum, then as many as acknowledgements are still missing.
fn chosen(parts: &mut [Part], is_first: bool) -> Vec<(Arc<RemotePeer>, Vec<usize>)> {
    let mut chosen: BTreeMap<String, (Arc<RemotePeer>, Vec<usize>)> = BTreeMap::new();
    for (index, part) in parts.iter_mut().enumerate() {
        let goal = if is_first { part.wave } else { part.required };
        while part.acknowledged + part.under_way < goal {
            let Some(remote) = part.candidates.pop_front() else { break };
            part.under_way += 1;
            let address = remote.node.address.clone();
            chosen.entry(address).or_insert_with(|| (remote, Vec::new())).1.push(index);
        }
    }
    chosen.into_values().collect()
}

fn joined<'a>(parts: impl Iterator<Item = &'a Part>) -> TxPvtRwSet {
    let mut namespaces: Vec<NsPvtRwSet> = Vec::new();
    for part in parts {
        let set = part.set.clone();
        match namespaces.last_mut().filter(|last| last.namespace == part.namespace) {
            Some(last) => last.collections.push(set),
            None => {
                let (namespace, collections) = (part.namespace.clone(), vec![set]);
                namespaces.push(NsPvtRwSet { namespace, collections });
            }
        }
    }
    TxPvtRwSet { namespaces }
}

// === impl Part ===

impl Part {
    fn new(
        peer: &Arc<Peer>,
        channel: &Channel,
        namespace: String,
        set: CollPvtRwSet,
        collection: &Collection,
    ) -> Result<Self, String> {
        let is_own = collection.has_member(peer.config().signer.msp_id());
        // What a peer that is no member has written must be somewhere.
        let required = collection.required_peers.max(usize::from(!is_own));
        let candidates = candidates(peer, channel, collection);
        if candidates.len() < required {
            return Err(format!(
                "required to disseminate to at least {required} peers, but know of only {} \
                 eligible peers for collection {}",
                candidates.len(),
                collection.name
            ));
        }
        let wave = collection.maximum_peers.max(required);
        let (acknowledged, under_way) = (0, 0);
        Ok(Self { namespace, set, required, wave, is_own, candidates, acknowledged, under_way })
    }

    /// Counts peers that have pushed the very set here, as another endorser does: they need not be sent it.
    fn leave_out_holders(&mut self, channel: &Channel, tx_id: &str) {
        let hash = self.set.hash();
        for msp_id in channel.notes().holders(tx_id, &self.namespace, &self.set.name, hash) {
            let place = self.candidates.iter().position(|remote| remote.node.msp_id == msp_id);
            if let Some(place) = place {
                self.candidates.remove(place);
                self.acknowledged += 1;
            }
        }
    }
}

/// The members' peers: those that can be reached first, and of each organisation one before a second.
fn candidates(
    peer: &Arc<Peer>,
    channel: &Channel,
    collection: &Collection,
) -> VecDeque<Arc<RemotePeer>> {
    let all = peer.remote_peers().of_channel(&channel.bundle());
    let mut members: Vec<_> =
        all.iter().filter(|it| collection.has_member(&it.node.msp_id)).cloned().collect();
    members.shuffle(&mut rand::rng());
    let mut of_organisation: BTreeMap<String, usize> = BTreeMap::new();
    let mut ranked: Vec<_> = members
        .into_iter()
        .map(|remote| {
            let nth = of_organisation.entry(remote.node.msp_id.clone()).or_default();
            *nth += 1;
            ((!remote.is_up(), *nth), remote)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, remote)| remote).collect()
}
