//! Rows of the threat list that need more than one transaction or channel: G2 for Endorse, G4 byte by byte, E5.

use std::collections::BTreeMap;

use bytes::Bytes;
use carecord_proto::block;
use carecord_proto::common::{Block, ChannelHeader, Envelope, Header, Payload};
use carecord_proto::protos::{Proposal, SignedProposal, TxValidationCode as Code};
use prost::Message;
use tonic::Code as Grpc;

use crate::world::{CHANNEL, World};

const OTHER: &str = "other";

#[tokio::test]
async fn g2_a_proposal_without_headers_is_an_invalid_argument_of_every_method() {
    let world = World::new(&["AMSP"]).await;
    let client = world.client(0, 0);
    let header = |bytes: Bytes| Proposal { header: bytes, ..Proposal::default() };
    let garbage = Bytes::from_static(b"\xff");
    let channel_header = |bytes: Bytes| -> Bytes {
        Header { channel_header: bytes, ..Header::default() }.encode_to_vec().into()
    };
    for (name, proposal) in [
        ("nothing", Proposal::default()),
        ("a header that is none", header(garbage.clone())),
        ("no channel header", header(channel_header(Bytes::new()))),
        ("a channel header that is none", header(channel_header(garbage))),
    ] {
        let proposal_bytes = Bytes::from(proposal.encode_to_vec());
        let signed = SignedProposal { proposal_bytes, signature: Bytes::from_static(b"s") };
        let answer = client.evaluate_signed(signed.clone(), &[]).await.expect_err(name);
        assert_eq!(answer.code(), Grpc::InvalidArgument, "{name}: {answer:?}");
        let begin = "failed to unpack transaction proposal: ";
        assert!(answer.message().starts_with(begin), "{name}: {answer:?}");
        let answer = client.endorse(signed, &[]).await.expect_err(name);
        assert_eq!(answer.code(), Grpc::InvalidArgument, "{name}: {answer:?}");
    }
    assert_eq!(world.solo.height(), 1, "nothing was ordered");
}

/// Every 13th byte of a prepared transaction changed, and the result signed again by its client.
#[tokio::test]
async fn g4_no_changed_byte_of_an_endorsed_transaction_makes_a_valid_one() {
    let world = World::new(&["AMSP", "BMSP"]).await;
    world.deploy("mischief", "OR('AMSP.peer','BMSP.peer')").await;
    let client = world.client(0, 0);
    let (signed, tx_id) = client.propose("mischief", &[b"put", b"k", b"original"]);
    let prepared = client.endorse(signed, &[]).await.expect("endorsed");
    let header = Payload::decode(prepared.payload.clone()).expect("ours").header.expect("there");
    let data_begin = header.encoded_len();
    let tampered = |at: usize| {
        let mut payload = prepared.payload.to_vec();
        payload[at] ^= 1;
        client.sign(Envelope { payload: payload.into(), ..Envelope::default() })
    };
    let places: Vec<usize> = (data_begin..prepared.payload.len()).step_by(13).collect();
    let mut envelopes: Vec<Envelope> = places.iter().map(|at| tampered(*at)).collect();
    envelopes.push(client.sign(prepared.clone()));
    world.solo.order(envelopes);
    world.all_caught_up().await;
    let channel = world.peer(0).channel(CHANNEL).expect("joined");
    let number = channel.ledger().height() - 1;
    let stored = channel.ledger().block(number).expect("readable").expect("there");
    let (last, changed) = block::flags(&stored).split_last().expect("one each");
    let mut codes = BTreeMap::<&str, usize>::new();
    for (flag, at) in changed.iter().zip(&places) {
        let code = Code::try_from(i32::from(*flag)).expect("a code");
        assert_ne!(code, Code::Valid, "byte {at}");
        *codes.entry(code.as_str_name()).or_default() += 1;
    }
    println!("{} changed transactions: {codes:?}", places.len());
    assert!(codes["ENDORSEMENT_POLICY_FAILURE"] > 0 && codes["INVALID_ENDORSER_TRANSACTION"] > 0);
    assert_eq!(i32::from(*last), Code::Valid as i32, "the unchanged one still counts");
    let status = client.commit_status(&tx_id).await.expect("committed");
    assert_ne!(status.result(), Code::Valid, "of two with one id the first counts");
    let hashes = [0, 1]
        .map(|peer| world.peer(peer).channel(CHANNEL).expect("joined").ledger().commit_hash());
    assert_eq!(hashes[0], hashes[1]);
}

#[tokio::test]
async fn e5_a_proposal_for_one_channel_is_nothing_on_another() {
    let world = World::new(&["AMSP"]).await;
    let other = world.peer(0).join(&renamed(&world.genesis)).expect("it joins");
    let client = world.client(0, 0);
    let (signed, _) = client.propose("mischief", &[b"get", b"k"]);
    let mut proposal = Proposal::decode(signed.proposal_bytes).expect("ours");
    let mut header = Header::decode(proposal.header).expect("ours");
    header.channel_header = on_other(header.channel_header);
    proposal.header = header.encode_to_vec().into();
    let moved = SignedProposal {
        proposal_bytes: proposal.encode_to_vec().into(),
        signature: signed.signature,
    };
    let answer = client.process(moved).await.expect_err("signed for another channel");
    let text = "error validating proposal: access denied: channel [other] creator org [AMSP]";
    assert_eq!((answer.code(), answer.message()), (Grpc::Unknown, text));
    assert_eq!(other.ledger().height(), 1);
}

/// The same first block for another channel; a first block is signed by nobody.
fn renamed(genesis: &Block) -> Block {
    let envelope = Envelope::decode(block::envelopes(genesis)[0].clone()).expect("ours");
    let mut payload = Payload::decode(envelope.payload).expect("ours");
    let header = payload.header.as_mut().expect("there");
    header.channel_header = on_other(std::mem::take(&mut header.channel_header));
    let envelope = Envelope { payload: payload.encode_to_vec().into(), ..Envelope::default() };
    let mut renamed = genesis.clone();
    let data = renamed.data.as_mut().expect("there");
    data.data = vec![envelope.encode_to_vec().into()];
    let hash = block::data_hash(data);
    renamed.header.as_mut().expect("there").data_hash = Bytes::copy_from_slice(&hash);
    renamed
}

fn on_other(channel_header: Bytes) -> Bytes {
    let header = ChannelHeader::decode(channel_header).expect("ours");
    ChannelHeader { channel_id: OTHER.to_owned(), ..header }.encode_to_vec().into()
}
