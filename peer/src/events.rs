//! Who waits for what is committed: for one transaction's fate, or for the next block.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use carecord_ledger::{Cause, Committed};
use carecord_proto::{
    common::Block,
    protos::{ChaincodeEvent, TxValidationCode},
};
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use crate::causes::Causes;
use crate::config::{MAX_STATUS_WAITERS, RECENT_BLOCK_BYTES, RECENT_BLOCKS};

/// Length of a transaction id: SHA-256 in hexadecimal digits.
const TX_ID_LENGTH: usize = 64;

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxStatus {
    /// The validator's verdict.
    pub code: TxValidationCode,
    /// The block that the transaction lies in.
    pub block: u64,
}

/// A committed block as its followers get it.
#[derive(Clone, Debug)]
pub struct CommittedBlock {
    /// The block with flags and commit hash.
    pub block: Arc<Block>,
    /// The chaincode events of its valid transactions, in their order.
    pub events: Arc<[ChaincodeEvent]>,
    /// The bytes that it takes in memory, about.
    bytes: usize,
}

/// The waiters and followers of one channel.
#[derive(Debug)]
pub(crate) struct Events {
    height: watch::Sender<u64>,
    /// How many configurations have come since the start.
    configurations: watch::Sender<u64>,
    waiters: Mutex<Waiters>,
    submitted: Mutex<HashMap<String, Instant>>,
    recent: Mutex<VecDeque<CommittedBlock>>,
    causes: Mutex<Causes>,
}

#[derive(Debug, Default)]
struct Waiters {
    by_tx_id: HashMap<String, Vec<(u64, oneshot::Sender<TxStatus>)>>,
    next_id: u64,
    count: usize,
    /// Whether no block will come any more.
    stopped: bool,
}

/// A place in the queue for one transaction; dropping it gives the place up.
#[derive(Debug)]
pub(crate) struct Waiting {
    events: Arc<Events>,
    tx_id: String,
    id: u64,
    receiver: oneshot::Receiver<TxStatus>,
}

/// Too many wait already.
#[derive(Debug, thiserror::Error)]
#[error("too many transactions are waited for")]
pub(crate) struct Crowded;

// === impl CommittedBlock ===

impl CommittedBlock {
    pub(crate) fn with_events(block: Block, events: Arc<[ChaincodeEvent]>) -> Self {
        Self { block: Arc::new(block), events, bytes: 0 }
    }
}

// === impl Events ===

impl Events {
    pub(crate) fn new(height: u64) -> Self {
        Self {
            height: watch::Sender::new(height),
            configurations: watch::Sender::new(0),
            waiters: Mutex::default(),
            submitted: Mutex::default(),
            recent: Mutex::default(),
            causes: Mutex::default(),
        }
    }

    /// Why a transaction in this block is not valid, if it was kept.
    pub(crate) fn cause(&self, tx_id: &str, block: u64) -> Option<Cause> {
        self.causes.lock().of(tx_id, block)
    }

    /// Tells everybody about a block; the ledger has it already.
    pub(crate) fn publish(&self, committed: &Committed, bytes: usize) {
        let events = committed
            .transactions
            .iter()
            .filter(|tx| tx.code == TxValidationCode::Valid)
            .filter_map(|tx| tx.event.clone())
            .collect();
        self.remember(CommittedBlock { block: Arc::clone(&committed.block), events, bytes });
        self.keep_causes(committed);
        {
            let mut waiters = self.waiters.lock();
            for tx in &committed.transactions {
                waiters.wake(&tx.tx_id, TxStatus { code: tx.code, block: committed.number });
            }
        }
        self.height.send_replace(committed.number + 1);
        if committed.bundle.is_some() {
            self.configurations.send_modify(|count| *count += 1);
        }
    }

    /// Notes that an orderer has taken a transaction, to tell later how long it took; not more than can be waited for.
    pub(crate) fn note_submitted(&self, tx_id: &str) {
        if tx_id.len() != TX_ID_LENGTH {
            return;
        }
        let mut submitted = self.submitted.lock();
        if submitted.len() >= MAX_STATUS_WAITERS {
            submitted.clear();
        }
        submitted.insert(tx_id.to_owned(), Instant::now());
    }

    /// How long ago this peer's client submitted a transaction; asked once, when it is committed.
    pub(crate) fn take_submitted(&self, tx_id: &str) -> Option<Duration> {
        let mut submitted = self.submitted.lock();
        if submitted.is_empty() {
            return None;
        }
        submitted.remove(tx_id).map(|at| at.elapsed())
    }

