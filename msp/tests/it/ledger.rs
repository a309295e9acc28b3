//! Every signature of a real Fabric ledger, checked under the MSPs of its genesis block.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use carecord_msp::{Msp, MspManager, MspVersion};
use carecord_proto::common::{ConfigGroup, Envelope, HeaderType};
use carecord_proto::msp::MspConfig;
use carecord_proto::transaction::{Endorsed, endorsed_bytes};
use carecord_proto::{block, envelope, fabric_file, testdata};
use prost::Message;

const TRANSACTIONS: usize = 468;
const ENDORSEMENTS: usize = 934;

fn msps(channel: &ConfigGroup) -> Vec<Arc<Msp>> {
    let groups = channel.groups.values().flat_map(|section| section.groups.values());
    groups
        .map(|organisation| {
            let config = MspConfig::decode(&organisation.values["MSP"].value[..]).unwrap();
            Arc::new(Msp::new(&config, MspVersion::V3_0).unwrap())
        })
        .collect()
}

#[test]
fn every_signature_of_a_real_ledger_holds() {
    let Some(path) = testdata::path("fabric-golden/peer.blk") else {
        return testdata::skipped("signatures of the golden ledger");
    };
    let blocks: Vec<_> =
        fabric_file::read(std::fs::read(path).unwrap().into()).collect::<Result<_, _>>().unwrap();
    let config = block::config_envelope(&blocks[0]).unwrap().unwrap().config.unwrap();
    let manager = MspManager::new(msps(&config.channel_group.unwrap()));
    let (mut creators, mut endorsements, mut orderers) = (0, 0, 0);
    let start = Instant::now();
    for block in &blocks[1..] {
        let metadata = block::signatures(block).unwrap();
        for signature in &metadata.signatures {
            let header =
                carecord_proto::common::SignatureHeader::decode(&signature.signature_header[..]);
            let identity = manager.identity(&header.unwrap().creator).unwrap();
            identity.validate().unwrap();
            let signed = block::signed_bytes(
                &metadata.value,
                &signature.signature_header,
                block.header.as_ref().unwrap(),
            );
            identity.verify_strict(&signed, &signature.signature).unwrap();
            orderers += 1;
        }
        for bytes in block::envelopes(block) {
            endorsements += check_envelope(&manager, bytes, &mut creators);
        }
    }
    let checks = creators + endorsements + orderers;
    println!("{creators} creators, {endorsements} endorsements, {orderers} block signatures");
    println!("{:?} for one check, debug build", start.elapsed() / u32::try_from(checks).unwrap());
    assert_eq!((creators, endorsements), (TRANSACTIONS, ENDORSEMENTS));
}

/// Checks creator and endorsers of a client's transaction; gives how many endorsements there were.
fn check_envelope(manager: &MspManager, bytes: &Bytes, creators: &mut usize) -> usize {
    let message = Envelope::decode(bytes.clone()).unwrap();
    let opened = envelope::Opened::open(&message).unwrap();
    if opened.kind() != Some(HeaderType::EndorserTransaction) {
        return 0;
    }
    let creator = manager.identity(&opened.signature_header.creator).unwrap();
    creator.validate().unwrap();
    creator.verify_strict(&message.payload, &message.signature).unwrap();
    *creators += 1;
    let endorsed = Endorsed::open(opened.header(), &opened.payload.data).unwrap();
    for endorsement in &endorsed.endorsements {
        let endorser = manager.identity(&endorsement.endorser).unwrap();
        endorser.validate().unwrap();
        let signed = endorsed_bytes(&endorsed.response_payload, &endorsement.endorser);
        endorser.verify_strict(&signed, &endorsement.signature).unwrap();
    }
    endorsed.endorsements.len()
}
