//! What devices sign and hash, byte for byte. Pure; devices, edges and verifiers use the same functions.

use sha2::{Digest, Sha256};

use crate::{
    ids::Id,
    merkle::{self, Bytes32, Hash},
    telemetry::model::NewBatch,
    token::framed,
};

const BATCH_DOMAIN: &[u8] = b"carecord-telemetry-batch-v1";
const LINK_DOMAIN: &[u8] = b"carecord-telemetry-link-v1";
/// Length of the salt of a sample.
pub const SALT_BYTES: usize = 16;

/// What a device signs for a batch: domain, channel and every field but the signature, each preceded by its length.
pub fn batch(channel: &str, batch: &NewBatch) -> Vec<u8> {
    framed(&[
        BATCH_DOMAIN,
        channel.as_bytes(),
        batch.link.as_str().as_bytes(),
        &batch.seq.to_be_bytes(),
        &batch.prev_hash.bytes(),
        &batch.from.to_be_bytes(),
        &batch.to.to_be_bytes(),
        &batch.samples.to_be_bytes(),
        &batch.root.bytes(),
        batch.cid.as_str().as_bytes(),
        batch.gap.map_or("", super::words::GapReason::as_str).as_bytes(),
    ])
}

/// The hash by which the next batch names this one.
pub fn batch_hash(channel: &str, new: &NewBatch) -> Hash {
    Hash::of(&Sha256::digest(batch(channel, new)).into())
}

/// The hash by which the first batch names its link.
pub fn link_hash(channel: &str, link: &Id) -> Hash {
    let statement = framed(&[LINK_DOMAIN, channel.as_bytes(), link.as_str().as_bytes()]);
    Hash::of(&Sha256::digest(statement).into())
}

/// The leaf of a sample: salted, so that it cannot be guessed from the few values that a sensor has.
pub fn sample(salt: &[u8; SALT_BYTES], at_ms: i64, value: i64) -> Bytes32 {
    let mut content = Vec::with_capacity(SALT_BYTES + 16);
    content.extend_from_slice(salt);
    content.extend_from_slice(&at_ms.to_be_bytes());
    content.extend_from_slice(&value.to_be_bytes());
    merkle::leaf(&content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_sample_and_its_salt_changes_its_leaf() {
        let one = sample(&[1; SALT_BYTES], 1000, 500);
        assert_eq!(sample(&[1; SALT_BYTES], 1000, 500), one);
        for other in [
            sample(&[2; SALT_BYTES], 1000, 500),
            sample(&[1; SALT_BYTES], 1001, 500),
            sample(&[1; SALT_BYTES], 1000, 501),
        ] {
            assert_ne!(other, one);
        }
    }
}
