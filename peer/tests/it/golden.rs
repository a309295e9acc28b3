//! Approvals and commits against the ledger of a real Fabric network: the endorsed bytes are the same.

use carecord_proto::common::Envelope;
use carecord_proto::protos::ChaincodeInput;
use carecord_proto::{block, fabric_file, protos, testdata, transaction};
use prost::Message;

use crate::world::World;

/// Arguments and read-write set of the one transaction in a golden block.
fn golden(file: &bytes::Bytes, number: usize) -> (ChaincodeInput, bytes::Bytes) {
    let block = fabric_file::read(file.clone()).nth(number).expect("there").expect("readable");
    let envelope = Envelope::decode(block::envelopes(&block)[0].clone()).expect("an envelope");
    let opened = transaction::Opened::open_payload(&envelope.payload).expect("a transaction");
    let payload = opened.endorsed.proposal_payload.clone();
    let payload = protos::ChaincodeProposalPayload::decode(payload).expect("a payload");
    let call = protos::ChaincodeInvocationSpec::decode(payload.input).expect("a call");
    let input = call.chaincode_spec.expect("a spec").input.expect("arguments");
    (input, opened.action.results)
}

#[tokio::test]
async fn blocks_1_to_3_of_the_golden_ledger_are_endorsed_byte_for_byte() {
    let Some(path) = testdata::path("fabric-golden/peer.blk") else {
        return testdata::skipped("lifecycle transactions of the golden ledger");
    };
    let file = bytes::Bytes::from(std::fs::read(path).expect("readable"));
    let world = World::new(&["Org1MSP", "Org2MSP"]).await;
    // Approvals by the first and the second organisation, then the commit: blocks 1 to 3 there and here.
    for (number, org) in [(1, 0), (2, 1), (3, 0)] {
        let (input, expected) = golden(&file, number);
        let args: Vec<&[u8]> = input.args.iter().map(|arg| &arg[..]).collect();
        let admin = world.admin(org, org);
        let (signed, tx_id) = admin.propose("_lifecycle", &args);
        let orgs: &[&str] = match number {
            1 => &["Org1MSP"],
            2 => &["Org2MSP"],
            _ => &["Org1MSP"],
        };
        let prepared = admin.endorse(signed, orgs).await.expect("endorsed");
        let opened = transaction::Opened::open_payload(&prepared.payload).expect("a transaction");
        assert_eq!(opened.action.results, expected, "block {number}");
        let id = opened.action.chaincode_id.clone().expect("named");
        assert_eq!((id.name.as_str(), id.version.as_str()), ("_lifecycle", "syscc"));
        admin.submit(admin.sign(prepared)).await.expect("ordered");
        admin.commit_status(&tx_id).await.expect("committed");
        world.all_caught_up().await;
    }
}
