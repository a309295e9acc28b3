//! The rows that one committed block adds to state, history and indexes: the same at commit and at replay.

use bytes::Bytes;
use carecord_proto::common::Block;
use carecord_proto::protos::TxValidationCode as Code;
use carecord_proto::{block, rwset::TxRwSet};

use crate::index::{self, Savepoint};
use crate::mvcc::Candidate;
use crate::private::{self, Held, PrivateStore, Taken, Transaction};
use crate::state::{EngineError, Key, StateView, Version, WriteBatch};
use crate::updates::{Place, Row, Updates};
use crate::{commit_hash, expiry};

/// Where the channel's configuration lies in state, as in Fabric: in the namespace without a name.
const CONFIG_NAMESPACE: &str = "";
const CONFIG_KEY: &[u8] = b"CHANNEL_CONFIG_ENV_BYTES";

/// A judged block, ready to be written.
pub(crate) struct Judged<'a> {
    pub(crate) block: &'a Block,
    pub(crate) codes: &'a [Code],
    pub(crate) tx_ids: Vec<&'a str>,
    pub(crate) valid: Vec<Candidate<'a>>,
    pub(crate) updates: Updates,
    pub(crate) previous: Option<Savepoint>,
    /// What this peer holds of the block's private writes.
    pub(crate) held: &'a [Held],
}

impl Judged<'_> {
    /// The flags as bytes, one per transaction.
    pub(crate) fn flags(&self) -> Vec<u8> {
        flags(self.codes)
    }

    pub(crate) fn savepoint(&self) -> Savepoint {
        let number = block::number(self.block);
        let header = self.block.header.clone().unwrap_or_default();
        let previous = self.previous.as_ref().and_then(|savepoint| savepoint.commit_hash.as_ref());
        let hash = || commit_hash::commit_hash(&self.flags(), &self.updates, previous);
        Savepoint {
            height: number + 1,
            header_hash: block::header_hash(&header),
            commit_hash: (number > 0).then(hash),
        }
    }

    pub(crate) fn batch(
        &self,
        savepoint: &Savepoint,
        state: StateView<'_>,
        store: &PrivateStore,
        history: bool,
    ) -> Result<WriteBatch, EngineError> {
        let mut batch = WriteBatch::default();
        let number = block::number(self.block);
        self.updates.write_to(&mut batch);
        expiry::add_to(&mut batch, number, &self.updates, state)?;
        private::add_to(&mut batch, number, &self.updates, (store, self.held), state)?;
        if history {
            for candidate in &self.valid {
                add_history(&mut batch, number, candidate);
            }
        }
        let transactions = self.tx_ids.iter().copied().zip(self.codes.iter().copied());
        index::add_transactions(&mut batch, state.reader(), number, transactions)?;
        index::add_block(&mut batch, &savepoint.header_hash, number);
        savepoint.write_to(&mut batch);
        Ok(batch)
    }
}

/// What this peer makes of the private writes of a block's valid transactions; `state` is that before the block.
pub(crate) fn taken(
    store: &PrivateStore,
    number: u64,
    valid: &[Candidate<'_>],
    tx_ids: &[&str],
    state: StateView<'_>,
) -> Result<Taken, EngineError> {
    let transactions = valid.iter().filter_map(|candidate| {
        let Candidate { position, rwset } = *candidate;
        let tx_id = usize::try_from(position).ok().and_then(|position| tx_ids.get(position))?;
        Some(Transaction { position, tx_id, rwset })
    });
    store.take(number, &transactions.collect::<Vec<_>>(), state)
}

/// Codes as the transactions filter holds them.
pub(crate) fn flags(codes: &[Code]) -> Vec<u8> {
    codes.iter().map(|code| *code as i32 as u8).collect()
}

/// Puts a configuration where Fabric keeps it; the commit hash leaves this namespace out.
pub(crate) fn add_config(updates: &mut Updates, envelope: Bytes, number: u64) {
    let place = Place { namespace: CONFIG_NAMESPACE, collection: None, key: CONFIG_KEY };
    let version = Version { block: number, tx: 0 };
    updates.insert(place, Row { value: Some(envelope), metadata: Bytes::new(), version });
}

/// The configuration in force after the last applied block.
pub(crate) fn config(state: StateView<'_>) -> Result<Option<Bytes>, EngineError> {
    Ok(state.public(CONFIG_NAMESPACE, CONFIG_KEY)?.map(|stored| stored.value))
}

fn add_history(batch: &mut WriteBatch, number: u64, candidate: &Candidate<'_>) {
    let TxRwSet { namespaces } = candidate.rwset;
    for ns in namespaces {
        for write in &ns.kv.writes {
            let key = Key::History {
                namespace: &ns.namespace,
                key: write.key.as_bytes(),
                block: number,
                tx: candidate.position,
            };
            batch.put(key.column(), key.bytes(), Bytes::new());
        }
    }
}
