//! A ledger of our own channel with the chaincodes that the tables use.

use std::sync::Arc;

use bytes::Bytes;
use carecord_blocks::storage::Simulated;
use carecord_ledger::state::{Column, MemoryEngine};
use carecord_ledger::{Committed, Ledger, Options};
use carecord_proto::protos::TxValidationCode as Code;
use carecord_proto::rwset::RwSetBuilder;

use crate::network::{Defined, Network, collection};
use crate::support::commit;

/// Both organisations must endorse.
pub const BOTH: &str = "AND('Org1MSP.peer','Org2MSP.peer')";
/// Either may.
pub const EITHER: &str = "OR('Org1MSP.peer','Org2MSP.peer')";

/// A channel with the chaincodes `both` and `either`, each with the collections `plain`, `strict` and `short`.
pub struct Channel {
    pub network: Network,
    pub ledger: Ledger,
    pub engine: MemoryEngine,
    storage: Arc<Simulated>,
}

impl Channel {
    pub fn new() -> Self {
        let network = Network::new();
        let engine = MemoryEngine::default();
        let storage = Simulated::new();
        let options = Options { threads: 1, ..Options::default() };
        let ledger =
            Ledger::start(storage.clone(), Box::new(engine.clone()), &network.genesis, options)
                .unwrap();
        let channel = Channel { network, ledger, engine, storage };
        let define = |(name, policy)| {
            let collections = vec![
                collection("plain", None, 0),
                collection("strict", Some(BOTH), 0),
                collection("short", None, 2),
            ];
            channel.network.define(Defined { name, policy, collections })
        };
        let definitions = [("both", BOTH), ("either", EITHER)].map(define);
        assert_eq!(channel.codes(definitions.to_vec()), [Code::Valid; 2]);
        channel
    }

    /// Commits the envelopes as the next block.
    pub fn commit(&self, envelopes: Vec<Bytes>) -> Committed {
        let block = self.network.block(&self.ledger, envelopes);
        commit(&self.ledger, &block).unwrap()
    }

    /// Commits the envelopes as the next block and gives their codes.
    pub fn codes(&self, envelopes: Vec<Bytes>) -> Vec<Code> {
        self.commit(envelopes).transactions.iter().map(|tx| tx.code).collect()
    }

    /// A transaction of `chaincode` with these reads and writes, endorsed by these organisations.
    pub fn tx(&self, chaincode: &str, by: &[usize], rwset: RwSetBuilder) -> Bytes {
        let mut draft = self.network.draft(chaincode, rwset);
        draft.endorsers = by.to_vec();
        draft.envelope()
    }

    /// Replays the block log into an empty engine, which must end with the same rows.
    pub fn replays_equal(&self) {
        let engine = MemoryEngine::default();
        let options = Options { threads: 1, ..Options::default() };
        let ledger =
            Ledger::resume(self.storage.clone(), Box::new(engine.clone()), options).unwrap();
        assert_eq!(ledger.commit_hash(), self.ledger.commit_hash());
        for column in Column::ALL {
            assert_eq!(engine.dump(column), self.engine.dump(column), "{column:?}");
        }
    }

    /// What a client sees under a key.
    pub fn get(&self, namespace: &str, key: &str) -> Option<Bytes> {
        self.ledger.simulator("query").unwrap().get(namespace, key).unwrap()
    }

    /// The version under which a key would be read.
    pub fn version(&self, namespace: &str, key: &str) -> Option<(u64, u64)> {
        use carecord_ledger::state::{Engine, StateView};
        let snapshot = self.engine.snapshot();
        let stored = StateView::new(&*snapshot).public(namespace, key.as_bytes()).unwrap();
        stored.map(|stored| (stored.version.block, stored.version.tx))
    }
}

/// A write of one key.
pub fn put(namespace: &str, key: &str, value: &'static str) -> RwSetBuilder {
    let mut rwset = RwSetBuilder::new();
    rwset.add_write(namespace, key, value.into());
    rwset
}
