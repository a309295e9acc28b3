//! Content ids: the name of a ciphertext is the hash of its bytes, as IPFS gives it.
//!
//! Up to [`SINGLE_MAX_BYTES`] the id is CIDv1, codec `raw`, sha2-256 of the whole. Above, the bytes are cut into
//! [`CHUNK_BYTES`] leaves (each `raw`) under a balanced UnixFS file tree with at most [`LINKS_MAX`] links a node,
//! codec `dag-pb` (the layout of `ipfs add --cid-version=1 --raw-leaves`).

use cid::Cid;
use cid::multihash::Multihash;
use sha2::{Digest, Sha256};

/// The largest content that is hashed as one block.
pub const SINGLE_MAX_BYTES: usize = 1 << 20;
/// The size of a leaf of larger content.
pub const CHUNK_BYTES: usize = 256 << 10;
/// The most links that a node of the tree has.
pub const LINKS_MAX: usize = 174;

const RAW: u64 = 0x55;
const DAG_PB: u64 = 0x70;
const SHA2_256: u64 = 0x12;
const UNIXFS_FILE: u64 = 2;

/// Computes the content id of bytes that arrive in pieces, holding at most [`SINGLE_MAX_BYTES`] of them.
#[derive(Default)]
pub struct Hasher {
    pending: Vec<u8>,
    leaves: Vec<Node>,
}

/// A subtree: its id, the bytes of file under it, and the bytes of it and all below as encoded.
#[derive(Clone)]
struct Node {
    cid: Cid,
    file_bytes: u64,
    total_bytes: u64,
}

/// The content id of `bytes`, as text.
pub fn id(bytes: &[u8]) -> String {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish()
}

/// Whether `text` is a content id that [`id`] could have made.
pub fn is_id(text: &str) -> bool {
    let Ok(cid) = Cid::try_from(text) else { return false };
    cid.version() == cid::Version::V1
        && matches!(cid.codec(), RAW | DAG_PB)
        && cid.hash().code() == SHA2_256
        && cid.hash().size() == 32
        && cid.to_string() == text
}

// === impl Hasher ===

impl Hasher {
    /// Takes the next bytes of the content.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = SINGLE_MAX_BYTES + CHUNK_BYTES - self.pending.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.pending.extend_from_slice(now);
            bytes = later;
            self.cut_leaves();
        }
    }

    /// The content id of all bytes taken, as text.
    pub fn finish(mut self) -> String {
        if self.leaves.is_empty() && self.pending.len() <= SINGLE_MAX_BYTES {
            return raw(&self.pending).cid.to_string();
        }
        let rest = std::mem::take(&mut self.pending);
        self.leaves.extend(rest.chunks(CHUNK_BYTES).map(raw));
        root(self.leaves).cid.to_string()
    }

    /// Once the content is known to be large, whole chunks need not be kept.
    fn cut_leaves(&mut self) {
        if self.leaves.is_empty() && self.pending.len() <= SINGLE_MAX_BYTES {
            return;
        }
        let whole = self.pending.len() / CHUNK_BYTES * CHUNK_BYTES;
        self.leaves.extend(self.pending[..whole].chunks(CHUNK_BYTES).map(raw));
        self.pending.drain(..whole);
    }
}

fn root(mut level: Vec<Node>) -> Node {
    loop {
        level = level.chunks(LINKS_MAX).map(parent).collect();
        if level.len() == 1 {
            return level.remove(0);
        }
    }
}

fn raw(bytes: &[u8]) -> Node {
    let size = bytes.len() as u64;
    Node { cid: cid(RAW, bytes), file_bytes: size, total_bytes: size }
}

/// A file node in dag-pb's canonical form: links first, then the UnixFS data.
fn parent(children: &[Node]) -> Node {
    let mut encoded = Vec::new();
    for child in children {
        let mut link = Vec::new();
        field(&mut link, 1, &child.cid.to_bytes());
        field(&mut link, 2, b"");
        number(&mut link, 3, child.total_bytes);
        field(&mut encoded, 2, &link);
    }
    let file_bytes = children.iter().map(|child| child.file_bytes).sum();
    let mut unixfs = Vec::new();
    number(&mut unixfs, 1, UNIXFS_FILE);
    number(&mut unixfs, 3, file_bytes);
    for child in children {
        number(&mut unixfs, 4, child.file_bytes);
    }
    field(&mut encoded, 1, &unixfs);
    let below: u64 = children.iter().map(|child| child.total_bytes).sum();
    Node { cid: cid(DAG_PB, &encoded), file_bytes, total_bytes: below + encoded.len() as u64 }
}

fn cid(codec: u64, bytes: &[u8]) -> Cid {
    let digest = Sha256::digest(bytes);
    let hash = Multihash::wrap(SHA2_256, &digest).expect("32 bytes fit a 64-byte multihash");
    Cid::new_v1(codec, hash)
}

fn field(out: &mut Vec<u8>, tag: u32, bytes: &[u8]) {
    prost::encoding::encode_key(tag, prost::encoding::WireType::LengthDelimited, out);
    prost::encoding::encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn number(out: &mut Vec<u8>, tag: u32, value: u64) {
    prost::encoding::encode_key(tag, prost::encoding::WireType::Varint, out);
    prost::encoding::encode_varint(value, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_content_has_the_id_that_ipfs_gives_it() {
        // `ipfs add --cid-version=1 --raw-leaves` of "hello world\n" and of nothing
        assert_eq!(
            id(b"hello world\n"),
            "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4"
        );
        assert_eq!(id(b""), "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku");
    }

    #[test]
    fn pieces_give_the_id_of_the_whole() {
        for size in [0, 1, SINGLE_MAX_BYTES, SINGLE_MAX_BYTES + 1, 3 * SINGLE_MAX_BYTES + 17] {
            let bytes: Vec<u8> = (0..size).map(|i| ((i * 31) >> 3) as u8).collect();
            let whole = id(&bytes);
            for piece in [7_919, CHUNK_BYTES, 2 * SINGLE_MAX_BYTES] {
                let mut hasher = Hasher::default();
                bytes.chunks(piece).for_each(|part| hasher.update(part));
                assert_eq!(hasher.finish(), whole, "{size} bytes by {piece}");
            }
            assert!(is_id(&whole));
        }
    }

    #[test]
    fn other_text_is_no_content_id() {
        for text in ["", "bafk", "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG", "BAFKREI"] {
            assert!(!is_id(text), "{text}");
        }
    }
}
