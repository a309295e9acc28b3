//! The ledger of one channel: open it, read from it, simulate on it. Extending it is in [`crate::commit`].

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use carecord_blocks::BlockReader;
use carecord_blocks::storage::{Disk, Storage};
use carecord_channel::Bundle;
use carecord_proto::block;
use carecord_proto::common::{Block, BlockchainInfo, BootstrappingSnapshotInfo};
use carecord_proto::protos::ProcessedTransaction;
use parking_lot::{Mutex, RwLock};

use crate::blocks::Blocks;
use crate::collection::Collections;
use crate::definition::{self, Definition};
use crate::error::Error;
use crate::history::{self, KeyModification};
use crate::index::{self, Savepoint, Spent, TxStatus};
use crate::options::Options;
use crate::private::PrivateStore;
use crate::recovery::{self, Base};
use crate::simulator::Simulator;
use crate::snapshot::{self, Snapshot};
use crate::state::{Engine, Read, RocksEngine, StateView};
use crate::validator::{OwnEndorsements, Prefetched, Prefetcher, prefetch};

/// Folder of the block log below a ledger's folder.
pub(crate) const BLOCKS: &str = "blocks";

/// Folder of state, history and indexes below a ledger's folder.
pub(crate) const STATE: &str = "state";

/// Folder of private data below a ledger's folder; unlike state it is no copy of anything.
const PRIVATE: &str = "private";

/// One channel's blocks and the state they lead to.
///
/// Any number of threads may read and simulate while one commits.
pub struct Ledger {
    pub(crate) channel_id: String,
    pub(crate) blocks: Blocks,
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) private: PrivateStore,
    pub(crate) options: Options,
    /// The first block that is here: 0 unless the ledger began with a snapshot.
    first: u64,
    pub(crate) tip: RwLock<Tip>,
    /// Held while a block is committed.
    pub(crate) committing: Mutex<()>,
    /// The first error after which nothing more is committed.
    pub(crate) halted: RwLock<Option<String>>,
    pub(crate) collections: Collections,
    own: Arc<OwnEndorsements>,
}

/// State, and private data beside it.
type Stores = (Box<dyn Engine>, PrivateStore);

/// Where the chain ends, and the configuration in force for the next block.
#[derive(Debug, Clone)]
pub(crate) struct Tip {
    pub(crate) savepoint: Savepoint,
    pub(crate) previous_hash: Bytes,
    pub(crate) bundle: Arc<Bundle>,
}

impl Ledger {
    /// Starts a ledger in the empty or missing folder `dir` with a channel's genesis block.
    ///
    /// A start that a crash cut short may be repeated.
    pub fn create(dir: &Path, genesis: &Block, options: Options) -> Result<Self, Error> {
        recovery::check_genesis(genesis)?;
        std::fs::create_dir_all(dir).map_err(|error| folder(dir, error))?;
        let storage = Disk::open(dir.join(BLOCKS)).map_err(|error| folder(dir, error))?;
        if Blocks::open(storage.clone())?.height() > 0 {
            return Err(folder(dir, "holds a ledger already"));
        }
        let engine = RocksEngine::open(&dir.join(STATE), &options.state)?;
        let private = private(dir, &options)?;
        Self::begun(storage, (Box::new(engine), private), genesis, options)
    }

    /// Opens the ledger in `dir`; what a crash or a lost state folder left behind is replayed from the block log.
    pub fn open(dir: &Path, options: Options) -> Result<Self, Error> {
        match Self::open_stored(dir, options.clone()) {
            Err(Error::State(error)) if error.is_damage() => {
                tracing::warn!(dir = %dir.display(), %error, "rebuilding state from the block log");
                std::fs::remove_dir_all(dir.join(STATE)).map_err(|error| folder(dir, error))?;
                Self::open_stored(dir, options)
            }
            opened => opened,
        }
    }

    fn open_stored(dir: &Path, options: Options) -> Result<Self, Error> {
        let snapshot = Some(dir.join(snapshot::FOLDER)).filter(|folder| folder.exists());
        if snapshot.is_none() && !dir.join(BLOCKS).exists() {
            return Err(folder(dir, "holds no ledger"));
        }
        let storage = Disk::open(dir.join(BLOCKS)).map_err(|error| folder(dir, error))?;
        let blocks = Blocks::open(storage)?;
        if snapshot.is_none() && blocks.height() == 0 {
            return Err(folder(dir, "holds no ledger"));
        }
        let engine = RocksEngine::open(&dir.join(STATE), &options.state)?;
        let private = private(dir, &options)?;
        Self::recovered(blocks, (Box::new(engine), private), snapshot.as_deref(), options)
    }

    /// Makes the ledger of a channel in the missing folder `dir` from a snapshot, without the blocks before it.
    pub fn join(dir: &Path, from: &Path, options: Options) -> Result<Self, Error> {
        snapshot::install(from, dir)?;
        Self::open(dir, options)
    }

