//! Which block a challenge asks for: decided by nobody alone.
//!
//! A chaincode sees no block hash, and a transaction id is chosen by whoever signs. So the seed comes from two people's random bits:
//! the challenger commits to theirs, somebody of a third organisation draws in the open, then the challenger shows what
//! they committed to. The drawer draws without knowing the challenger's bits, the challenger cannot change them after the
//! draw, and the provider has no part in it. Whoever stops midway makes the challenge void and gains nothing: the
//! provider gets no proof out of it. All three organisations together could still agree on a block.

use sha2::{Digest, Sha256};

use crate::{ids::Id, merkle::Hash, token::framed};

const COMMIT_DOMAIN: &[u8] = b"carecord-storage-commit-v1";
const SEED_DOMAIN: &[u8] = b"carecord-storage-seed-v1";

/// The commitment to a challenger's random bits.
pub fn commitment(challenge: &Id, nonce: &Id) -> Hash {
    let statement =
        framed(&[COMMIT_DOMAIN, challenge.as_str().as_bytes(), nonce.as_str().as_bytes()]);
    Hash::of(&Sha256::digest(statement).into())
}

/// The block that is asked for, of so many.
pub fn block(challenge: &Id, nonce: &Id, drawn: &Id, blocks: u64) -> u64 {
    let fields: [&[u8]; 4] = [
        SEED_DOMAIN,
        challenge.as_str().as_bytes(),
        nonce.as_str().as_bytes(),
        drawn.as_str().as_bytes(),
    ];
    let digest = Sha256::digest(framed(&fields));
    let number = u128::from_be_bytes(digest[..16].try_into().expect("half of a SHA-256"));
    u64::try_from(number % u128::from(blocks.max(1))).expect("below a number of 64 bits")
}