    /// A height that can be waited on.
    pub(crate) fn height(&self) -> watch::Receiver<u64> {
        self.height.subscribe()
    }

    /// Changes with each configuration of the channel.
    pub(crate) fn configurations(&self) -> watch::Receiver<u64> {
        self.configurations.subscribe()
    }

    /// A block of the last few.
    pub(crate) fn recent(&self, number: u64) -> Option<CommittedBlock> {
        let recent = self.recent.lock();
        let first = carecord_proto::block::number(&recent.front()?.block);
        recent.get(usize::try_from(number.checked_sub(first)?).ok()?).cloned()
    }

    /// Begins to wait for a transaction; the caller then looks into the ledger, so that none is missed.
    pub(crate) fn wait_for(self: &Arc<Self>, tx_id: &str) -> Result<Waiting, Crowded> {
        let (sender, receiver) = oneshot::channel();
        let mut waiters = self.waiters.lock();
        if waiters.count >= MAX_STATUS_WAITERS {
            return Err(Crowded);
        }
        let id = waiters.next_id;
        if !waiters.stopped {
            waiters.next_id += 1;
            waiters.count += 1;
            waiters.by_tx_id.entry(tx_id.to_owned()).or_default().push((id, sender));
        }
        Ok(Waiting { events: Arc::clone(self), tx_id: tx_id.to_owned(), id, receiver })
    }

    /// Lets all who wait for a transaction go, now and from now on: the channel has halted.
    pub(crate) fn stop(&self) {
        let mut waiters = self.waiters.lock();
        waiters.stopped = true;
        waiters.count = 0;
        waiters.by_tx_id.clear();
    }

    fn keep_causes(&self, committed: &Committed) {
        let mut causes = self.causes.lock();
        for tx in &committed.transactions {
            if let Some(cause) = &tx.cause {
                causes.keep(&tx.tx_id, committed.number, cause);
            }
        }
    }

    fn remember(&self, block: CommittedBlock) {
        let mut recent = self.recent.lock();
        recent.push_back(block);
        let mut bytes: usize = recent.iter().map(|block| block.bytes).sum();
        while recent.len() > RECENT_BLOCKS || (bytes > RECENT_BLOCK_BYTES && recent.len() > 1) {
            bytes -= recent.pop_front().map_or(0, |block| block.bytes);
        }
    }
}

// === impl Waiters ===

impl Waiters {
    fn wake(&mut self, tx_id: &str, status: TxStatus) {
        for (_, sender) in self.by_tx_id.remove(tx_id).unwrap_or_default() {
            self.count -= 1;
            let _ = sender.send(status);
        }
    }

    fn leave(&mut self, tx_id: &str, id: u64) {
        let Some(senders) = self.by_tx_id.get_mut(tx_id) else { return };
        let before = senders.len();
        senders.retain(|(other, _)| *other != id);
        self.count -= before - senders.len();
        if senders.is_empty() {
            self.by_tx_id.remove(tx_id);
        }
    }
}

// === impl Waiting ===

impl Waiting {
    /// The status, when it comes; `None` if the channel stops.
    pub(crate) async fn status(mut self) -> Option<TxStatus> {
        (&mut self.receiver).await.ok()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.events.waiters.lock().leave(&self.tx_id, self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> TxStatus {
        TxStatus { code: TxValidationCode::Valid, block: 3 }
    }

    #[tokio::test]
    async fn all_who_wait_for_a_transaction_are_told_and_nobody_else() {
        let events = Arc::new(Events::new(1));
        let one = events.wait_for("a").expect("there is room");
        let two = events.wait_for("a").expect("there is room");
        let other = events.wait_for("b").expect("there is room");
        events.waiters.lock().wake("a", status());
        assert_eq!(one.status().await, Some(status()));
        assert_eq!(two.status().await, Some(status()));
        assert_eq!(events.waiters.lock().count, 1);
        drop(other);
        assert_eq!(events.waiters.lock().count, 0);
        assert!(events.waiters.lock().by_tx_id.is_empty());
    }

    #[tokio::test]
    async fn nobody_waits_for_a_channel_that_has_stopped() {
        let events = Arc::new(Events::new(1));
        let before = events.wait_for("a").expect("there is room");
        events.stop();
        assert_eq!(before.status().await, None);
        assert_eq!(events.wait_for("a").expect("there is room").status().await, None);
        assert_eq!(events.waiters.lock().count, 0);
    }
}
