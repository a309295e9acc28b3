//! Simulation: a chaincode's reads and writes against a snapshot, recorded as a read-write set.
//!
//! Place in the flow: the endorser opens one per proposal, the chaincode's state calls arrive here, and [`Simulator::done`]
//! gives the bytes that are endorsed. A simulation reads committed state only, never its own writes, and changes nothing.

mod private;
mod range;
#[cfg(test)]
mod tests;

pub use range::{Batch, Page, RangeId};

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use carecord_proto::rwset::{KeyMetadata, RwSetBuilder};
use prost::Message;

use crate::definition::{self, Definition, DefinitionError};
use crate::index::Savepoint;
use crate::state::{EngineError, Read, StateView, Versioned};
use range::OpenRange;

/// Why a call of a simulation failed; texts as chaincodes see them from Fabric.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// State could not be read.
    #[error(transparent)]
    State(#[from] EngineError),
    /// A paginated query in a transaction that has written.
    #[error(
        "txid [{0}]: unsuppored transaction. Paginated queries are supported only in a read-only transaction"
    )]
    PageAfterWrite(String),
    /// A write in a transaction that has made a paginated query.
    #[error(
        "txid [{0}]: unsuppored transaction. Transaction has already performed a paginated query. Writes are not allowed"
    )]
    WriteAfterPage(String),
    /// There is no such iterator, or it was closed.
    #[error("query iterator not found")]
    NoSuchRange,
    /// More pages or iterators than allowed.
    #[error("too many open iterators: the limit is {0}")]
    TooManyRanges(usize),
    /// A write in a transaction that has scanned private data, which leaves no trace that could be checked.
    #[error(
        "txid [{0}]: unsuppored transaction. Queries on pvt data is supported only in a read-only transaction"
    )]
    PrivateScan(String),
    /// A page size that is not positive.
    #[error("page size must be positive, not {0}")]
    PageSize(i32),
    /// The key's hash is on the channel, the value is not on this peer.
    #[error(
        "private data matching public hash version is not available for [{namespace}:{collection}:{key}]"
    )]
    NotHeld {
        /// The chaincode.
        namespace: String,
        /// The collection.
        collection: String,
        /// The key.
        key: String,
    },
    /// A key must have a name.
    #[error("key must not be an empty string")]
    EmptyKey,
}

/// One transaction's simulation on a snapshot of state.
pub struct Simulator<'a> {
    tx_id: String,
    snapshot: Box<dyn Read + 'a>,
    height: u64,
    rwset: RwSetBuilder,
    ranges: BTreeMap<u64, OpenRange>,
    next_range: u64,
    touched: BTreeMap<String, Touched>,
    /// Whether a paginated query was made, after which nothing may be written.
    paged: bool,
    /// Whether private data was scanned, with the same consequence.
    scanned: bool,
    written: bool,
}

/// What a simulation did in one namespace, from which a client learns whose endorsements it needs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Touched {
    /// Collections read or written.
    pub collections: BTreeSet<String>,
    /// Whether private data was read.
    pub private_reads: bool,
    /// Whether public keys were written.
    pub public_writes: bool,
    /// Stored key-level policies of the public keys written, each once: `SignaturePolicyEnvelope` bytes.
    pub key_policies: BTreeSet<Bytes>,
    /// Whether a written public key has no policy of its own, so that the chaincode's counts.
    pub unruled_writes: bool,
}

/// What a simulation leaves behind.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulationResult {
    /// The bytes of the `TxReadWriteSet`, which are endorsed.
    pub public: Bytes,
    /// The bytes of the `TxPvtReadWriteSet`, if something private was written.
    pub private: Option<Bytes>,
    /// What was done, by namespace.
    pub touched: BTreeMap<String, Touched>,
    /// The height of the state it was simulated on.
    pub height: u64,
}

impl<'a> Simulator<'a> {
    pub(crate) fn new(tx_id: &str, snapshot: Box<dyn Read + 'a>) -> Result<Self, EngineError> {
        let height = Savepoint::read(&*snapshot)?.map_or(0, |savepoint| savepoint.height);
        Ok(Simulator {
            tx_id: tx_id.to_owned(),
            snapshot,
            height,
            rwset: RwSetBuilder::new(),
            ranges: BTreeMap::new(),
            next_range: 0,
            touched: BTreeMap::new(),
            paged: false,
            scanned: false,
            written: false,
        })
    }

    /// The height of the state this simulation sees.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// The transaction's id.
    pub fn tx_id(&self) -> &str {
        &self.tx_id
    }

    /// Whether anything was written.
    pub fn has_writes(&self) -> bool {
        self.written
    }