    /// [`Ledger::create`] over storage of the caller's choice.
    pub fn start(
        storage: Arc<dyn Storage>,
        engine: Box<dyn Engine>,
        genesis: &Block,
        options: Options,
    ) -> Result<Self, Error> {
        let private = PrivateStore::in_memory(options.msp_id.clone())?;
        Self::begun(storage, (engine, private), genesis, options)
    }

    fn begun(
        storage: Arc<dyn Storage>,
        stores: Stores,
        genesis: &Block,
        options: Options,
    ) -> Result<Self, Error> {
        recovery::check_genesis(genesis)?;
        let blocks = Blocks::open(storage)?;
        if blocks.height() == 0 {
            let mut genesis = genesis.clone();
            block::set_flags(&mut genesis, &[0]);
            blocks.append(&genesis)?;
        }
        Self::recovered(blocks, stores, None, options)
    }

    /// [`Ledger::open`] over storage of the caller's choice.
    pub fn resume(
        storage: Arc<dyn Storage>,
        engine: Box<dyn Engine>,
        options: Options,
    ) -> Result<Self, Error> {
        let private = PrivateStore::in_memory(options.msp_id.clone())?;
        Self::recovered(Blocks::open(storage)?, (engine, private), None, options)
    }

    /// [`Ledger::resume`] of a ledger that began with the snapshot in the folder `snapshot`.
    pub fn resume_from(
        snapshot: &Path,
        storage: Arc<dyn Storage>,
        engine: Box<dyn Engine>,
        options: Options,
    ) -> Result<Self, Error> {
        let private = PrivateStore::in_memory(options.msp_id.clone())?;
        Self::recovered(Blocks::open(storage)?, (engine, private), Some(snapshot), options)
    }

    fn recovered(
        blocks: Blocks,
        (engine, private): Stores,
        snapshot: Option<&Path>,
        options: Options,
    ) -> Result<Self, Error> {
        let base = snapshot.map(Base::read).transpose()?;
        let first = base.as_ref().map_or(0, Base::height);
        let stores = recovery::Stores { blocks: &blocks, engine: &*engine, private: &private };
        let tip = recovery::recover(&stores, base.as_ref(), options.history)?;
        let channel_id = tip.bundle.channel_id().to_owned();
        let (tip, committing, halted) = (RwLock::new(tip), Mutex::default(), RwLock::default());
        let own = Arc::default();
        Ok(Ledger {
            channel_id,
            blocks,
            engine,
            private,
            options,
            first,
            tip,
            committing,
            halted,
            collections: Collections::default(),
            own,
        })
    }

    // === what it is ===

    /// The channel.
    pub fn channel_id(&self) -> &str {
        &self.channel_id
    }

    /// The first block that is here: 0 unless the ledger began with a snapshot.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// How many blocks are committed.
    pub fn height(&self) -> u64 {
        self.tip.read().savepoint.height
    }

    /// The configuration in force for the next block.
    pub fn bundle(&self) -> Arc<Bundle> {
        Arc::clone(&self.tip.read().bundle)
    }

    /// The commit hash of the last block; none if that is block 0.
    pub fn commit_hash(&self) -> Option<[u8; 32]> {
        self.tip.read().savepoint.commit_hash
    }

    /// Header hash of the last block.
    pub fn header_hash(&self) -> [u8; 32] {
        self.tip.read().savepoint.header_hash
    }

    /// Height and hashes, as `qscc` gives them.
    pub fn info(&self) -> BlockchainInfo {
        let tip = self.tip.read();
        BlockchainInfo {
            height: tip.savepoint.height,
            current_block_hash: Bytes::copy_from_slice(&tip.savepoint.header_hash),
            previous_block_hash: tip.previous_hash.clone(),
            bootstrapping_snapshot_info: (self.first > 0)
                .then(|| BootstrappingSnapshotInfo { last_block_in_snapshot: self.first - 1 }),
        }
    }

    /// The first error, if the ledger has stopped.
    pub fn halted(&self) -> Option<String> {
        self.halted.read().clone()
    }

    // === blocks and transactions ===

    /// The committed block of this number; an error if it lies before the ledger's snapshot.
    pub fn block(&self, number: u64) -> Result<Option<Block>, Error> {
        if number >= self.height() {
            return Ok(None);
        }
        if number < self.first {
            return Err(Error::BlockBeforeSnapshot { block: number, first: self.first });
        }
        Ok(self.blocks.read(number)?)
    }

    /// Reads stored blocks for deliver streams; it may be a block ahead of [`Ledger::height`].
    pub fn block_reader(&self) -> BlockReader {
        self.blocks.reader()
    }

    /// The committed block with this header hash.
    pub fn block_by_hash(&self, header_hash: &[u8]) -> Result<Option<Block>, Error> {
        match index::block(reader(&*self.engine), header_hash)? {
            Some(number) => self.block(number),
            None => Ok(None),
        }
    }

