//! Proposals and transactions, layer by layer: which error names which layer, and that encoding is repeatable.

use std::collections::BTreeMap;

use bytes::Bytes;
use carecord_proto::common::{ChannelHeader, Header, SignatureHeader};
use carecord_proto::proposal::{self, Opened, Request, Target};
use carecord_proto::protos::{
    ChaincodeHeaderExtension, ChaincodeId, ChaincodeInput, ChaincodeInvocationSpec,
    ChaincodeProposalPayload, ChaincodeSpec, Endorsement, Proposal, ProposalResponse, Response,
    SignedProposal,
};
use carecord_proto::{decode, envelope, transaction};
use proptest::prelude::*;
use prost::Message;

fn request() -> Request {
    Request {
        channel_id: "ward".into(),
        chaincode: "health".into(),
        args: vec![Bytes::from_static(b"records:Add"), Bytes::from_static(b"{}")],
        transient: BTreeMap::from([("note".to_owned(), Bytes::from_static(b"secret"))]),
        creator: Bytes::from_static(b"doctor"),
        nonce: Bytes::from_static(b"once"),
        ..Request::default()
    }
}

fn encode(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}

/// A proposal taken apart, so that a test can break one layer.
struct Parts {
    channel_header: ChannelHeader,
    signature_header: SignatureHeader,
    payload: ChaincodeProposalPayload,
}

impl Parts {
    fn good() -> Self {
        let opened = Opened::open_bytes(&encode(&proposal::build_request(request()).0)).unwrap();
        let Opened { channel_header, signature_header, payload, .. } = opened;
        Self { channel_header, signature_header, payload }
    }

    fn signed(&self) -> SignedProposal {
        let header = Header {
            channel_header: encode(&self.channel_header),
            signature_header: encode(&self.signature_header),
        };
        sign(&Proposal {
            header: encode(&header),
            payload: encode(&self.payload),
            extension: Bytes::new(),
        })
    }

    fn input(mut self, input: Bytes) -> Self {
        self.payload.input = input;
        self
    }

    fn spec(self, spec: Option<ChaincodeSpec>) -> Self {
        self.input(encode(&ChaincodeInvocationSpec { chaincode_spec: spec }))
    }

    fn extension(mut self, id: Option<ChaincodeId>) -> Self {
        self.channel_header.extension = encode(&ChaincodeHeaderExtension { chaincode_id: id });
        self
    }
}

fn sign(proposal: &Proposal) -> SignedProposal {
    SignedProposal { proposal_bytes: encode(proposal), signature: Bytes::from_static(b"sig") }
}

fn garbage() -> Bytes {
    Bytes::from_static(b"\xff")
}

fn endorser_says(signed: &SignedProposal, expected: &str) {
    let verdict = Opened::open(signed).and_then(|opened| opened.check());
    let text = verdict.map_or_else(|error| error.to_string(), |()| "accepted".into());
    assert!(text == expected || expected.ends_with(": ") && text.starts_with(expected), "{text}");
}

fn gateway_says(signed: &SignedProposal, expected: &str) {
    let text = Target::of(signed).map_or_else(|error| error.to_string(), |_| "accepted".into());
    assert!(text == expected || expected.ends_with(": ") && text.starts_with(expected), "{text}");
}

#[test]
fn a_built_proposal_opens_to_what_was_asked() {
    let (proposal, tx_id) = proposal::build_request(request());
    let opened = Opened::open(&sign(&proposal)).unwrap();
    assert_eq!(opened.check(), Ok(()));
    assert_eq!(
        (opened.channel_id(), opened.chaincode.as_str(), opened.tx_id()),
        ("ward", "health", &*tx_id)
    );
    assert_eq!(opened.args(), request().args);
    assert_eq!(opened.transient(), &request().transient);
    let target = Target::of(&sign(&proposal)).unwrap();
    assert_eq!((target.chaincode.as_str(), target.has_transient), ("health", true));
    assert_eq!(hex::encode(&opened.channel_header.extension[..4]), "12081206");
}

