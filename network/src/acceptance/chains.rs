//! The chains of all nodes, compared with each other and with what clients were promised.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use carecord_proto::common::{Block, Envelope};
use carecord_proto::protos::TxValidationCode;
use carecord_proto::{block, envelope};
use prost::Message;

use super::load::{self, Acknowledged};
use super::trial::{CHANNEL, Trial};
use crate::chain::{self, Range};
use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// Keys whose values are read from every peer's state.
const STATE_SAMPLE: usize = 100;
/// Differences that a finding shows.
const SHOWN: usize = 5;

/// One node's chain, without its transactions' contents.
#[derive(Debug, Default)]
pub(super) struct Chain {
    node: String,
    peer: bool,
    blocks: Vec<BlockHashes>,
    transactions: BTreeMap<String, Vec<Place>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct BlockHashes {
    header: [u8; 32],
    commit: Option<Bytes>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    block: u64,
    /// Peers only.
    code: Option<u8>,
}

/// What came of the promises.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Transactions that clients sent until they were VALID; a steady load's alone are counted.
    pub(super) sent: usize,
    /// Promises that were looked at: VALID reports.
    pub(super) valid: usize,
    /// Promises that were looked at: SUCCESS of the ordering service.
    pub(super) accepted: usize,
    /// Height that all nodes share.
    pub(super) height: u64,
    /// Promises broken on some node.
    pub(super) lost: Vec<String>,
    /// Transactions that are VALID more than once.
    pub(super) doubled: Vec<String>,
    /// Blocks or commit hashes that differ between nodes.
    pub(super) differ: Vec<String>,
}

/// Waits until all nodes agree, reads their chains, and compares them with the log of a load.
pub(super) async fn judge(trial: &Trial, log: &[Acknowledged]) -> Outcome<Verdict> {
    judge_without_chain_of(trial, log, "").await
}

/// The same where `without` has not all blocks: its tip and its state are compared all the same.
pub(super) async fn judge_without_chain_of(
    trial: &Trial,
    log: &[Acknowledged],
    without: &str,
) -> Outcome<Verdict> {
    trial.agreed().await?;
    let mut chains = Vec::new();
    for node in trial.on_channel().filter(|node| node.name != without) {
        chains.push(read(trial, &node.name).await?);
    }
    let mut verdict = Verdict::new(&chains, log);
    read_state(trial, log, &mut verdict).await?;
    Ok(verdict)
}

/// The chain of `node`.
async fn read(trial: &Trial, node: &str) -> Outcome<Chain> {
    let session = trial.session();
    let node = session.file().node(node)?;
    let height = chain::height(session, node, CHANNEL).await?;
    let peer = node.role == "peer";
    let mut read = Chain { node: node.name.clone(), peer, ..Chain::default() };
    chain::stream(session, node, CHANNEL, Range::Between(0, height - 1), |block| read.push(&block))
        .await?;
    Ok(read)
}

/// Reads some of the keys that were reported written, from the state of every peer.
async fn read_state(trial: &Trial, log: &[Acknowledged], verdict: &mut Verdict) -> Outcome<()> {
    let keys: Vec<&String> = log
        .iter()
        .filter_map(|line| match line {
            Acknowledged::Valid { key, .. } => Some(key),
            Acknowledged::Accepted { .. } | Acknowledged::Sent { .. } => None,
        })
        .collect();
    let stride = keys.len().div_ceil(STATE_SAMPLE).max(1);
    for peer in trial.session().file().nodes_of("peer") {
        let contract = load::contract(trial.session(), &peer.name)?;
        for key in keys.iter().step_by(stride) {
            match contract.evaluate("get", [Bytes::copy_from_slice(key.as_bytes())]).await {
                Ok(value) if value == key.as_bytes() => {}
                Ok(_) => verdict.lost.push(format!("{}: key {key} has another value", peer.name)),
                Err(error) => verdict.lost.push(format!("{}: key {key}: {error}", peer.name)),
            }
        }
    }
    Ok(())
}

