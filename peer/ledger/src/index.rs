//! Where a transaction and a block are found: transaction ids, block hashes, and how far state has come.
//!
//! The id that a header names is spent by its first occurrence, valid or not; that occurrence answers for it.

use bytes::{Buf, Bytes};
use carecord_proto::protos::TxValidationCode;
use prost::encoding::{decode_varint, encode_varint};

use crate::state::{EngineError, Key, Read, WriteBatch, damaged};

/// Where a transaction lies and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxStatus {
    /// Its verdict.
    pub code: TxValidationCode,
    /// The block that holds it.
    pub block: u64,
    /// Its position in that block.
    pub tx: u64,
}

/// How far state, history and indexes have come; in the same batch as the block's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Savepoint {
    /// Blocks applied.
    pub height: u64,
    /// Header hash of the last one.
    pub header_hash: [u8; 32],
    /// Its commit hash; block 0 has none.
    pub commit_hash: Option<[u8; 32]>,
}

/// First byte of a stored savepoint.
const FORMAT: u8 = 1;

impl Savepoint {
    pub(crate) fn read(reader: &dyn Read) -> Result<Option<Self>, EngineError> {
        let key = Key::Savepoint;
        let Some(stored) = reader.get(key.column(), &key.bytes())? else { return Ok(None) };
        Self::decode(stored).map(Some).ok_or_else(|| damaged(&key.bytes()))
    }

    pub(crate) fn write_to(&self, batch: &mut WriteBatch) {
        let mut out = vec![FORMAT];
        out.extend_from_slice(&self.height.to_be_bytes());
        out.extend_from_slice(&self.header_hash);
        out.extend_from_slice(self.commit_hash.as_ref().map_or(&[], |hash| &hash[..]));
        batch.put(Key::Savepoint.column(), Key::Savepoint.bytes(), out);
    }

    fn decode(mut stored: Bytes) -> Option<Self> {
        if stored.len() < 41 || stored.get_u8() != FORMAT {
            return None;
        }
        let height = stored.get_u64();
        let header_hash = stored.split_to(32)[..].try_into().ok()?;
        let commit_hash = match stored.len() {
            0 => None,
            _ => Some(stored[..].try_into().ok()?),
        };
        Some(Savepoint { height, header_hash, commit_hash })
    }
}

/// What is known of a spent transaction id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spent {
    /// Its first occurrence.
    At(TxStatus),
    /// It came before the snapshot that this ledger began with.
    BeforeSnapshot,
}

/// The first occurrence of a transaction id.
pub(crate) fn transaction(reader: &dyn Read, tx_id: &str) -> Result<Option<Spent>, EngineError> {
    let key = Key::TxId(tx_id);
    let Some(stored) = reader.get(key.column(), &key.bytes())? else { return Ok(None) };
    if stored.is_empty() {
        return Ok(Some(Spent::BeforeSnapshot));
    }
    decode_status(stored).map(|at| Some(Spent::At(at))).ok_or_else(|| damaged(&key.bytes()))
}

/// The row of an id that was spent before a snapshot, of which nothing else is known.
pub(crate) fn spent_before(tx_id: &str) -> (Vec<u8>, Bytes) {
    (Key::TxId(tx_id).bytes(), Bytes::new())
}

/// The number of the block with this header hash.
pub(crate) fn block(reader: &dyn Read, header_hash: &[u8]) -> Result<Option<u64>, EngineError> {
    let key = Key::BlockHash(header_hash);
    let Some(stored) = reader.get(key.column(), &key.bytes())? else { return Ok(None) };
    let number = stored[..].try_into().map(u64::from_be_bytes);
    number.map(Some).map_err(|_| damaged(&key.bytes()))
}

pub(crate) fn add_block(batch: &mut WriteBatch, header_hash: &[u8], number: u64) {
    let key = Key::BlockHash(header_hash);
    batch.put(key.column(), key.bytes(), number.to_be_bytes().to_vec());
}

/// Adds the ids of a block that are new; of several equal ones in the block the first counts.
pub(crate) fn add_transactions<'a>(
    batch: &mut WriteBatch,
    reader: &dyn Read,
    number: u64,
    transactions: impl Iterator<Item = (&'a str, TxValidationCode)>,
) -> Result<(), EngineError> {
    let mut seen = std::collections::BTreeSet::new();
    for (position, (tx_id, code)) in transactions.enumerate() {
        if tx_id.is_empty() || !seen.insert(tx_id) || transaction(reader, tx_id)?.is_some() {
            continue;
        }
        let mut value = Vec::with_capacity(8);
        encode_varint(number, &mut value);
        encode_varint(position as u64, &mut value);
        value.push(code as i32 as u8);
        batch.put(Key::TxId(tx_id).column(), Key::TxId(tx_id).bytes(), value);
    }
    Ok(())
}

fn decode_status(mut stored: Bytes) -> Option<TxStatus> {
    let block = decode_varint(&mut stored).ok()?;
    let tx = decode_varint(&mut stored).ok()?;
    let code = TxValidationCode::try_from(i32::from(*stored.first()?)).ok()?;
    Some(TxStatus { code, block, tx })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Engine, MemoryEngine};

    #[test]
    fn the_first_occurrence_of_an_id_answers() {
        let engine = MemoryEngine::default();
        let add = |number, codes: &[(&'static str, TxValidationCode)]| {
            let mut batch = WriteBatch::default();
            add_transactions(&mut batch, &engine, number, codes.iter().copied()).unwrap();
            engine.write(batch).unwrap();
        };
        use TxValidationCode::{BadProposalTxid, DuplicateTxid, Valid};
        add(4, &[("a", Valid), ("", Valid), ("a", DuplicateTxid), ("b", BadProposalTxid)]);
        add(5, &[("b", DuplicateTxid)]);
        let status = |id| transaction(&engine, id).unwrap();
        assert_eq!(status("a"), Some(Spent::At(TxStatus { code: Valid, block: 4, tx: 0 })));
        let of_b = TxStatus { code: BadProposalTxid, block: 4, tx: 3 };
        assert_eq!(status("b"), Some(Spent::At(of_b)));
        assert_eq!(status(""), None);
    }

    #[test]
    fn a_savepoint_reads_back() {
        let engine = MemoryEngine::default();
        for commit_hash in [None, Some([7; 32])] {
            let savepoint = Savepoint { height: 9, header_hash: [3; 32], commit_hash };
            let mut batch = WriteBatch::default();
            savepoint.write_to(&mut batch);
            engine.write(batch).unwrap();
            assert_eq!(Savepoint::read(&engine).unwrap(), Some(savepoint));
        }
    }
}