#[test]
fn the_transient_part_changes_neither_the_hash_nor_the_transaction() {
    let with = Opened::open(&sign(&proposal::build_request(request()).0)).unwrap();
    let bare = Request { transient: BTreeMap::new(), ..request() };
    let without = Opened::open(&sign(&proposal::build_request(bare).0)).unwrap();
    assert_eq!(with.hash, without.hash);
    let response = answer(&with.hash, b"peer0");
    let payload = transaction::build(&with, std::slice::from_ref(&response)).unwrap();
    assert_eq!(payload, transaction::build(&without, &[response]).unwrap());
    assert!(!payload.windows(6).any(|window| window == b"secret"));
}

#[test]
fn the_endorser_names_the_layer_that_is_broken() {
    let check = |parts: Parts, expected| endorser_says(&parts.signed(), expected);
    let unsigned = SignedProposal { proposal_bytes: garbage(), signature: Bytes::new() };
    endorser_says(&unsigned, "error unmarshalling Proposal: ");
    endorser_says(
        &sign(&Proposal { header: garbage(), ..Proposal::default() }),
        "error unmarshalling Header: ",
    );
    let header = |channel_header, signature_header| {
        let header = encode(&Header { channel_header, signature_header });
        sign(&Proposal { header, ..Proposal::default() })
    };
    endorser_says(&header(garbage(), Bytes::new()), "error unmarshalling ChannelHeader: ");
    endorser_says(&header(Bytes::new(), garbage()), "error unmarshalling SignatureHeader: ");
    let mut broken = Parts::good();
    broken.channel_header.extension = garbage();
    check(broken, "error unmarshalling ChaincodeHeaderExtension: ");
    check(Parts::good().extension(None), "ChaincodeHeaderExtension.ChaincodeId is nil");
    let nameless = Some(ChaincodeId::default());
    check(Parts::good().extension(nameless), "ChaincodeHeaderExtension.ChaincodeId.Name is empty");
    let mut proposal = proposal::build_request(request()).0;
    proposal.payload = garbage();
    endorser_says(&sign(&proposal), "error unmarshalling ChaincodeProposalPayload: ");
    check(Parts::good().input(garbage()), "error unmarshalling ChaincodeInvocationSpec: ");
    check(Parts::good().spec(None), "chaincode invocation spec did not contain chaincode spec");
    check(
        Parts::good().spec(Some(ChaincodeSpec::default())),
        "chaincode input did not contain any input",
    );
    check(Parts::good(), "accepted");
}