// === impl Chain ===

impl Chain {
    fn push(&mut self, block: &Block) -> Outcome<()> {
        let header = block.header.clone().unwrap_or_default();
        if header.number != self.blocks.len() as u64 {
            let cause = format!("block {} came as {}", header.number, self.blocks.len());
            return Err(Failure::new(Code::Short, cause).at(&self.node));
        }
        let commit = block::commit_hash(block);
        self.blocks.push(BlockHashes { header: block::header_hash(&header), commit });
        let flags = block::flags(block);
        for (index, bytes) in block::envelopes(block).iter().enumerate() {
            let opened = Envelope::decode(bytes.clone())
                .ok()
                .and_then(|envelope| envelope::Opened::open(&envelope).ok());
            let tx_id = opened.map(|opened| opened.channel_header.tx_id).unwrap_or_default();
            let code = if self.peer { flags.get(index).copied() } else { None };
            self.transactions.entry(tx_id).or_default().push(Place { block: header.number, code });
        }
        Ok(())
    }

    fn places(&self, tx_id: &str) -> &[Place] {
        self.transactions.get(tx_id).map_or(&[], Vec::as_slice)
    }

    /// Whether the chain holds what was promised.
    fn keeps(&self, promise: &Acknowledged) -> bool {
        match promise {
            Acknowledged::Accepted { tx_id } => !self.places(tx_id).is_empty(),
            // Orderers know no codes; peers have it VALID in one place.
            Acknowledged::Sent { tx_id } => {
                let valid = Some(TxValidationCode::Valid as u8);
                self.places(tx_id).iter().any(|place| !self.peer || place.code == valid)
            }
            Acknowledged::Valid { tx_id, block, .. } => {
                let valid = Some(TxValidationCode::Valid as u8);
                let good =
                    |place: &Place| place.block == *block && (!self.peer || place.code == valid);
                self.places(tx_id).iter().any(good)
            }
        }
    }

    fn doubled(&self) -> impl Iterator<Item = &String> {
        let valid = Some(TxValidationCode::Valid as u8);
        self.transactions.iter().filter_map(move |(tx_id, places)| {
            let times = places.iter().filter(|place| place.code == valid).count();
            (times > 1 && !tx_id.is_empty()).then_some(tx_id)
        })
    }

    fn differences(&self, other: &Self) -> Vec<String> {
        let (own, others) = (self.blocks.len(), other.blocks.len());
        let mut found = Vec::new();
        if own != others {
            found.push(format!("{} has {own} blocks, {} has {others}", self.node, other.node));
        }
        for (number, (ours, theirs)) in self.blocks.iter().zip(&other.blocks).enumerate() {
            let commits_differ = self.peer && other.peer && ours.commit != theirs.commit;
            if ours.header != theirs.header || commits_differ {
                found.push(format!("block {number} of {} and {}", self.node, other.node));
            }
        }
        found
    }
}

// === impl Verdict ===

impl Verdict {
    fn new(chains: &[Chain], log: &[Acknowledged]) -> Self {
        let count = |what: fn(&Acknowledged) -> bool| log.iter().filter(|line| what(line)).count();
        let valid = count(|line| matches!(line, Acknowledged::Valid { .. }));
        let accepted = count(|line| matches!(line, Acknowledged::Accepted { .. }));
        let sent = count(|line| matches!(line, Acknowledged::Sent { .. }));
        let mut verdict = Self { sent, valid, accepted, ..Self::default() };
        for chain in chains {
            verdict.height = chain.blocks.len() as u64;
            let broken = log.iter().filter(|promise| !chain.keeps(promise));
            verdict.lost.extend(broken.map(|promise| format!("{}: {promise:?}", chain.node)));
            verdict.doubled.extend(chain.doubled().map(|tx_id| format!("{}: {tx_id}", chain.node)));
        }
        // Every chain against the first, and every peer against the first peer, which has commit hashes.
        let first_peer = chains.iter().find(|chain| chain.peer);
        for chain in chains {
            let others = chains.first().into_iter().chain(first_peer.filter(|_| chain.peer));
            verdict.differ.extend(others.flat_map(|other| chain.differences(other)));
        }
        verdict
    }

