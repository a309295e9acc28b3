//! State as the ledger's rules see it: public and hashed keys with versions, over any reader.

use bytes::Bytes;

use super::keys::{key_after_collection, key_after_namespace};
use super::{EngineError, Key, Read, Versioned};

/// Typed reads of committed state.
#[derive(Clone, Copy)]
pub struct StateView<'a> {
    reader: &'a dyn Read,
}

impl<'a> StateView<'a> {
    /// State as `reader` shows it.
    pub fn new(reader: &'a dyn Read) -> Self {
        StateView { reader }
    }

    /// A public key.
    pub fn public(&self, namespace: &str, key: &[u8]) -> Result<Option<Versioned>, EngineError> {
        self.versioned(Key::Public { namespace, key })
    }

    /// A key of a collection, by its hash.
    pub fn hashed(
        &self,
        namespace: &str,
        collection: &str,
        key_hash: &[u8],
    ) -> Result<Option<Versioned>, EngineError> {
        self.versioned(Key::Hashed { namespace, collection, key_hash })
    }

    /// Up to `limit` public keys with `start <= key`, and `key < end` unless `end` is empty.
    pub fn range(
        &self,
        namespace: &str,
        start: &[u8],
        end: &[u8],
        limit: usize,
    ) -> Result<Vec<(Bytes, Versioned)>, EngineError> {
        Ok(self.range_within(namespace, start, end, limit, usize::MAX)?.0)
    }

    /// The same, and none after their bytes have reached `bytes`; whether a limit ended them.
    pub fn range_within(
        &self,
        namespace: &str,
        start: &[u8],
        end: &[u8],
        limit: usize,
        bytes: usize,
    ) -> Result<(Vec<(Bytes, Versioned)>, bool), EngineError> {
        let from = Key::Public { namespace, key: start };
        let column = from.column();
        let prefix = from.bytes().len() - start.len();
        let to = match end {
            [] => key_after_namespace(namespace),
            _ => Key::Public { namespace, key: end }.bytes(),
        };
        let rows = self.reader.scan_within(column, &from.bytes(), &to, limit, bytes)?;
        let size: usize = rows.iter().map(|(key, value)| key.len() + value.len()).sum();
        let more = rows.len() == limit || size >= bytes;
        let rows: Result<_, EngineError> = rows
            .into_iter()
            .map(|(key, value)| {
                let value = Versioned::decode(value).ok_or_else(|| damaged(&key))?;
                Ok((Bytes::from(key).slice(prefix..), value))
            })
            .collect();
        Ok((rows?, more))
    }

    /// The value behind a private key's hash, if this peer holds it.
    pub fn private(
        &self,
        namespace: &str,
        collection: &str,
        key: &[u8],
    ) -> Result<Option<Bytes>, EngineError> {
        let key = Key::Private { namespace, collection, key };
        self.reader.get(key.column(), &key.bytes())
    }

    /// Up to `limit` private keys held here with `start <= key`, and `key < end` unless `end` is empty.
    pub fn private_range(
        &self,
        namespace: &str,
        collection: &str,
        (start, end): (&[u8], &[u8]),
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, EngineError> {
        let from = Key::Private { namespace, collection, key: start };
        let prefix = from.bytes().len() - start.len();
        let to = match end {
            [] => key_after_collection(namespace, collection),
            _ => Key::Private { namespace, collection, key: end }.bytes(),
        };
        let rows = self.reader.scan(from.column(), &from.bytes(), &to, limit)?;
        Ok(rows.into_iter().map(|(key, value)| (Bytes::from(key).slice(prefix..), value)).collect())
    }

    pub(crate) fn reader(&self) -> &'a dyn Read {
        self.reader
    }

    fn versioned(&self, key: Key<'_>) -> Result<Option<Versioned>, EngineError> {
        let bytes = key.bytes();
        let Some(value) = self.reader.get(key.column(), &bytes)? else { return Ok(None) };
        Versioned::decode(value).map(Some).ok_or_else(|| damaged(&bytes))
    }
}

pub(crate) fn damaged(key: &[u8]) -> EngineError {
    EngineError::Damaged(key.escape_ascii().to_string())
}
