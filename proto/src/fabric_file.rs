//! Block files that programs other than ours can read: Fabric's own block file, and a plain stream of blocks.
//!
//! Place in the flow: tests and the acceptance runner read real ledgers from Fabric's files, and export ours as a
//! stream for an independent check. A node's own log has another format (`carecord_blocks`).

use bytes::{Buf, Bytes, BytesMut};
use prost::Message;
use prost::encoding::{decode_varint, encode_varint};

use crate::common::{Block, BlockData, BlockHeader, BlockMetadata};

/// Why a block file could not be read on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("block file is broken at byte {offset}: {reason}")]
pub struct Error {
    /// Where the unreadable block starts.
    pub offset: usize,
    /// What was wrong with it.
    pub reason: &'static str,
}

/// The blocks of a Fabric block file, up to the first error.
pub fn read(file: Bytes) -> impl Iterator<Item = Result<Block, Error>> {
    Chunks::new(file).map(|item| {
        item.and_then(|(offset, raw)| {
            block_of(raw).ok_or(Error { offset, reason: "not a block of Fabric's file format" })
        })
    })
}

/// The blocks of a stream, in which each `common.Block` has its length as a varint before it.
pub fn read_stream(stream: Bytes) -> impl Iterator<Item = Result<Block, Error>> {
    Chunks::new(stream).map(|item| {
        item.and_then(|(offset, raw)| {
            Block::decode(raw).map_err(|_| Error { offset, reason: "not a block" })
        })
    })
}

/// Appends a block in Fabric's file format.
pub fn write(out: &mut BytesMut, block: &Block) {
    let mut raw = BytesMut::new();
    let header = block.header.clone().unwrap_or_default();
    encode_varint(header.number, &mut raw);
    put(&mut raw, &header.data_hash);
    put(&mut raw, &header.previous_hash);
    put_list(&mut raw, block.data.as_ref().map_or(&[], |data| &data.data));
    put_list(&mut raw, block.metadata.as_ref().map_or(&[], |metadata| &metadata.metadata));
    put(out, &raw);
}

/// Appends a block to a stream.
pub fn write_stream(out: &mut BytesMut, block: &Block) {
    put(out, &block.encode_to_vec());
}

struct Chunks {
    rest: Bytes,
    offset: usize,
}

// === impl Chunks ===

impl Chunks {
    fn new(rest: Bytes) -> Self {
        Self { rest, offset: 0 }
    }
}

impl Iterator for Chunks {
    type Item = Result<(usize, Bytes), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (start, before) = (self.offset, self.rest.len());
        let Some(raw) = take(&mut self.rest) else {
            self.rest = Bytes::new();
            return Some(Err(Error { offset: start, reason: "ends inside a block" }));
        };
        self.offset += before - self.rest.len();
        Some(Ok((start, raw)))
    }
}

fn block_of(mut raw: Bytes) -> Option<Block> {
    let number = decode_varint(&mut raw).ok()?;
    let data_hash = take(&mut raw)?;
    let previous_hash = take(&mut raw)?;
    let data = take_list(&mut raw)?;
    let metadata = take_list(&mut raw)?;
    raw.is_empty().then_some(Block {
        header: Some(BlockHeader { number, previous_hash, data_hash }),
        data: Some(BlockData { data }),
        metadata: Some(BlockMetadata { metadata }),
    })
}

fn take(rest: &mut Bytes) -> Option<Bytes> {
    let len = usize::try_from(decode_varint(rest).ok()?).ok()?;
    (len <= rest.remaining()).then(|| rest.split_to(len))
}

fn take_list(rest: &mut Bytes) -> Option<Vec<Bytes>> {
    let count = decode_varint(rest).ok()?;
    (0..count).map(|_| take(rest)).collect()
}

fn put(out: &mut BytesMut, bytes: &[u8]) {
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn put_list(out: &mut BytesMut, items: &[Bytes]) {
    encode_varint(items.len() as u64, out);
    for item in items {
        put(out, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_ends_inside_a_block_gives_the_blocks_before_it_and_an_error() {
        let mut file = BytesMut::new();
        let block = crate::block::new(0, Bytes::new(), vec![Bytes::from_static(b"tx")]);
        write(&mut file, &block);
        let whole = file.len();
        write(&mut file, &block);
        file.truncate(file.len() - 1);
        let found: Vec<_> = read(file.freeze()).collect();
        assert_eq!(found[0].as_ref(), Ok(&block));
        assert_eq!(found[1], Err(Error { offset: whole, reason: "ends inside a block" }));
        assert_eq!(found.len(), 2);
    }
}