    /// Whether every promise was kept.
    pub(super) fn ok(&self) -> bool {
        self.valid > 0
            && [&self.lost, &self.doubled, &self.differ].iter().all(|list| list.is_empty())
    }

    /// Some of what is wrong.
    pub(super) fn wrong(&self) -> Option<String> {
        let all = [("lost", &self.lost), ("doubled", &self.doubled), ("differs", &self.differ)];
        let shown: Vec<String> = all
            .iter()
            .flat_map(|(what, list)| {
                list.iter().take(SHOWN).map(move |one| format!("{what}: {one}"))
            })
            .collect();
        (!shown.is_empty()).then(|| shown.join("; "))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} VALID and {} SUCCESS acknowledged, {} lost, {} doubled, {} differences at height {}",
            self.valid,
            self.accepted,
            self.lost.len(),
            self.doubled.len(),
            self.differ.len(),
            self.height
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(peer: bool, transactions: &[(&str, u64, u8)]) -> Chain {
        let mut chain = Chain { node: "n".to_owned(), peer, ..Chain::default() };
        chain.blocks = vec![BlockHashes { header: [1; 32], commit: None }; 3];
        for (tx_id, block, code) in transactions {
            let place = Place { block: *block, code: peer.then_some(*code) };
            chain.transactions.entry((*tx_id).to_owned()).or_default().push(place);
        }
        chain
    }

    fn valid(tx_id: &str, block: u64) -> Acknowledged {
        Acknowledged::Valid { tx_id: tx_id.to_owned(), block, key: "k".to_owned() }
    }

    fn accepted(tx_id: &str) -> Acknowledged {
        Acknowledged::Accepted { tx_id: tx_id.to_owned() }
    }

    #[test]
    fn a_promise_is_kept_if_every_node_has_it_where_it_was_told() {
        let chains =
            [chain(true, &[("a", 1, 0), ("b", 2, 11)]), chain(false, &[("a", 1, 0), ("b", 2, 0)])];
        assert!(Verdict::new(&chains, &[valid("a", 1), accepted("a"), accepted("b")]).ok());
        for broken in [valid("a", 2), valid("b", 2), accepted("c")] {
            assert!(!Verdict::new(&chains, &[valid("a", 1), broken]).lost.is_empty());
        }
    }

    #[test]
    fn what_was_sent_must_be_valid_on_every_peer() {
        let chains =
            [chain(true, &[("a", 1, 0), ("b", 2, 11)]), chain(false, &[("a", 1, 0), ("b", 2, 0)])];
        let sent = |tx_id: &str| Acknowledged::Sent { tx_id: tx_id.to_owned() };
        assert!(Verdict::new(&chains, &[valid("a", 1), sent("a")]).ok());
        for broken in ["b", "c"] {
            assert!(!Verdict::new(&chains, &[valid("a", 1), sent(broken)]).lost.is_empty());
        }
    }

    #[test]
    fn a_transaction_that_is_valid_twice_is_doubled() {
        let twice = [chain(true, &[("a", 1, 0), ("a", 2, 0)])];
        assert_eq!(Verdict::new(&twice, &[valid("a", 1)]).doubled.len(), 1);
        let refused = [chain(true, &[("a", 1, 0), ("a", 2, 9)])];
        assert!(Verdict::new(&refused, &[valid("a", 1)]).ok());
    }

    #[test]
    fn other_commit_hashes_are_a_difference() {
        let (one, mut other) = (chain(true, &[("a", 1, 0)]), chain(true, &[("a", 1, 0)]));
        other.blocks[2].commit = Some(Bytes::from_static(b"x"));
        assert_eq!(Verdict::new(&[one, other], &[valid("a", 1)]).differ.len(), 2);
    }
}