    /// The block with the first occurrence of a transaction id.
    pub fn block_by_tx(&self, tx_id: &str) -> Result<Option<Block>, Error> {
        match self.tx_status(tx_id)? {
            Some(status) => self.block(status.block),
            None => Ok(None),
        }
    }

    /// The first transaction with this id, and its verdict.
    pub fn transaction(&self, tx_id: &str) -> Result<Option<ProcessedTransaction>, Error> {
        let Some(status) = self.tx_status(tx_id)? else { return Ok(None) };
        let Some(found) = self.block(status.block)? else { return Ok(None) };
        let raw = usize::try_from(status.tx).ok().and_then(|tx| block::envelopes(&found).get(tx));
        let envelope = raw.and_then(|raw| carecord_proto::wellformed::open_envelope(raw).ok());
        Ok(Some(ProcessedTransaction {
            transaction_envelope: envelope,
            validation_code: status.code.into(),
        }))
    }

    /// Where the first transaction with this id lies, and its verdict.
    pub fn tx_status(&self, tx_id: &str) -> Result<Option<TxStatus>, Error> {
        match index::transaction(reader(&*self.engine), tx_id)? {
            Some(Spent::At(status)) => Ok(Some(status).filter(|at| at.block < self.height())),
            Some(Spent::BeforeSnapshot) => {
                Err(Error::TxBeforeSnapshot { tx_id: tx_id.to_owned(), first: self.first })
            }
            None => Ok(None),
        }
    }

    /// Whether a transaction id is spent, in a block that is here or before the ledger's snapshot.
    pub fn is_spent(&self, tx_id: &str) -> Result<bool, Error> {
        match self.tx_status(tx_id) {
            Err(Error::TxBeforeSnapshot { .. }) => Ok(true),
            status => Ok(status?.is_some()),
        }
    }

    // === snapshots ===

    /// Writes the state as it is now into the new folder `dir`; commits go on meanwhile.
    ///
    /// `begun` is called with the last block that it covers as soon as that cannot change any more.
    pub fn snapshot(&self, dir: &Path, begun: impl FnOnce(u64)) -> Result<Snapshot, Error> {
        let view = self.engine.snapshot();
        let savepoint = Savepoint::read(&*view)?;
        let savepoint = savepoint.ok_or_else(|| Error::Genesis("state is empty".into()))?;
        let last = savepoint.height.saturating_sub(1);
        begun(last);
        let previous = match self.blocks.read(last)? {
            Some(block) => block.header.unwrap_or_default().previous_hash,
            // Nothing was committed since the ledger's own snapshot.
            None => self.tip.read().previous_hash.clone(),
        };
        snapshot::export(&*view, &self.channel_id, &savepoint, &previous, dir)
    }

    // === state ===

    /// Simulates a transaction on the state as it is now.
    pub fn simulator(&self, tx_id: &str) -> Result<Simulator<'_>, Error> {
        Ok(Simulator::new(tx_id, self.engine.snapshot())?)
    }

    /// The committed definition of a chaincode.
    pub fn definition(&self, chaincode: &str) -> Result<Option<Definition>, Error> {
        let snapshot = self.engine.snapshot();
        Ok(definition::read(StateView::new(&*snapshot), chaincode)?)
    }

    /// Who wrote a key and what, newest first.
    pub fn history(&self, namespace: &str, key: &str) -> Result<Vec<KeyModification>, Error> {
        history::of(self, namespace, key)
    }

    /// The engine, for tests and for dumping state.
    pub fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    // === towards the next block ===

    /// What another thread needs to prefetch blocks; fetch it again when a configuration block was committed.
    pub fn prefetcher(&self) -> Prefetcher {
        Prefetcher {
            bundle: self.bundle(),
            own: Arc::clone(&self.own),
            foreign: self.options.foreign_channels.clone(),
            threads: self.options.threads,
        }
    }

    /// Looks at a block ahead of its commit; any block, on any thread, in any order.
    pub fn prefetch(&self, block: &Block) -> Prefetched {
        prefetch(block, &self.prefetcher())
    }

    /// Remembers an endorsement this process made, so that the committer need not check its signature again.
    pub fn note_endorsement(&self, response_payload: &[u8], endorser: &[u8], signature: &[u8]) {
        self.own.note(response_payload, endorser, signature);
    }
}

fn private(dir: &Path, options: &Options) -> Result<PrivateStore, Error> {
    PrivateStore::open(&dir.join(PRIVATE), options.msp_id.clone()).map_err(Error::Private)
}

pub(crate) fn folder(dir: &Path, reason: impl ToString) -> Error {
    Error::Folder { path: dir.display().to_string(), reason: reason.to_string() }
}

/// The engine seen as a reader.
pub(crate) fn reader(engine: &dyn Engine) -> &dyn Read {
    engine
}
