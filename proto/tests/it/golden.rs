//! Every block of four real ledgers: hashes, chain, ids, forms, and that what we encode again is what Fabric encoded.

use bytes::{Bytes, BytesMut};
use carecord_proto::common::{Block, HeaderType};
use carecord_proto::protos::{Endorsement, Proposal, ProposalResponse, Response};
use carecord_proto::rwset::TxRwSet;
use carecord_proto::{block, envelope, fabric_file, proposal, testdata, transaction, wellformed};
use prost::Message;

const LEDGERS: [&str; 7] = [
    "fabric-golden/orderer.blk",
    "fabric-golden/peer.blk",
    "fabric-golden-2/golden/orderer.blk",
    "fabric-golden-2/golden/peer1.blk",
    "fabric-golden-2/golden/peer2.blk",
    "fabric-golden-2/raw/orderer.blk",
    "fabric-golden-2/raw/peer1.blk",
];

/// The codes up to which a transaction can be read to its end: valid, and the two read conflicts.
const READABLE: [u8; 3] = [0, 11, 12];

/// Handmade transactions of the second ledger that are valid and not as we would write them.
const HANDMADE: usize = 2;

fn ledger(name: &str) -> Option<(Bytes, Vec<Block>)> {
    let Some(path) = testdata::path(name) else {
        testdata::skipped(name);
        return None;
    };
    let file = Bytes::from(std::fs::read(path).unwrap());
    let blocks = fabric_file::read(file.clone()).collect::<Result<_, _>>().unwrap();
    Some((file, blocks))
}

#[test]
fn every_block_of_a_real_ledger_has_our_hashes_and_is_well_formed() {
    for name in LEDGERS {
        let Some((_, blocks)) = ledger(name) else { continue };
        let mut previous = Bytes::new();
        for (number, found) in blocks.iter().enumerate() {
            let header = found.header.as_ref().unwrap();
            assert_eq!(header.number, number as u64, "{name}");
            assert_eq!(header.previous_hash, previous, "{name} block {number}");
            let data_hash = block::data_hash(found.data.as_ref().unwrap());
            assert_eq!(header.data_hash, data_hash.as_slice(), "{name} block {number}");
            assert_eq!(wellformed::check_block(found), Ok(()), "{name} block {number}");
            previous = Bytes::copy_from_slice(&block::header_hash(header));
        }
        assert!(blocks.len() > 3, "{name}");
    }
}

#[test]
fn a_real_ledger_written_again_is_the_same_file() {
    for name in LEDGERS {
        let Some((file, blocks)) = ledger(name) else { continue };
        let (mut again, mut stream) = (BytesMut::new(), BytesMut::new());
        for block in &blocks {
            fabric_file::write(&mut again, block);
            fabric_file::write_stream(&mut stream, block);
        }
        assert!(again == file, "{name}");
        let streamed: Vec<Block> =
            fabric_file::read_stream(stream.freeze()).collect::<Result<_, _>>().unwrap();
        assert!(streamed == blocks, "{name}");
    }
}

#[test]
fn transactions_of_a_real_ledger_open_and_encode_to_the_same_bytes() {
    // The second ledger has a few handmade transactions with fields that no client of ours writes.
    let check = |name: &str, handmade: usize| {
        let Some((_, blocks)) = ledger(name) else { return };
        let (mut same, mut other) = (0, 0);
        for found in &blocks {
            for (raw, flag) in block::envelopes(found).iter().zip(block::flags(found)) {
                if READABLE.contains(flag) && is_transaction(raw) {
                    *(if rebuild(raw) == *raw { &mut same } else { &mut other }) += 1;
                }
            }
        }
        assert!(same > 4, "{name} has {same}");
        assert_eq!(other, handmade, "{name}");
    };
    check("fabric-golden/peer.blk", 0);
    check("fabric-golden-2/golden/peer1.blk", HANDMADE);
    check("fabric-golden-2/golden/peer2.blk", HANDMADE);
    check("fabric-golden-2/raw/peer1.blk", 0);
}

fn is_transaction(raw: &Bytes) -> bool {
    let signed = wellformed::open_envelope(raw).unwrap();
    let opened = envelope::Opened::open(&signed).unwrap();
    opened.kind() == Some(HeaderType::EndorserTransaction)
}

