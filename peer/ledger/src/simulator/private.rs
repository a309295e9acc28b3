//! Private data in a simulation: the channel sees hashes of keys and values, the members' peers the rest.

use bytes::Bytes;
use carecord_proto::hash::sha256;
use carecord_proto::rwset::KeyMetadata;

use super::{SimulationError, Simulator, named};
use crate::state::Versioned;

impl Simulator<'_> {
    /// The hash of a private key's value, recorded as a hashed read.
    pub fn private_hash(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<Option<Bytes>, SimulationError> {
        Ok(self.hashed_read(namespace, collection, key)?.map(|stored| stored.value))
    }

    /// A private key's value, recorded as a hashed read.
    ///
    /// A key that exists on the channel and whose value is not on this peer gives [`SimulationError::NotHeld`].
    pub fn get_private(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<Option<Bytes>, SimulationError> {
        let Some(hashed) = self.hashed_read(namespace, collection, key)? else { return Ok(None) };
        let held = self.state().private(namespace, collection, key.as_bytes())?;
        match held.filter(|value| hashed.value == sha256(&[value])[..]) {
            Some(value) => Ok(Some(value)),
            None => Err(SimulationError::NotHeld {
                namespace: namespace.to_owned(),
                collection: collection.to_owned(),
                key: key.to_owned(),
            }),
        }
    }

    /// Up to `limit` private keys that this peer holds, with `start <= key`, and `key < end` unless `end` is empty.
    ///
    /// Other peers may hold other keys, so nothing is recorded, and a transaction that scans cannot write.
    pub fn private_range(
        &mut self,
        namespace: &str,
        collection: &str,
        (start, end): (&str, &str),
        limit: usize,
    ) -> Result<Vec<(String, Bytes)>, SimulationError> {
        if self.written {
            return Err(SimulationError::PrivateScan(self.tx_id.clone()));
        }
        self.scanned = true;
        let range = (start.as_bytes(), end.as_bytes());
        let rows = self.state().private_range(namespace, collection, range, limit)?;
        let text = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
        Ok(rows.into_iter().map(|(key, value)| (text(&key), value)).collect())
    }

    /// A private key's metadata, recorded as a hashed read.
    pub fn private_metadata(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<KeyMetadata, SimulationError> {
        let stored = self.hashed_read(namespace, collection, key)?;
        Ok(stored.map(|stored| named(&stored)).unwrap_or_default())
    }

    /// Writes a private value; an empty one deletes the key.
    pub fn set_private(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
        value: Bytes,
    ) -> Result<(), SimulationError> {
        self.private_write(namespace, collection, key)?;
        self.rwset.add_private_write(namespace, collection, key, value);
        Ok(())
    }

    /// Deletes a private key.
    pub fn delete_private(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<(), SimulationError> {
        self.set_private(namespace, collection, key, Bytes::new())
    }

    /// Deletes a private key and, on every member's peer, all that was ever stored under it.
    pub fn purge_private(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<(), SimulationError> {
        self.private_write(namespace, collection, key)?;
        self.rwset.add_private_purge(namespace, collection, key);
        Ok(())
    }

    /// Replaces a private key's metadata; with no entries removes it.
    pub fn set_private_metadata(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
        metadata: &KeyMetadata,
    ) -> Result<(), SimulationError> {
        self.private_write(namespace, collection, key)?;
        self.rwset.add_private_metadata_write(namespace, collection, key, metadata);
        Ok(())
    }

    fn private_write(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<(), SimulationError> {
        if key.is_empty() {
            return Err(SimulationError::EmptyKey);
        }
        self.about_to_write()?;
        self.touch(namespace).collections.insert(collection.to_owned());
        Ok(())
    }

    fn hashed_read(
        &mut self,
        namespace: &str,
        collection: &str,
        key: &str,
    ) -> Result<Option<Versioned>, SimulationError> {
        let key_hash = sha256(&[key.as_bytes()]);
        let stored = self.state().hashed(namespace, collection, &key_hash)?;
        let version = stored.as_ref().map(|stored| (stored.version.block, stored.version.tx));
        self.rwset.add_hashed_read(namespace, collection, key, version);
        let touched = self.touch(namespace);
        touched.collections.insert(collection.to_owned());
        touched.private_reads = true;
        Ok(stored)
    }
}
