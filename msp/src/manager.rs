//! The MSPs of one channel and the cache of identities they have read.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::cache::IdentityCache;
use crate::{Error, Identity, Msp, msp};

/// The MSPs of a channel; made anew with every channel configuration, so a revocation empties the cache.
#[derive(Debug)]
pub struct MspManager {
    msps: BTreeMap<String, Arc<Msp>>,
    cache: IdentityCache,
}

impl MspManager {
    /// Joins the MSPs of a channel; of two with the same id the later one counts.
    pub fn new(msps: Vec<Arc<Msp>>) -> Self {
        let msps = msps.into_iter().map(|msp| (msp.id().to_string(), msp)).collect();
        MspManager { msps, cache: IdentityCache::new() }
    }

    /// Reads a `SerializedIdentity` with the MSP it names; equal bytes give the same `Arc` while cached.
    ///
    /// That it was read does not mean that it is valid: ask [`Identity::validate`].
    pub fn identity(&self, serialized: &[u8]) -> Result<Arc<Identity>, Error> {
        if let Some(identity) = self.cache.get(serialized) {
            return Ok(identity);
        }
        let serialized = Bytes::copy_from_slice(serialized);
        let message = msp::decode_serialized(&serialized)?;
        let unknown = || Error::UnknownMsp(message.mspid.clone());
        let msp = self.msps.get(&message.mspid).ok_or_else(unknown)?;
        Ok(self.cache.insert(msp.identity_of(serialized, &message)?))
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
