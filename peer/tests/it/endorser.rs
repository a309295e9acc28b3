//! Rows E1 to E6, E8 and E9 of the bad inputs.

use bytes::Bytes;
use carecord_ca::Validity;
use carecord_proto::common::{ChannelHeader, Header, SignatureHeader};
use carecord_proto::protos::{
    ChaincodeHeaderExtension, ChaincodeId, ChaincodeInvocationSpec, ChaincodeProposalPayload,
    Proposal, SignedProposal,
};
use prost::Message;
use tonic::Code;

use crate::client::{Client, sign_proposal};
use crate::world::{Org, World, now, validity};

/// The layers of a proposal, to break one of them.
struct Layers {
    channel_header: ChannelHeader,
    signature_header: SignatureHeader,
    payload: ChaincodeProposalPayload,
}

impl Layers {
    fn of(client: &Client) -> Self {
        let (signed, _) = client.propose("mischief", &[b"get", b"k"]);
        let proposal = Proposal::decode(signed.proposal_bytes).expect("ours");
        let header = Header::decode(proposal.header).expect("ours");
        Self {
            channel_header: ChannelHeader::decode(header.channel_header).expect("ours"),
            signature_header: SignatureHeader::decode(header.signature_header).expect("ours"),
            payload: ChaincodeProposalPayload::decode(proposal.payload).expect("ours"),
        }
    }

    fn signed(self, client: &Client) -> SignedProposal {
        let header = Header {
            channel_header: self.channel_header.encode_to_vec().into(),
            signature_header: self.signature_header.encode_to_vec().into(),
        };
        let proposal = Proposal {
            header: header.encode_to_vec().into(),
            payload: self.payload.encode_to_vec().into(),
            ..Proposal::default()
        };
        sign_proposal(&client.signer, proposal.encode_to_vec().into())
    }
}

async fn refused(client: &Client, signed: SignedProposal) -> String {
    let answer = client.process(signed).await.expect_err("refused");
    assert_eq!(answer.code(), Code::Unknown, "{answer:?}");
    answer.message().to_owned()
}

#[tokio::test]
async fn e1_a_proposal_from_another_time_is_refused() {
    let world = World::new(&["AMSP"]).await;
    let client = world.client(0, 0);
    for seconds in [Some(now() - 1800), Some(now() + 1800), None] {
        let mut layers = Layers::of(&client);
        layers.channel_header.timestamp =
            seconds.map(|seconds| prost_types::Timestamp { seconds, nanos: 0 });
        let text = refused(&client, layers.signed(&client)).await;
        assert!(
            text.starts_with("request unauthorized due to incorrect timestamp 20")
                || text.starts_with(
                    "request unauthorized due to incorrect timestamp 1970-01-01T00:00:00Z"
                ),
            "{text}"
        );
        assert!(text.ends_with(", peer.authentication.timewindow 15m0s"), "{text}");
    }
}

#[tokio::test]
async fn e2_a_transaction_id_must_be_its_creators() {
    let world = World::new(&["AMSP"]).await;
    let client = world.client(0, 0);
    let mut layers = Layers::of(&client);
    let expected = std::mem::replace(&mut layers.channel_header.tx_id, "mine".to_owned());
    assert_eq!(
        refused(&client, layers.signed(&client)).await,
        format!(
            "error validating proposal: incorrectly computed txid 'mine' -- expected '{expected}'"
        )
    );
}

