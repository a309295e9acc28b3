//! Merkle trees over SHA-256 as RFC 6962, section 2.1, builds them: for samples of a device and for blocks of a ciphertext.
//!
//! Leaves and inner nodes are hashed with different first bytes, so neither can stand in for the other, and the number of
//! leaves is given beside the root, so a path proves the place too. Pure: bytes in, bytes out.

use sha2::{Digest as _, Sha256};

use crate::ids::word;

/// The length of a hash.
pub const HASH_BYTES: usize = 32;
/// Longest path: enough for 2^32 leaves.
pub const PATH_MAX: usize = 32;

word! {
    /// A SHA-256.
    Hash, "^[0-9a-f]{64}$", "a SHA-256 as 64 lower-case hex digits",
    |t| t.len() == 64 && t.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A hash as bytes.
pub type Bytes32 = [u8; HASH_BYTES];

impl Hash {
    /// Writes a hash.
    pub fn of(bytes: &Bytes32) -> Self {
        Self::new(hex::encode(bytes)).expect("32 bytes are 64 hex digits")
    }

    /// Reads it.
    pub fn bytes(&self) -> Bytes32 {
        let mut bytes = [0; HASH_BYTES];
        hex::decode_to_slice(self.as_str(), &mut bytes).expect("64 hex digits");
        bytes
    }
}

/// The hash of a leaf with this content.
pub fn leaf(content: &[u8]) -> Bytes32 {
    Sha256::new().chain_update([0]).chain_update(content).finalize().into()
}

fn node(left: &Bytes32, right: &Bytes32) -> Bytes32 {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The largest power of two below `n`, which is at least 2.
fn split(n: usize) -> usize {
    1 << (usize::BITS - 1 - (n - 1).leading_zeros())
}

/// The root over leaf hashes; that of no leaves is the hash of nothing.
pub fn root(leaves: &[Bytes32]) -> Bytes32 {
    match leaves {
        [] => Sha256::digest([]).into(),
        [one] => *one,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node(&root(left), &root(right))
        }
    }
}

/// The hashes beside the way from a leaf to the root, from below; none if there is no such leaf.
pub fn path(leaves: &[Bytes32], index: usize) -> Option<Vec<Bytes32>> {
    if index >= leaves.len() {
        return None;
    }
    if leaves.len() == 1 {
        return Some(Vec::new());
    }
    let at = split(leaves.len());
    let (left, right) = leaves.split_at(at);
    let (mut below, beside) = if index < at {
        (path(left, index)?, root(right))
    } else {
        (path(right, index - at)?, root(left))
    };
    below.push(beside);
    Some(below)
}

/// Whether a leaf stands at this place of a tree with so many leaves and this root.
pub fn proves(leaf: &Bytes32, index: u64, size: u64, path: &[Bytes32], root: &Bytes32) -> bool {
    if index >= size || path.len() > PATH_MAX {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for beside in path {
        if last == 0 {
            return false;
        }
        if at % 2 == 1 || at == last {
            hash = node(beside, &hash);
            while at.is_multiple_of(2) && at != 0 {
                at /= 2;
                last /= 2;
            }
        } else {
            hash = node(&hash, beside);
        }
        at /= 2;
        last /= 2;
    }
    last == 0 && hash == *root
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The leaves and roots of the reference tests of Certificate Transparency, which RFC 6962 describes.
    #[test]
    fn roots_are_those_of_certificate_transparency() {
        let contents = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let leaves: Vec<Bytes32> =
            contents.iter().map(|c| leaf(&hex::decode(c).unwrap())).collect();
        for (size, expected) in [
            (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
            (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ] {
            assert_eq!(hex::encode(root(&leaves[..size])), expected, "{size}");
        }
    }

    #[test]
    fn a_path_proves_its_leaf_at_its_place_and_nothing_else() {
        let all: Vec<Bytes32> = (0..70_u8).map(|n| leaf(&[n])).collect();
        for size in 1..all.len() {
            let (leaves, size) = (&all[..size], size as u64);
            let root = root(leaves);
            for index in 0..leaves.len() {
                let path = path(leaves, index).unwrap();
                let place = index as u64;
                assert!(proves(&leaves[index], place, size, &path, &root));
                assert!(!proves(&all[69], place, size, &path, &root));
                assert!(!proves(&leaves[index], place + 1, size, &path, &root));
                assert!(!proves(&leaves[index], place, size + 1, &path, &[7; 32]));
                for at in 0..path.len() {
                    let mut bad = path.clone();
                    bad[at][0] ^= 1;
                    assert!(!proves(&leaves[index], place, size, &bad, &root));
                    assert!(!proves(&leaves[index], place, size, &path[..at], &root));
                }
            }
        }
        assert_eq!(path(&all, 70), None);
    }
}