    /// The committed value of a key, recorded as a read.
    pub fn get(&mut self, namespace: &str, key: &str) -> Result<Option<Bytes>, SimulationError> {
        Ok(self.read(namespace, key)?.map(|stored| stored.value))
    }

    /// The committed values of several keys, each recorded as a read.
    pub fn get_multiple(
        &mut self,
        namespace: &str,
        keys: &[&str],
    ) -> Result<Vec<Option<Bytes>>, SimulationError> {
        keys.iter().map(|key| self.get(namespace, key)).collect()
    }

    /// A key's metadata by name, recorded as a read of the key.
    pub fn metadata(&mut self, namespace: &str, key: &str) -> Result<KeyMetadata, SimulationError> {
        Ok(self.read(namespace, key)?.map(|stored| named(&stored)).unwrap_or_default())
    }

    /// Writes a value; an empty one deletes the key.
    pub fn set(&mut self, namespace: &str, key: &str, value: Bytes) -> Result<(), SimulationError> {
        self.about_to_write()?;
        self.note_public_write(namespace, key)?;
        self.rwset.add_write(namespace, key, value);
        Ok(())
    }

    /// Deletes a key with its metadata.
    pub fn delete(&mut self, namespace: &str, key: &str) -> Result<(), SimulationError> {
        self.set(namespace, key, Bytes::new())
    }

    /// Replaces a key's metadata; with no entries removes it.
    pub fn set_metadata(
        &mut self,
        namespace: &str,
        key: &str,
        metadata: &KeyMetadata,
    ) -> Result<(), SimulationError> {
        self.about_to_write()?;
        self.note_public_write(namespace, key)?;
        self.rwset.add_metadata_write(namespace, key, metadata);
        Ok(())
    }

    /// A chaincode's definition in this snapshot, not recorded as a read.
    ///
    /// An endorser also has to record [`definition::sequence_key`] with [`Simulator::get`].
    pub fn definition(&self, chaincode: &str) -> Result<Option<Definition>, DefinitionError> {
        definition::read(self.state(), chaincode)
    }

    /// Ends the simulation: iterators are closed in the order in which they were opened.
    pub fn done(mut self) -> SimulationResult {
        for (_, range) in std::mem::take(&mut self.ranges) {
            range.record(&mut self.rwset);
        }
        let results = self.rwset.build();
        let private = results.private.map(|private| private.encode_to_vec().into());
        SimulationResult {
            public: results.public,
            private,
            touched: self.touched,
            height: self.height,
        }
    }

    fn state(&self) -> StateView<'_> {
        StateView::new(&*self.snapshot)
    }

    fn read(&mut self, namespace: &str, key: &str) -> Result<Option<Versioned>, SimulationError> {
        let stored = self.state().public(namespace, key.as_bytes())?;
        let version = stored.as_ref().map(|stored| (stored.version.block, stored.version.tx));
        self.rwset.add_read(namespace, key, version);
        self.touch(namespace);
        Ok(stored)
    }

    fn touch(&mut self, namespace: &str) -> &mut Touched {
        if !self.touched.contains_key(namespace) {
            self.touched.insert(namespace.to_owned(), Touched::default());
        }
        self.touched.get_mut(namespace).expect("inserted above")
    }

    fn note_public_write(&mut self, namespace: &str, key: &str) -> Result<(), SimulationError> {
        let stored = self.state().public(namespace, key.as_bytes())?;
        let policy = stored.and_then(|stored| named(&stored).remove(VALIDATION_PARAMETER));
        let touched = self.touch(namespace);
        touched.public_writes = true;
        match policy.filter(|policy| !policy.is_empty()) {
            Some(policy) => drop(touched.key_policies.insert(policy)),
            None => touched.unruled_writes = true,
        }
        Ok(())
    }

    fn about_to_write(&mut self) -> Result<(), SimulationError> {
        if self.paged {
            return Err(SimulationError::WriteAfterPage(self.tx_id.clone()));
        }
        if self.scanned {
            return Err(SimulationError::PrivateScan(self.tx_id.clone()));
        }
        self.written = true;
        Ok(())
    }

    fn about_to_page(&mut self) -> Result<(), SimulationError> {
        if self.written {
            return Err(SimulationError::PageAfterWrite(self.tx_id.clone()));
        }
        self.paged = true;
        Ok(())
    }
}

/// Metadata entry that holds a key's endorsement policy.
pub const VALIDATION_PARAMETER: &str = "VALIDATION_PARAMETER";

fn named(stored: &Versioned) -> KeyMetadata {
    stored.entries().into_iter().map(|entry| (entry.name, entry.value)).collect()
}