#[tokio::test]
async fn e3_each_missing_header_field_is_named() {
    let world = World::new(&["AMSP"]).await;
    let client = world.client(0, 0);
    let cases: [(fn(&mut Layers), &str); 5] = [
        (|layers| layers.signature_header.nonce = Bytes::new(), "nonce is empty"),
        (|layers| layers.signature_header.creator = Bytes::new(), "creator is empty"),
        (|layers| layers.channel_header.epoch = 1, "epoch is non-zero"),
        (|layers| layers.channel_header.r#type = 0, "invalid header type MESSAGE"),
        (|layers| layers.channel_header.r#type = 77, "invalid header type 77"),
    ];
    for (break_it, text) in cases {
        let mut layers = Layers::of(&client);
        break_it(&mut layers);
        let answer = refused(&client, layers.signed(&client)).await;
        assert_eq!(answer, format!("error validating proposal: {text}"));
    }
    let mut signed = Layers::of(&client).signed(&client);
    signed.signature = Bytes::new();
    let answer = refused(&client, signed).await;
    assert_eq!(answer, "error validating proposal: empty signature bytes");
}

#[tokio::test]
async fn e4_a_committed_proposal_is_not_simulated_again() {
    let world = World::new(&["AMSP"]).await;
    world.deploy("mischief", "OR('AMSP.peer')").await;
    let client = world.client(0, 0);
    let (signed, tx_id) = client.propose("mischief", &[b"put", b"k", b"v"]);
    let prepared = client.endorse(signed.clone(), &[]).await.expect("endorsed");
    client.submit(client.sign(prepared)).await.expect("ordered");
    client.commit_status(&tx_id).await.expect("committed");
    let creator = hex::encode(client.signer.serialized());
    let text = format!("duplicate transaction found [{tx_id}]. Creator [{creator}]");
    assert_eq!(refused(&client, signed.clone()).await, text);
    let answer = client.evaluate_signed(signed.clone(), &[]).await.expect_err("duplicate");
    assert_eq!(answer.code(), Code::FailedPrecondition);
    let expected = format!("evaluate call to endorser returned error: {text}");
    assert_eq!(answer.message(), expected);
    let answer = client.endorse(signed, &[]).await.expect_err("duplicate");
    assert_eq!(answer.code(), Code::Aborted);
}

#[tokio::test]
async fn e5_whoever_did_not_sign_gets_one_and_the_same_text() {
    let world = World::new(&["AMSP"]).await;
    let client = world.client(0, 0);
    let generic = "error validating proposal: access denied: channel [care] creator org [AMSP]";
    let mut signed = Layers::of(&client).signed(&client);
    signed.signature = client.signer.sign(b"something else").expect("it can sign").into();
    assert_eq!(refused(&client, signed).await, generic);
    // A proposal for this channel, sent to another one: the header is under the signature.
    let (signed, _) = client.propose("mischief", &[b"get", b"k"]);
    let mut proposal = Proposal::decode(signed.proposal_bytes).expect("ours");
    let header = Header::decode(proposal.header).expect("ours");
    let mut channel_header = ChannelHeader::decode(header.channel_header).expect("ours");
    channel_header.channel_id = "other".to_owned();
    let header = Header { channel_header: channel_header.encode_to_vec().into(), ..header };
    proposal.header = header.encode_to_vec().into();
    let moved = SignedProposal {
        proposal_bytes: proposal.encode_to_vec().into(),
        signature: signed.signature,
    };
    let answer = client.process(moved).await.expect("an unknown channel is a response");
    let response = answer.response.expect("always there");
    assert_eq!((response.status, response.message.as_str()), (500, "channel 'other' not found"));

    let stranger = world.client_as(Org::new("StrangerMSP").person(false, validity()), 0);
    let (signed, _) = stranger.propose("mischief", &[b"get", b"k"]);
    let unknown = "error validating proposal: access denied: channel [care] creator org unknown, \
                   creator is malformed";
    assert_eq!(refused(&stranger, signed).await, unknown);
    // Somebody who only claims to be of this organisation.
    let pretender = world.client_as(Org::new("AMSP").person(false, validity()), 0);
    let (signed, _) = pretender.propose("mischief", &[b"get", b"k"]);
    let answer = refused(&pretender, signed).await;
    assert!(answer == unknown || answer == generic, "{answer}");
}

#[tokio::test]
async fn an_expired_identity_is_refused() {
    let world = World::new(&["AMSP"]).await;
    let past = Validity { not_before: now() - 100, not_after: now() - 10 };
    let client = world.client_as(world.orgs[0].person(false, past), 0);
    let (signed, _) = client.propose("mischief", &[b"get", b"k"]);
    let said = refused(&client, signed).await;
    let ended = "proposal client identity expired: its certificate ended 2";
    assert!(said.starts_with(ended) && said.contains(", peer time 2"), "{said}");
}

#[tokio::test]
async fn e6_who_may_not_write_may_not_propose() {
    let world = World::new(&["AMSP"]).await;
    let outsider = world.client_as(world.orderer_member(), 0);
    let (signed, _) = outsider.propose("mischief", &[b"put", b"k", b"v"]);
    let answer = refused(&outsider, signed).await;
    assert!(
        answer.starts_with(
            "Failed evaluating policy on signed data during check policy on channel [care] with \
             policy [/Channel/Application/Writers]: ["
        ),
        "{answer}"
    );
    // System chaincodes check for themselves.
    let (signed, _) = outsider.propose("qscc", &[b"GetChainInfo", b"care"]);
    let answer = outsider.process(signed).await.expect("a response").response.expect("there");
    assert_eq!(answer.status, 500);
    assert!(answer.message.starts_with("access denied for [GetChainInfo][care]: ["), "{answer:?}");
    assert!(answer.message.contains("/Channel/Application/Readers"), "{answer:?}");
}

#[tokio::test]
async fn e7_system_chaincode_is_not_for_chaincodes_or_everybody() {
    let world = World::new(&["AMSP"]).await;
    world.deploy("mischief", "OR('AMSP.peer')").await;
    let client = world.client(0, 0);
    for name in ["qscc", "cscc", "_lifecycle", "lscc"] {
        let args: [&[u8]; 5] = [b"call", name.as_bytes(), b"", b"GetChainInfo", b"care"];
        let answer = client.evaluate("mischief", &args).await.expect_err(name);
        let text = format!("system chaincode '{name}' cannot be called by a chaincode");
        assert!(answer.message().ends_with(&text), "{answer:?}");
    }
    let mut join = client.draft("cscc", &[b"JoinChain", &world.genesis.encode_to_vec()]);
    join.request.channel_id = String::new();
    let (signed, _) = join.signed(&client.signer);
    let answer = client.process(signed).await.expect("a response").response.expect("there");
    assert_eq!(answer.status, 500);
    assert!(answer.message.starts_with("access denied for [JoinChain][care]: ["), "{answer:?}");
}

#[tokio::test]
async fn e8_the_layer_that_cannot_be_read_is_named() {
    let world = World::new(&["AMSP"]).await;
    let client = world.client(0, 0);
    let garbage = Bytes::from_static(b"\xff\xff");
    let proposal =
        |header: Bytes, payload: Bytes| Proposal { header, payload, ..Proposal::default() };
    let header = |channel_header: Bytes, signature_header: Bytes| -> Bytes {
        Header { channel_header, signature_header }.encode_to_vec().into()
    };
    let channel_header = |extension: Bytes| -> Bytes {
        ChannelHeader { extension, ..Layers::of(&client).channel_header }.encode_to_vec().into()
    };
    let good = Layers::of(&client);
    let (good_ch, good_sh): (Bytes, Bytes) =
        (good.channel_header.encode_to_vec().into(), good.signature_header.encode_to_vec().into());
    let payload = |input: Bytes| -> Bytes {
        ChaincodeProposalPayload { input, ..Default::default() }.encode_to_vec().into()
    };
    let empty_id =
        ChaincodeHeaderExtension { chaincode_id: Some(ChaincodeId::default()) }.encode_to_vec();
    let whole = header(good_ch.clone(), good_sh.clone());
    for (name, bytes) in [
        ("Header", proposal(garbage.clone(), Bytes::new())),
        ("ChannelHeader", proposal(header(garbage.clone(), good_sh.clone()), Bytes::new())),
        ("SignatureHeader", proposal(header(good_ch, garbage.clone()), Bytes::new())),
        (
            "ChaincodeHeaderExtension",
            proposal(header(channel_header(garbage.clone()), good_sh.clone()), Bytes::new()),
        ),
        (
            "ChaincodeHeaderExtension.ChaincodeId is nil",
            proposal(header(channel_header(Bytes::new()), good_sh.clone()), Bytes::new()),
        ),
        (
            "ChaincodeHeaderExtension.ChaincodeId.Name is empty",
            proposal(header(channel_header(empty_id.into()), good_sh.clone()), Bytes::new()),
        ),
        ("ChaincodeProposalPayload", proposal(whole.clone(), garbage.clone())),
        ("ChaincodeInvocationSpec", proposal(whole.clone(), payload(garbage.clone()))),
        (
            "chaincode invocation spec did not contain chaincode spec",
            proposal(whole, payload(ChaincodeInvocationSpec::default().encode_to_vec().into())),
        ),
    ] {
        let signed = sign_proposal(&client.signer, bytes.encode_to_vec().into());
        let answer = refused(&client, signed).await;
        assert!(answer.contains(name), "{name}: {answer}");
    }
    let answer = refused(&client, sign_proposal(&client.signer, garbage)).await;
    assert!(answer.starts_with("error unmarshalling Proposal"), "{answer}");
    // Every way of cutting a good proposal short is refused, and the peer lives on.
    let (whole, _) = client.propose("mischief", &[b"get", b"k"]);
    for length in 0..whole.proposal_bytes.len() {
        let cut = SignedProposal {
            proposal_bytes: whole.proposal_bytes.slice(..length),
            signature: whole.signature.clone(),
        };
        let answer = client.process(cut).await;
        assert!(answer.is_err() || answer.is_ok_and(|it| it.endorsement.is_none()), "{length}");
    }
}

#[tokio::test]
async fn e9_header_and_call_must_name_the_same_chaincode() {
    let world = World::new(&["AMSP"]).await;
    let client = world.client(0, 0);
    let mut layers = Layers::of(&client);
    let other = ChaincodeId { name: "other".to_owned(), ..ChaincodeId::default() };
    layers.channel_header.extension =
        ChaincodeHeaderExtension { chaincode_id: Some(other) }.encode_to_vec().into();
    let answer = refused(&client, layers.signed(&client)).await;
    assert!(answer.contains("'mischief'") && answer.contains("'other'"), "{answer}");
}
