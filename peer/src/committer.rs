//! The committer: one block after the other, top to bottom.
//!
//! Place in the flow: the puller hands blocks over in order, while their signatures are being checked on other threads
//! ([`Arriving`]); [`on_block`] commits one and tells whoever waits.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use carecord_ledger::{Committed, CommittedTx, Prefetched, Prefetcher, validator::Examined};
use carecord_proto::{
    common::{Block, HeaderType},
    protos::TxValidationCode,
};
use prost::Message;
use tokio::task::JoinHandle;

use crate::{channel::Channel, peer::Peer, privdata, snapshot};

/// A block on its way: its checks that need no state run meanwhile.
pub(crate) struct Arriving {
    bytes: usize,
    block: Block,
    prefetcher: Prefetcher,
    /// The shares of its envelopes, each on a thread of the runtime's pool.
    examined: Vec<JoinHandle<Vec<Examined>>>,
}

/// Why a block was not committed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// The block does not continue the chain or is not rightly signed: whoever sent it is not asked again soon.
    #[error("{0}")]
    BadBlock(String),
    /// The channel cannot go on until an operator has looked.
    #[error("{0}")]
    Halted(String),
    /// A disk failed: the whole process should end, and recover when it starts again.
    #[error("{0}")]
    Storage(String),
}

// === impl Arriving ===

impl Arriving {
    /// Takes a block in.
    pub(crate) fn new(channel: &Channel, block: Block) -> Self {
        let prefetcher = channel.ledger().prefetcher();
        let examine = |share: Vec<Bytes>| {
            let prefetcher = prefetcher.clone();
            tokio::task::spawn_blocking(move || prefetcher.examine(&share))
        };
        let examined = prefetcher.shares(&block).into_iter().map(examine).collect();
        Self { bytes: block.encoded_len(), block, prefetcher, examined }
    }

    /// Waits for the checks to end.
    async fn prefetched(self) -> Result<(Block, Prefetched), Stop> {
        let mut transactions = Vec::new();
        for share in self.examined {
            transactions.extend(share.await.map_err(|error| Stop::Halted(error.to_string()))?);
        }
        let prefetched = self.prefetcher.joined(&self.block, transactions);
        Ok((self.block, prefetched))
    }
}

/// Commits the next block: its checks end, the ledger takes it, definitions and TLS roots follow, waiters wake.
pub(crate) async fn on_block(
    peer: &Arc<Peer>,
    channel: &Arc<Channel>,
    arriving: Arriving,
) -> Result<(), Stop> {
    let bytes = arriving.bytes;
    let (block, prefetched) = arriving.prefetched().await?;
    let number = carecord_proto::block::number(&block);
    privdata::fetch_wanted(peer, channel, number, &prefetched).await.map_err(stopped)?;
    let started = Instant::now();
    let committed = commit(channel, block, prefetched).await?;
    if committed.is_missing_private_data {
        channel.keeper().something_is_missing();
    }
    if committed.transactions.iter().any(|tx| tx.chaincode == "_lifecycle") {
        channel.definitions().forget();
    }
    if committed.bundle.is_some() {
        peer.take_over_roots();
    }
    snapshot::on_committed(channel, committed.number).await;
    count(peer, channel, &committed, bytes, started);
    channel.events().publish(&committed, bytes);
    Ok(())
}

async fn commit(
    channel: &Arc<Channel>,
    block: Block,
    prefetched: Prefetched,
) -> Result<Committed, Stop> {
    let ledger = Arc::clone(channel.ledger());
    let committed = tokio::task::spawn_blocking(move || ledger.commit(block, prefetched)).await;
    let committed = committed.map_err(|error| Stop::Halted(error.to_string()))?;
    committed.map_err(stopped)
}

fn stopped(error: carecord_ledger::Error) -> Stop {
    match error {
        carecord_ledger::Error::Block { .. } => Stop::BadBlock(error.to_string()),
        carecord_ledger::Error::Log(_)
        | carecord_ledger::Error::State(_)
        | carecord_ledger::Error::Private(_) => Stop::Storage(error.to_string()),
        error => Stop::Halted(error.to_string()),
    }
}

fn count(peer: &Peer, channel: &Channel, committed: &Committed, bytes: usize, started: Instant) {
    let metrics = &peer.config().metrics.ledger;
    let label = [channel.id()];
    let height = i64::try_from(committed.number + 1).unwrap_or(i64::MAX);
    metrics.height.with_label_values(&label).set(height);
    let seconds = started.elapsed().as_secs_f64();
    metrics.block_processing_time.with_label_values(&label).observe(seconds);
    metrics.block_bytes.with_label_values(&label).observe(bytes as f64);
    let (log, state) = (committed.spent.log.as_secs_f64(), committed.spent.state.as_secs_f64());
    metrics.blockstorage_commit_time.with_label_values(&label).observe(log);
    metrics.blockstorage_and_pvtdata_commit_time.with_label_values(&label).observe(log);
    metrics.statedb_commit_time.with_label_values(&label).observe(state);
    for tx in &committed.transactions {
        let kind = match tx.header_type {
            Some(kind @ (HeaderType::EndorserTransaction | HeaderType::Config)) => {
                kind.as_str_name()
            }
            _ => "unknown",
        };
        let chaincode = chaincode_label(tx);
        let labels = [channel.id(), kind, &chaincode, tx.code.as_str_name()];
        metrics.transaction_count.with_label_values(&labels).inc();
        if let Some(took) = channel.events().take_submitted(&tx.tx_id) {
            let end_to_end = &peer.config().metrics.gateway.end_to_end;
            end_to_end.with_label_values(&label).observe(took.as_secs_f64());
        }
    }
    tracing::info!(
        channel = channel.id(),
        block = committed.number,
        transactions = committed.transactions.len(),
        ms = seconds * 1e3,
        "block committed"
    );
}

/// `name:version`, as in Fabric, where endorsers have vouched for it; whatever else a client writes makes no series.
fn chaincode_label(tx: &CommittedTx) -> String {
    use TxValidationCode::{MvccReadConflict, PhantomReadConflict, Valid};
    match tx.code {
        Valid | MvccReadConflict | PhantomReadConflict if !tx.chaincode.is_empty() => {
            format!("{}:{}", tx.chaincode, tx.version)
        }
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nobody_vouched_for_makes_no_series() {
        let tx = |code| CommittedTx {
            tx_id: String::new(),
            code,
            cause: None,
            header_type: Some(HeaderType::EndorserTransaction),
            chaincode: "bench".to_owned(),
            version: "1.0".to_owned(),
            event: None,
        };
        assert_eq!(chaincode_label(&tx(TxValidationCode::Valid)), "bench:1.0");
        assert_eq!(chaincode_label(&tx(TxValidationCode::MvccReadConflict)), "bench:1.0");
        assert_eq!(chaincode_label(&tx(TxValidationCode::InvalidChaincode)), "unknown");
        assert_eq!(chaincode_label(&tx(TxValidationCode::EndorsementPolicyFailure)), "unknown");
    }
}