#[test]
fn the_endorser_refuses_headers_that_make_no_transaction() {
    let check = |change: fn(&mut Parts), expected| {
        let mut parts = Parts::good();
        change(&mut parts);
        endorser_says(&parts.signed(), expected);
    };
    check(|parts| parts.channel_header.r#type = 5, "invalid header type DELIVER_SEEK_INFO");
    check(|parts| parts.channel_header.r#type = 77, "invalid header type 77");
    check(|parts| parts.channel_header.epoch = 1, "epoch is non-zero");
    check(|parts| parts.signature_header.nonce = Bytes::new(), "nonce is empty");
    check(|parts| parts.signature_header.creator = Bytes::new(), "creator is empty");
    let expected = envelope::tx_id(b"once", b"doctor");
    check(
        |parts| parts.channel_header.tx_id = "a".into(),
        &format!("incorrectly computed txid 'a' -- expected '{expected}'"),
    );
    let other = ChaincodeSpec {
        chaincode_id: Some(ChaincodeId { name: "bench".into(), ..ChaincodeId::default() }),
        input: Some(ChaincodeInput::default()),
        ..ChaincodeSpec::default()
    };
    let expected = "chaincode 'bench' of the call is not chaincode 'health' of the header";
    endorser_says(&Parts::good().spec(Some(other)).signed(), expected);
}

#[test]
fn the_gateway_names_what_it_lacks() {
    let check = |parts: Parts, expected| gateway_says(&parts.signed(), expected);
    gateway_says(&SignedProposal::default(), "a signed proposal is required");
    let broken = SignedProposal { proposal_bytes: garbage(), signature: Bytes::new() };
    gateway_says(&broken, "error unmarshalling Proposal: ");
    let mut channelless = Parts::good();
    channelless.channel_header.channel_id.clear();
    check(channelless, "no channel id provided");
    check(Parts::good().spec(None), "no chaincode spec is provided, channel id [ward]");
    let spec = |chaincode_id| Some(ChaincodeSpec { chaincode_id, ..ChaincodeSpec::default() });
    check(Parts::good().spec(spec(None)), "no chaincode id is provided, channel id [ward]");
    let nameless = spec(Some(ChaincodeId::default()));
    check(Parts::good().spec(nameless), "no chaincode name is provided, channel id [ward]");
    check(Parts::good(), "accepted");
}

fn answer(hash: &[u8; 32], endorser: &'static [u8]) -> ProposalResponse {
    let response = Response { status: 200, ..Response::default() };
    let id = ChaincodeId { name: "health".into(), version: "1".into(), ..ChaincodeId::default() };
    let payload = transaction::response_payload(
        hash,
        Bytes::from_static(b"\x08\x00"),
        None,
        response.clone(),
        id,
    );
    let endorsement =
        Endorsement { endorser: endorser.into(), signature: Bytes::from_static(b"sig") };
    ProposalResponse {
        response: Some(response),
        payload,
        endorsement: Some(endorsement),
        ..ProposalResponse::default()
    }
}

#[test]
fn endorsements_are_joined_once_an_endorser_and_only_if_they_agree() {
    let opened = Opened::open(&sign(&proposal::build_request(request()).0)).unwrap();
    let good = |endorser| answer(&opened.hash, endorser);
    let build = |responses: &[ProposalResponse]| transaction::build(&opened, responses);
    let payload = build(&[good(b"peer0"), good(b"peer1"), good(b"peer0")]).unwrap();
    let found = transaction::Opened::open_payload(&payload).unwrap();
    assert_eq!(found.endorsed.endorsements.len(), 2);
    assert_eq!(found.action.chaincode_id.unwrap().version, "1");
    let check = |responses: &[ProposalResponse], expected: &str| {
        assert_eq!(build(responses).unwrap_err().to_string(), expected);
    };
    check(&[], "at least one proposal response is required");
    let mut failed = good(b"peer1");
    failed.response = Some(Response { status: 500, message: "no".into(), payload: Bytes::new() });
    check(
        &[good(b"peer0"), failed],
        "proposal response was not successful, error code 500, msg no",
    );
    check(&[good(b"peer0"), answer(&[9; 32], b"peer1")], "ProposalResponsePayloads do not match");
    let mut bare = good(b"peer0");
    bare.endorsement = None;
    check(&[bare], "no endorsements");
}

#[test]
fn a_transaction_whose_answer_is_for_another_proposal_is_refused() {
    let opened = Opened::open(&sign(&proposal::build_request(request()).0)).unwrap();
    let payload = transaction::build(&opened, &[answer(&[9; 32], b"peer0")]).unwrap();
    let error = transaction::Opened::open_payload(&payload).unwrap_err();
    assert_eq!(error.to_string(), "proposal hash does not match");
}

proptest! {
    #[test]
    fn no_bytes_make_opening_panic(raw in proptest::collection::vec(any::<u8>(), 0..120)) {
        let raw = Bytes::from(raw);
        let _ = Opened::open_bytes(&raw);
        let _ = envelope::Opened::open_payload(&raw);
        let _ = transaction::Opened::open_payload(&raw);
        let _ = carecord_proto::rwset::TxRwSet::from_bytes(&raw);
    }

    #[test]
    fn a_flipped_byte_in_a_proposal_is_an_error_or_another_proposal(
        at in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        let good = encode(&proposal::build_request(request()).0);
        let mut bytes = good.to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(opened) = Opened::open_bytes(&bytes.into()) {
            let honest = Opened::open_bytes(&good).unwrap();
            prop_assert!(opened != honest);
        }
    }

    #[test]
    fn encoding_twice_gives_the_same_bytes(
        transient in proptest::collection::btree_map("[a-z]{0,8}", proptest::collection::vec(any::<u8>(), 0..20), 0..6),
        args in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..5),
    ) {
        let request = Request {
            transient: transient.into_iter().map(|(key, value)| (key, Bytes::from(value))).collect(),
            args: args.into_iter().map(Bytes::from).collect(),
            ..request()
        };
        let once = encode(&proposal::build_request(request).0);
        let again: Proposal = decode("Proposal", &once).unwrap();
        prop_assert_eq!(encode(&again), once);
        let payload: ChaincodeProposalPayload = decode("ChaincodeProposalPayload", &again.payload).unwrap();
        prop_assert_eq!(encode(&payload), again.payload);
    }
}