/// Opens a transaction to its read-write set, checks what must hold of any valid one, and builds it again from its parts.
fn rebuild(raw: &Bytes) -> Bytes {
    let signed = wellformed::open_envelope(raw).unwrap();
    let found = transaction::Opened::open_payload(&signed.payload).unwrap();
    assert_eq!(found.envelope.channel_header.tx_id, found.envelope.expected_tx_id());
    let set = TxRwSet::from_bytes(&found.action.results).unwrap();
    assert_eq!(set.to_bytes(), found.action.results);
    let proposal = Proposal {
        header: found.envelope.header().encode_to_vec().into(),
        payload: found.endorsed.proposal_payload.clone(),
        extension: Bytes::new(),
    };
    let opened = proposal::Opened::open_bytes(&proposal.encode_to_vec().into()).unwrap();
    opened.check().unwrap();
    assert_eq!(found.endorsed.answer.proposal_hash, opened.hash.as_slice());
    let answer = transaction::response_payload(
        &opened.hash,
        found.action.results.clone(),
        found.event().unwrap().as_ref(),
        found.action.response.clone().unwrap_or_default(),
        found.action.chaincode_id.clone().unwrap(),
    );
    let response = |endorsement: &Endorsement| ProposalResponse {
        response: Some(Response { status: 200, ..Response::default() }),
        payload: answer.clone(),
        endorsement: Some(endorsement.clone()),
        ..ProposalResponse::default()
    };
    let responses: Vec<_> = found.endorsed.endorsements.iter().map(response).collect();
    let payload = transaction::build(&opened, &responses).unwrap();
    envelope::canonical(payload, signed.signature)
}

#[test]
fn the_metadata_of_a_real_ledger_reads_as_raft_wrote_it() {
    let Some((_, blocks)) = ledger("fabric-golden/peer.blk") else { return };
    assert_eq!(block::channel_id(&blocks[0]).unwrap(), "bench");
    assert!(block::config_envelope(&blocks[0]).unwrap().is_some());
    let mut config = 0;
    for (number, found) in blocks.iter().enumerate().skip(1) {
        if block::is_config(found) {
            config = number as u64;
        }
        assert_eq!(block::last_config(found), Ok(config));
        let signed = block::signatures(found).unwrap();
        let consenters = block::consenter_metadata(found).unwrap();
        assert_eq!(block::orderer_metadata_value(config, &consenters), signed.value);
        let mut again = found.clone();
        let [signature] = signed.signatures.as_slice() else { panic!("one orderer signs") };
        let (header, bytes) = (signature.signature_header.clone(), signature.signature.clone());
        block::set_signature(&mut again, signed.value, header, bytes, config);
        block::set_flags(&mut again, block::flags(found));
        block::set_commit_hash(&mut again, &block::commit_hash(found).unwrap());
        assert!(again == *found, "block {number}");
    }
}

#[test]
fn header_and_commit_hashes_are_those_that_fabric_reported() {
    for channel in ["golden", "raw"] {
        let name = format!("fabric-golden-2/{channel}/peer1.blk");
        let Some((_, blocks)) = ledger(&name) else { continue };
        let expected = name.replace("peer1.blk", "expected.json");
        let expected = std::fs::read(testdata::path(&expected).unwrap()).unwrap();
        let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
        let expected = expected["blocks"].as_array().unwrap();
        assert_eq!(blocks.len(), expected.len());
        for (found, expected) in blocks.iter().zip(expected) {
            let hash = hex::encode(block::header_hash(found.header.as_ref().unwrap()));
            assert_eq!(hash, expected["header_hash"].as_str().unwrap());
            let commit = hex::encode(block::commit_hash(found).unwrap_or_default());
            assert_eq!(commit, expected["commit_hash"].as_str().unwrap());
            let codes: Vec<u64> = expected["txs"]
                .as_array()
                .unwrap()
                .iter()
                .map(|tx| tx["code_number"].as_u64().unwrap())
                .collect();
            let flags: Vec<u64> = block::flags(found).iter().map(|flag| u64::from(*flag)).collect();
            assert_eq!(flags, codes);
        }
    }
}

#[test]
fn the_first_blocks_have_the_published_header_hashes() {
    let Some((_, blocks)) = ledger("fabric-golden/peer.blk") else { return };
    for (found, expected) in blocks.iter().zip([
        "c522bb968c17f7c3db9dedc53c2011d2fd02605dde0d78fe81b1401c6511cd05",
        "881bd8ad02c5999b47097c8d21df49c95c872c4afa4786548e00f022e3e72ea9",
        "a48cae8a4c75ced9a78170ae83725601e82b56d5b5ace1098666ca78bcfa0973",
    ]) {
        assert_eq!(hex::encode(block::header_hash(found.header.as_ref().unwrap())), expected);
    }
}

#[test]
fn any_seeded_single_bit_flip_of_a_real_envelope_changes_the_data_hash() {
    let Some((_, blocks)) = ledger("fabric-golden/peer.blk") else { return };
    let mut flips = testdata::Flips::new(7);
    for _ in 0..500 {
        let mut flipped = blocks[flips.below(blocks.len())].clone();
        let data = flipped.data.as_mut().unwrap();
        let i = flips.below(data.data.len());
        let mut bytes = data.data[i].to_vec();
        flips.flip(&mut bytes);
        data.data[i] = bytes.into();
        let hash = block::data_hash(data);
        assert_ne!(flipped.header.unwrap().data_hash, hash.as_slice());
    }
}
