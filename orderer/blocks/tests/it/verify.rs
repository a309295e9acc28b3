//! Blocks of real ledgers pass, blocks with anything changed do not.

use std::sync::Arc;

use bytes::Bytes;
use carecord_blocks::fabric_file;
use carecord_blocks::verify::{BlockVerifier, check_structure};
use carecord_channel::Bundle;
use carecord_proto::common::Block;
use carecord_proto::{block, testdata};

fn ledger(name: &str) -> Option<Vec<Block>> {
    let Some(path) = testdata::path(name) else {
        testdata::skipped(name);
        return None;
    };
    let file = Bytes::from(std::fs::read(path).unwrap());
    Some(fabric_file::read(file).collect::<Result<_, _>>().unwrap())
}

fn hash(found: &Block) -> [u8; 32] {
    block::header_hash(found.header.as_ref().unwrap())
}

/// Verifies a whole chain, configuration by configuration.
fn verify_chain(name: &str) {
    let Some(blocks) = ledger(name) else { return };
    let mut bundle = Arc::new(Bundle::from_block(&blocks[0]).unwrap());
    let mut verifier = BlockVerifier::new(Arc::clone(&bundle));
    for pair in blocks.windows(2) {
        let number = block::number(&pair[1]);
        let verdict = verifier.verify(&pair[1], number, Some(&hash(&pair[0])));
        verdict.unwrap_or_else(|error| panic!("{name} block {number}: {error}"));
        if let Some(config) = block::config_envelope(&pair[1]).unwrap() {
            bundle = Arc::new(bundle.next_bundle(&config).unwrap());
            verifier.set_bundle(Arc::clone(&bundle));
        }
    }
}

#[test]
fn every_block_of_every_real_ledger_is_verified_with_its_signatures() {
    for name in [
        "fabric-golden/orderer.blk",
        "fabric-golden/peer.blk",
        "fabric-golden-2/golden/orderer.blk",
        "fabric-golden-2/golden/peer1.blk",
        "fabric-golden-2/golden/peer2.blk",
        "fabric-golden-2/raw/orderer.blk",
        "fabric-golden-2/raw/peer1.blk",
        "fabric-golden-2/raw/peer2.blk",
    ] {
        verify_chain(name);
    }
}

/// A real block, its predecessor's hash, and the verifier of its channel.
fn honest() -> Option<(Block, [u8; 32], BlockVerifier)> {
    let blocks = ledger("fabric-golden/peer.blk")?;
    let verifier = BlockVerifier::new(Arc::new(Bundle::from_block(&blocks[0]).unwrap()));
    Some((blocks[1].clone(), hash(&blocks[0]), verifier))
}

#[test]
fn each_row_of_a_bad_block_is_refused_with_fabrics_text() {
    let Some((good, previous, verifier)) = honest() else { return };
    let check = |change: &dyn Fn(&mut Block), expected: &str| {
        let mut changed = good.clone();
        change(&mut changed);
        let error = verifier.verify(&changed, 1, Some(&previous)).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    };
    check(
        &|bad| bad.header = None,
        "invalid block, header must be different from nil, channel=bench",
    );
    check(
        &|bad| bad.header.as_mut().unwrap().number = 7,
        "expected block number is [1] but actual block number inside block is [7]",
    );
    check(
        &|bad| bad.header.as_mut().unwrap().previous_hash = Bytes::from_static(b"other"),
        "Header.PreviousHash of block [1] is different from Hash(block.Header) of previous block, on channel [bench]",
    );
    let few =
        "block with id [1] on channel [bench] does not have metadata or contains too few entries";
    check(&|bad| bad.metadata = None, few);
    check(&|bad| bad.metadata.as_mut().unwrap().metadata.truncate(4), few);
    let malformed = "failed to verify transactions are well formed for block with id [1] on channel [bench]: empty block";
    check(&|bad| bad.data = None, malformed);
    check(
        &|bad| bad.header.as_mut().unwrap().data_hash = Bytes::from_static(b"other"),
        "Header.DataHash is different from Hash(block.Data) for block with id [1] on channel [bench]; Header: ",
    );
    let unsigned = "block [1] on channel [bench] is not signed as the channel asks: ";
    check(&|bad| bad.metadata.as_mut().unwrap().metadata[0] = Bytes::new(), unsigned);
    check(
        &|bad| bad.metadata.as_mut().unwrap().metadata[0] = Bytes::from_static(b"\xff"),
        "error unmarshalling signatures from metadata: ",
    );
    assert!(check_structure(&good, "bench", 1, Some(&previous)).is_ok());
    let error = check_structure(&good, "other", 1, None).unwrap_err().to_string();
    assert_eq!(error, "Invalid block's channel id. Expected [other]. Given [bench]");
}

/// A bit flipped in what the orderer vouches for (header, data, signed metadata, signature) is always refused.
#[test]
fn any_seeded_single_bit_flip_of_a_real_block_is_refused() {
    let Some((good, previous, verifier)) = honest() else { return };
    let mut flips = testdata::Flips::new(20_261_121);
    for _ in 0..300 {
        let mut flipped = good.clone();
        let part: &mut Bytes = match flips.below(4) {
            0 => &mut flipped.header.as_mut().unwrap().previous_hash,
            1 => &mut flipped.header.as_mut().unwrap().data_hash,
            2 => {
                let data = &mut flipped.data.as_mut().unwrap().data;
                let i = flips.below(data.len());
                &mut data[i]
            }
            _ => &mut flipped.metadata.as_mut().unwrap().metadata[0],
        };
        let mut bytes = part.to_vec();
        let at = flips.flip(&mut bytes);
        *part = bytes.into();
        assert!(verifier.verify(&flipped, 1, Some(&previous)).is_err(), "byte {at}");
    }
}
