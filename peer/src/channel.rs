//! One channel that the peer is on: its ledger, who waits for its blocks, and its chaincodes.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use carecord_channel::Bundle;
use carecord_ledger::{Ledger, state::Version};
use carecord_proto::{
    block::envelopes, common::Block, envelope, protos::ChaincodeEvent, transaction, wellformed,
};
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::watch;

use crate::{
    chaincode::Definitions,
    events::{CommittedBlock, Crowded, Events, TxStatus},
    privdata::{Keeper, Notes},
    snapshot::Snapshots,
};

/// A channel of this peer; shared by everything that serves it.
pub struct Channel {
    ledger: Arc<Ledger>,
    events: Arc<Events>,
    definitions: Definitions,
    halted: Mutex<Option<String>>,
    is_shut_out: AtomicBool,
    snapshots: Snapshots,
    notes: Notes,
    keeper: Keeper,
}

// === impl Channel ===

impl Channel {
    /// The channel, and the work that brings its private write sets to the disk.
    pub(crate) fn new(ledger: Ledger, snapshots: Snapshots) -> (Self, impl Future<Output = ()>) {
        let ledger = Arc::new(ledger);
        let (notes, noting) = Notes::new(Arc::clone(&ledger));
        let events = Arc::new(Events::new(ledger.height()));
        let channel = Self {
            ledger,
            events,
            definitions: Definitions::default(),
            halted: Mutex::default(),
            is_shut_out: AtomicBool::default(),
            snapshots,
            notes,
            keeper: Keeper::default(),
        };
        (channel, noting)
    }

    /// The channel's name.
    pub fn id(&self) -> &str {
        self.ledger.channel_id()
    }

    /// The ledger; only the committer may write to it.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// The configuration in force.
    pub fn bundle(&self) -> Arc<Bundle> {
        self.ledger.bundle()
    }

    /// A height that can be waited on; blocks below it are committed.
    pub fn height(&self) -> watch::Receiver<u64> {
        self.events.height()
    }

    /// Changes when another configuration is in force.
    pub(crate) fn configurations(&self) -> watch::Receiver<u64> {
        self.events.configurations()
    }

    /// Why the channel goes no further, if it does not.
    pub fn halted(&self) -> Option<String> {
        self.halted.lock().clone()
    }

    /// Whether every orderer of the channel refuses this peer: it gets no block any more, also not the one that says why.
    pub fn is_shut_out(&self) -> bool {
        self.is_shut_out.load(Ordering::Relaxed)
    }

    /// Notes what the orderers say of this peer; gives what was noted before.
    pub(crate) fn set_shut_out(&self, is_shut_out: bool) -> bool {
        self.is_shut_out.swap(is_shut_out, Ordering::Relaxed)
    }

    /// A committed block and its valid events; `None` above the height.
    pub fn committed(&self, number: u64) -> Result<Option<CommittedBlock>, carecord_ledger::Error> {
        if let Some(recent) = self.events.recent(number) {
            return Ok(Some(recent));
        }
        Ok(self.ledger.block(number)?.map(CommittedBlock::read))
    }

    /// A committed block alone; `None` above the height.
    pub fn block(&self, number: u64) -> Result<Option<Arc<Block>>, carecord_ledger::Error> {
        if let Some(recent) = self.events.recent(number) {
            return Ok(Some(recent.block));
        }
        Ok(self.ledger.block(number)?.map(Arc::new))
    }

    /// What became of a transaction, if it is committed; of two with this id the first counts.
    pub fn status(&self, tx_id: &str) -> Result<Option<TxStatus>, carecord_ledger::Error> {
        let status = self.ledger.tx_status(tx_id)?;
        Ok(status.map(|status| TxStatus { code: status.code, block: status.block }))
    }

    /// Why a transaction is not valid, in one line of ASCII, if this peer still knows; it may name a key, so it goes to a
    /// member who asks and into no log.
    pub(crate) fn cause(&self, tx_id: &str, status: TxStatus) -> Option<String> {
        let cause = self.events.cause(tx_id, status.block)?;
        let writer = cause.writer().and_then(|at| self.tx_id_at(at));
        Some(cause.told(writer.as_deref()))
    }

    /// The id of a committed transaction, by its place.
    fn tx_id_at(&self, at: Version) -> Option<String> {
        let block = self.block(at.block).ok().flatten()?;
        let raw = envelopes(&block).get(usize::try_from(at.tx).ok()?)?;
        let opened = envelope::Opened::open(&wellformed::open_envelope(raw).ok()?).ok()?;
        Some(opened.channel_header.tx_id).filter(|tx_id| !tx_id.is_empty())
    }

    /// Whether a transaction's id is spent, be it in a block that is here or before the channel's snapshot.
    pub fn is_spent(&self, tx_id: &str) -> Result<bool, carecord_ledger::Error> {
        self.ledger.is_spent(tx_id)
    }

    /// Waits until a transaction is committed; `None` if the channel stops before.
    pub(crate) async fn wait_for_status(
        &self,
        tx_id: &str,
    ) -> Result<Option<TxStatus>, StatusError> {
        let waiting = self.events.wait_for(tx_id)?;
        // Looked up only after the place is taken: a commit in between wakes the place.
        if let Some(status) = self.status(tx_id)? {
            return Ok(Some(status));
        }
        Ok(waiting.status().await)
    }

    pub(crate) fn definitions(&self) -> &Definitions {
        &self.definitions
    }

    pub(crate) fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// Where private write sets are brought to the disk.
    pub(crate) fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Who looks for missing private data.
    pub(crate) fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    pub(crate) fn halt(&self, reason: String) {
        self.halted.lock().get_or_insert(reason);
        self.events.stop();
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// Why a status cannot be waited for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StatusError {
    #[error(transparent)]
    Crowded(#[from] Crowded),
    #[error(transparent)]
    Ledger(#[from] carecord_ledger::Error),
}

// === impl CommittedBlock ===

impl CommittedBlock {
    /// A block from the log, with the events read out of it.
    fn read(block: Block) -> Self {
        let flags = carecord_proto::block::flags(&block);
        let events = carecord_proto::block::envelopes(&block)
            .iter()
            .zip(flags)
            .filter(|(_, flag)| **flag == 0)
            .filter_map(|(envelope, _)| event(envelope))
            .collect();
        Self::with_events(block, events)
    }
}

/// The chaincode event of a transaction, if it has one.
fn event(envelope: &bytes::Bytes) -> Option<ChaincodeEvent> {
    let envelope = carecord_proto::common::Envelope::decode(envelope.clone()).ok()?;
    transaction::Opened::open_payload(&envelope.payload).ok()?.event().ok()?
}
