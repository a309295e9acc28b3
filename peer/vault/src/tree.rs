//! The Merkle tree over a ciphertext's blocks, so far as it is kept: the roots of its chunks.
//!
//! Leaves are blocks of 1024 bytes, as contract `storage` asks for them; a chunk is 256 of them. A chunk's root is a node of the
//! tree of RFC 6962, since 256 is a power of two, so a proof reads one chunk only, and a part of a content is checked before it is
//! sent. Pure: bytes in, bytes out.

use carecord_health::merkle::{self, Bytes32, HASH_BYTES};

/// Bytes of a leaf; the last one may be shorter.
pub const BLOCK_BYTES: usize = 1024;
/// Bytes of a chunk.
pub(crate) const CHUNK_BYTES: usize = 256 * BLOCK_BYTES;

/// A content's length and the roots of its chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) size: u64,
    chunks: Vec<Bytes32>,
}

/// Builds a tree of bytes that arrive in pieces; holds less than a block of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Builder {
    block: Vec<u8>,
    leaves: Vec<Bytes32>,
    chunks: Vec<Bytes32>,
    size: u64,
}

// === impl Builder ===

impl Builder {
    /// Takes the next bytes.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = BLOCK_BYTES - self.block.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == BLOCK_BYTES {
                self.end_block();
            }
        }
    }

    /// The tree of all bytes taken.
    pub(crate) fn finish(mut self) -> Tree {
        if !self.block.is_empty() {
            self.end_block();
        }
        if !self.leaves.is_empty() {
            self.end_chunk();
        }
        Tree { size: self.size, chunks: self.chunks }
    }

    fn end_block(&mut self) {
        self.leaves.push(merkle::leaf(&self.block));
        self.block.clear();
        if self.leaves.len() == CHUNK_BYTES / BLOCK_BYTES {
            self.end_chunk();
        }
    }

    fn end_chunk(&mut self) {
        self.chunks.push(merkle::root(&self.leaves));
        self.leaves.clear();
    }
}

// === impl Tree ===

impl Tree {
    /// The root over all blocks.
    pub(crate) fn root(&self) -> Bytes32 {
        merkle::root(&self.chunks)
    }

    /// How many blocks there are.
    pub(crate) fn blocks(&self) -> u64 {
        self.size.div_ceil(BLOCK_BYTES as u64)
    }

    /// Whether these bytes are the chunk of this number.
    pub(crate) fn holds(&self, number: usize, chunk: &[u8]) -> bool {
        self.chunks.get(number).is_some_and(|root| *root == merkle::root(&leaves(chunk)))
    }

    /// The way from a block to the root, given the chunk that it lies in.
    pub(crate) fn path(&self, block: u64, chunk: &[u8]) -> Option<Vec<Bytes32>> {
        let of_chunk = (CHUNK_BYTES / BLOCK_BYTES) as u64;
        let within = usize::try_from(block % of_chunk).ok()?;
        let number = usize::try_from(block / of_chunk).ok()?;
        let mut path = merkle::path(&leaves(chunk), within)?;
        path.extend(merkle::path(&self.chunks, number)?);
        Some(path)
    }

    /// As it is stored beside the content.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.size.to_be_bytes().to_vec();
        self.chunks.iter().for_each(|root| out.extend_from_slice(root));
        out
    }

    /// As it was stored; `None` if it is damaged in its form.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (size, roots) = bytes.split_first_chunk::<8>()?;
        let size = u64::from_be_bytes(*size);
        let (roots, rest) = roots.as_chunks::<HASH_BYTES>();
        let whole = rest.is_empty() && roots.len() as u64 == size.div_ceil(CHUNK_BYTES as u64);
        whole.then(|| Self { size, chunks: roots.to_vec() })
    }
}

fn leaves(chunk: &[u8]) -> Vec<Bytes32> {
    chunk.chunks(BLOCK_BYTES).map(merkle::leaf).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(size: usize) -> Vec<u8> {
        (0..size).map(|at| (at / 3 + at % 251) as u8).collect()
    }

    #[test]
    fn a_chunked_tree_is_the_tree_over_all_blocks() {
        let sizes = [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1, CHUNK_BYTES, CHUNK_BYTES + 1];
        for size in
            sizes.into_iter().chain([2 * CHUNK_BYTES, 5 * CHUNK_BYTES + 7 * BLOCK_BYTES + 3])
        {
            let bytes = bytes(size);
            let mut builder = Builder::default();
            bytes.chunks(7_001).for_each(|piece| builder.update(piece));
            let tree = builder.finish();
            let all = leaves(&bytes);
            assert_eq!(tree.root(), merkle::root(&all), "{size}");
            assert_eq!(tree.blocks(), all.len() as u64);
            assert_eq!(Tree::from_bytes(&tree.to_bytes()), Some(tree.clone()));
            for block in [0, all.len() / 2, all.len().saturating_sub(1)] {
                let chunk = bytes.chunks(CHUNK_BYTES).nth(block * BLOCK_BYTES / CHUNK_BYTES);
                let path = tree.path(block as u64, chunk.unwrap_or_default());
                assert_eq!(path, merkle::path(&all, block), "{size}, block {block}");
            }
        }
    }

    #[test]
    fn a_chunk_that_differs_in_a_bit_or_stands_elsewhere_does_not_hold() {
        let mut bytes = bytes(2 * CHUNK_BYTES + 5);
        let mut builder = Builder::default();
        builder.update(&bytes);
        let tree = builder.finish();
        for (number, chunk) in bytes.chunks(CHUNK_BYTES).enumerate() {
            assert!(tree.holds(number, chunk));
            assert!(!tree.holds(number + 1, chunk));
            assert!(!tree.holds(number, &chunk[..chunk.len() - 1]));
        }
        bytes[CHUNK_BYTES + 9] ^= 1;
        assert!(!tree.holds(1, &bytes[CHUNK_BYTES..2 * CHUNK_BYTES]));
    }

    #[test]
    fn a_stored_tree_that_was_cut_is_none() {
        let mut builder = Builder::default();
        builder.update(&bytes(CHUNK_BYTES + 1));
        let stored = builder.finish().to_bytes();
        for length in [0, 7, 8, stored.len() - 1, stored.len() - HASH_BYTES] {
            assert_eq!(Tree::from_bytes(&stored[..length]), None, "{length}");
        }
    }
}
