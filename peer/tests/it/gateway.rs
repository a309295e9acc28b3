//! The gateway: a transaction's whole life, and rows G1 to G5 and G7 of the bad inputs.

use std::time::Duration;

use bytes::Bytes;
use carecord_comm::error_details;
use carecord_proto::common::{ChannelHeader, Envelope, Header, Payload, Status as OrdererStatus};
use carecord_proto::gateway::{
    ChaincodeEventsRequest, CommitStatusRequest, EndorseRequest, EvaluateRequest,
    SignedChaincodeEventsRequest, SignedCommitStatusRequest, SubmitRequest,
};
use carecord_proto::orderer::{SeekNewest, SeekPosition, SeekSpecified, seek_position};
use carecord_proto::protos::{
    ChaincodeInvocationSpec, ChaincodeProposalPayload, ChaincodeSpec, Proposal, SignedProposal,
    TxValidationCode,
};
use prost::Message;
use tonic::{Code, Status};

use crate::solo::Mood;
use crate::world::{CHANNEL, World};

const BOTH: &str = "AND('AMSP.peer','BMSP.peer')";
const ONE: &str = "OR('AMSP.peer','BMSP.peer')";

/// Two organisations; peer 1 knows peer 0 and not the other way round.
async fn world(policy: &str) -> World {
    let world = World::new(&["AMSP", "BMSP"]).await;
    world.deploy("mischief", policy).await;
    world
}

#[tokio::test]
async fn a_transaction_lives_from_proposal_to_commit_status() {
    let world = world(BOTH).await;
    let client = world.client(0, 1);
    let (code, tx_id, block) =
        client.transact_in_full("mischief", &[b"put", b"k", b"v"], &[]).await.expect("committed");
    assert_eq!((code, block), (TxValidationCode::Valid, 4));
    assert_eq!(client.evaluate("mischief", &[b"get", b"k"]).await.expect("answered"), "v");
    // The same on the other peer, and again from the ledger.
    world.all_caught_up().await;
    let other = world.client(1, 0);
    assert_eq!(other.evaluate("mischief", &[b"get", b"k"]).await.expect("answered"), "v");
    assert_eq!(other.commit_status(&tx_id).await.expect("known").block_number, 4);
    let hashes: Vec<_> = (0..2)
        .map(|peer| world.peer(peer).channel(CHANNEL).expect("joined").ledger().commit_hash())
        .collect();
    assert_eq!(hashes[0], hashes[1]);
}

#[tokio::test]
async fn g1_an_empty_request_names_what_is_missing() {
    let world = World::new(&["AMSP"]).await;
    let client = world.client(0, 0);
    let mut gateway = client.gateway();
    let refused = |status: Status| (status.code(), status.message().to_owned());
    let expected = |text: &str| (Code::InvalidArgument, text.to_owned());
    let answer = gateway.endorse(EndorseRequest::default()).await.expect_err("empty");
    assert_eq!(refused(answer), expected("an endorse request is required"));
    let answer = gateway.submit(SubmitRequest::default()).await.expect_err("empty");
    assert_eq!(refused(answer), expected("a submit request is required"));
    let answer = gateway.evaluate(EvaluateRequest::default()).await.expect_err("empty");
    assert_eq!(refused(answer), expected("an evaluate request is required"));
    let answer =
        gateway.commit_status(SignedCommitStatusRequest::default()).await.expect_err("empty");
    assert_eq!(refused(answer), expected("a commit status request is required"));
    let answer =
        gateway.chaincode_events(SignedChaincodeEventsRequest::default()).await.expect_err("empty");
    assert_eq!(refused(answer), expected("a chaincode events request is required"));
    let garbage =
        SignedCommitStatusRequest { request: Bytes::from_static(b"\xff"), ..Default::default() };
    let answer = gateway.commit_status(garbage).await.expect_err("garbage");
    assert!(answer.message().starts_with("invalid status request: "), "{answer:?}");
}

#[tokio::test]
async fn g2_each_missing_part_of_a_proposal_is_named() {
    let world = World::new(&["AMSP"]).await;
    let client = world.client(0, 0);
    let spec = |spec: Option<ChaincodeSpec>| ChaincodeInvocationSpec { chaincode_spec: spec };
    let proposal = |channel_id: &str, spec: ChaincodeInvocationSpec| {
        let header =
            ChannelHeader { channel_id: channel_id.to_owned(), ..ChannelHeader::default() };
        let header = Header { channel_header: header.encode_to_vec().into(), ..Header::default() };
        let payload = ChaincodeProposalPayload {
            input: spec.encode_to_vec().into(),
            ..ChaincodeProposalPayload::default()
        };
        Proposal {
            header: header.encode_to_vec().into(),
            payload: payload.encode_to_vec().into(),
            ..Proposal::default()
        }
    };
    let named = |name: &str| {
        let id =
            carecord_proto::protos::ChaincodeId { name: name.to_owned(), ..Default::default() };
        Some(ChaincodeSpec { chaincode_id: Some(id), ..ChaincodeSpec::default() })
    };
    let nameless = Some(ChaincodeSpec::default());
    for (proposal, text) in [
        (proposal("", spec(named("x"))), "no channel id provided"),
        (proposal("c", spec(None)), "no chaincode spec is provided, channel id [c]"),
        (proposal("c", spec(nameless)), "no chaincode id is provided, channel id [c]"),
        (proposal("c", spec(named(""))), "no chaincode name is provided, channel id [c]"),
    ] {
        let signed = SignedProposal {
            proposal_bytes: proposal.encode_to_vec().into(),
            ..SignedProposal::default()
        };
        let answer = client.evaluate_signed(signed, &[]).await.expect_err(text);
        assert_eq!(answer.code(), Code::InvalidArgument);
        let expected = format!("failed to unpack transaction proposal: {text}");
        assert_eq!(answer.message(), expected);
    }
    let answer = client.endorse(SignedProposal::default(), &[]).await.expect_err("nothing in it");
    assert_eq!(answer.message(), "the proposed transaction must contain a signed proposal");
    let garbage =
        SignedProposal { proposal_bytes: Bytes::from_static(b"\xff"), ..Default::default() };
    let answer = client.endorse(garbage, &[]).await.expect_err("garbage");
    assert_eq!(answer.code(), Code::InvalidArgument);
    assert!(answer.message().starts_with("error unmarshalling Proposal"), "{answer:?}");
}

#[tokio::test]
async fn g3_an_unsigned_transaction_is_not_submitted() {
    let world = World::new(&["AMSP"]).await;
    let client = world.client(0, 0);
    let unsigned = Envelope { payload: Bytes::from_static(b"x"), signature: Bytes::new() };
    let answer = client.submit(unsigned).await.expect_err("unsigned");
    assert_eq!(answer.code(), Code::InvalidArgument);
    assert_eq!(answer.message(), "prepared transaction must be signed");
    assert_eq!(world.solo.height(), 1, "nothing was ordered");
}

#[tokio::test]
async fn g4_a_transaction_that_was_tampered_with_is_never_valid() {
    let world = world(ONE).await;
    let client = world.client(0, 0);
    let (signed, tx_id) = client.propose("mischief", &[b"put", b"k", b"original"]);
    let mut prepared = client.endorse(signed, &[]).await.expect("endorsed");
    let mut payload = prepared.payload.to_vec();
    // The last occurrence of the value is the one in the endorsed result.
    let at = payload.windows(8).rposition(|window| window == b"original").expect("it is in there");
    payload[at] = b'O';
    prepared.payload = payload.into();
    client.submit(client.sign(prepared)).await.expect("an orderer does not look inside");
    let status = client.commit_status(&tx_id).await.expect("committed");
    assert_ne!(status.result(), TxValidationCode::Valid);
    assert_eq!(client.evaluate("mischief", &[b"get", b"k"]).await.expect("answered"), "");
}

#[tokio::test]
async fn g5_endorsers_that_differ_give_no_transaction() {
    let world = world(BOTH).await;
    let client = world.client(0, 1);
    let height = world.solo.height();
    let (signed, _) = client.propose("mischief", &[b"differ"]);
    let answer = client.endorse(signed, &[]).await.expect_err("they differ");
    assert_eq!(answer.code(), Code::Aborted);
    assert_eq!(
        answer.message(),
        "failed to collect enough transaction endorsements, see attached details for more info"
    );
    let details = error_details(&answer);
    assert_eq!(details.len(), 1, "{details:?}");
    assert_eq!(details[0].message, "ProposalResponsePayloads do not match");
    assert_eq!(details[0].msp_id, "AMSP");
    assert_eq!(details[0].address, world.peers[0].config.address);
    assert_eq!(world.solo.height(), height, "nothing was ordered");
}

#[tokio::test]
async fn g7_commit_status_is_for_readers_who_say_what_they_want() {
    let world = World::new(&["AMSP"]).await;
    let client = world.client(0, 0);
    let good = CommitStatusRequest {
        transaction_id: "x".to_owned(),
        channel_id: CHANNEL.to_owned(),
        identity: client.signer.serialized(),
    };
    let denied = Code::PermissionDenied;
    let stranger = crate::world::Org::new("StrangerMSP").person(false, crate::world::validity());
    for (request, code, text) in [
        (
            CommitStatusRequest { identity: Bytes::new(), ..good.clone() },
            Code::InvalidArgument,
            "no identity provided",
        ),
        (
            CommitStatusRequest { channel_id: String::new(), ..good.clone() },
            Code::InvalidArgument,
            "no channel ID provided",
        ),
        (
            CommitStatusRequest { transaction_id: String::new(), ..good.clone() },
            Code::InvalidArgument,
            "transaction ID should not be empty",
        ),
        (
            CommitStatusRequest { channel_id: "elsewhere".to_owned(), ..good.clone() },
            denied,
            "Failed to get policy manager for channel [elsewhere]",
        ),
        (
            CommitStatusRequest { identity: stranger.serialized(), ..good.clone() },
            denied,
            "Failed evaluating policy",
        ),
        (
            CommitStatusRequest { identity: Bytes::from_static(b"nobody"), ..good.clone() },
            denied,
            "Failed evaluating policy",
        ),
    ] {
        let answer = client.commit_status_of(request).await.expect_err(text);
        assert_eq!(answer.code(), code, "{answer:?}");
        assert!(answer.message().starts_with(text), "{answer:?}");
    }
    let request: Bytes = good.encode_to_vec().into();
    let signature = client.signer.sign(b"something else").expect("it can sign").into();
    let forged = SignedCommitStatusRequest { request, signature };
    let answer = client.gateway().commit_status(forged).await.expect_err("forged");
    assert_eq!(answer.code(), denied, "{answer:?}");
}

#[tokio::test]
async fn a_chaincodes_refusal_reaches_the_client_as_fabric_words_it() {
    let world = world(ONE).await;
    let client = world.client(0, 0);
    for (function, status, text) in [("fail", 500, "it went wrong"), ("refuse", 404, "not here")] {
        let detail = format!("chaincode response {status}, {text}");
        let (signed, _) = client.propose("mischief", &[function.as_bytes()]);
        let answer = client.evaluate_signed(signed, &[]).await.expect_err(function);
        assert_eq!(answer.code(), Code::Unknown);
        let expected = format!("evaluate call to endorser returned error: {detail}");
        assert_eq!(answer.message(), expected);
        assert_eq!(error_details(&answer)[0].message, detail);

        let (signed, _) = client.propose("mischief", &[function.as_bytes()]);
        let answer = client.endorse(signed, &[]).await.expect_err(function);
        assert_eq!(answer.code(), Code::Aborted);
        let expected = "failed to endorse transaction, see attached details for more info";
        assert_eq!(answer.message(), expected);
        let details = error_details(&answer);
        assert_eq!((details.len(), details[0].msp_id.as_str()), (1, "AMSP"));
        assert_eq!(details[0].message, detail);
    }
}

#[tokio::test]
async fn trouble_in_the_peer_is_not_the_chaincodes_answer() {
    let world = world(ONE).await;
    let client = world.client(0, 0);
    for (chaincode, function, text) in [
        ("mischief", "panic", "chaincode mischief panicked"),
        ("mischief", "linger", "timeout expired while executing transaction"),
        ("other", "get", "make sure the chaincode other has been successfully defined"),
    ] {
        let (signed, _) = client.propose(chaincode, &[function.as_bytes()]);
        let answer = client.endorse(signed, &[]).await.expect_err(function);
        assert_eq!(answer.code(), Code::Aborted, "{answer:?}");
        let details = error_details(&answer);
        assert!(details[0].message.contains(text), "{details:?}");
    }
    let (signed, _) = client.propose("nowhere", &[b"get"]);
    let answer = client.evaluate_signed(signed, &[]).await.expect_err("no such chaincode");
    assert_eq!(answer.code(), Code::FailedPrecondition, "{answer:?}");
    let text = "no peers available to evaluate chaincode nowhere in channel care";
    assert_eq!(answer.message(), text);
    // And the peer is as alive as before.
    assert_eq!(client.evaluate("mischief", &[b"get", b"x"]).await.expect("answered"), "");
}

#[tokio::test]
async fn the_wrong_organisations_cannot_be_asked() {
    let world = world(ONE).await;
    let client = world.client(0, 0);
    let (signed, _) = client.propose("mischief", &[b"put", b"k", b"v"]);
    let answer = client.endorse(signed, &["NoMSP", "AMSP"]).await.expect_err("unknown");
    assert_eq!(answer.code(), Code::Unavailable);
    assert_eq!(answer.message(), "failed to find any endorsing peers for org(s): NoMSP");
    let mut draft = client.draft("mischief", &[b"transient"]);
    draft.request.transient.insert("secret".to_owned(), Bytes::from_static(b"s"));
    let (signed, _) = draft.signed(&client.signer);
    let answer = client.evaluate_signed(signed.clone(), &[]).await.expect("at home");
    assert_eq!(answer, "s");
    let answer = client.evaluate_signed(signed, &["NoMSP"]).await.expect_err("unknown");
    assert_eq!(answer.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_policy_that_cannot_be_met_is_told_before_anything_is_ordered() {
    let world = world(BOTH).await;
    // Peer 0 was started first and knows nobody.
    let client = world.client(0, 0);
    let (signed, _) = client.propose("mischief", &[b"put", b"k", b"v"]);
    let answer = client.endorse(signed, &[]).await.expect_err("no peer of B is known");
    assert_eq!(answer.code(), Code::FailedPrecondition, "{answer:?}");
    let text = "failed to select a set of endorsers that satisfy the endorsement policy due to \
                unavailability of peers: []";
    assert_eq!(answer.message(), text);
}

#[tokio::test]
async fn a_peer_that_went_away_is_named_and_left_alone() {
    let mut world = world(BOTH).await;
    world.peers[0].stop().await;
    let client = world.client(0, 1);
    let (signed, _) = client.propose("mischief", &[b"put", b"k", b"v"]);
    let answer = client.endorse(signed, &[]).await.expect_err("A is away");
    assert_eq!(answer.code(), Code::Aborted, "{answer:?}");
    let details = error_details(&answer);
    assert_eq!(details[0].address, world.peers[0].config.address);
    assert_eq!(details[0].msp_id, "AMSP");
}

#[tokio::test]
async fn an_orderers_answer_decides_what_submit_says() {
    let world = world(ONE).await;
    let client = world.client(0, 0);
    let (signed, tx_id) = client.propose("mischief", &[b"put", b"k", b"v"]);
    let prepared = client.sign(client.endorse(signed, &[]).await.expect("endorsed"));
    world.solo.set_mood(Mood::Answers(OrdererStatus::BadRequest, "no good"));
    let answer = client.submit(prepared.clone()).await.expect_err("refused");
    assert_eq!(answer.code(), Code::Aborted);
    assert_eq!(
        answer.message(),
        "received unsuccessful response from orderer: status=BAD_REQUEST, info=no good"
    );
    assert!(error_details(&answer).is_empty());
    for mood in [Mood::Answers(OrdererStatus::ServiceUnavailable, "no leader"), Mood::Breaks] {
        world.solo.set_mood(mood);
        let answer = client.submit(prepared.clone()).await.expect_err("not now");
        assert_eq!(answer.code(), Code::Unavailable, "{answer:?}");
        assert_eq!(answer.message(), "no orderers could successfully process transaction");
    }
    // An election that ends while the client waits costs it nothing.
    let (submitted, ()) = tokio::join!(client.submit(prepared), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        world.solo.set_mood(Mood::Orders);
    });
    submitted.expect("ordered");
    let status = client.commit_status(&tx_id).await.expect("committed");
    assert_eq!(status.result(), TxValidationCode::Valid);
}

#[tokio::test]
async fn an_orderer_that_lost_the_channel_leaves_transactions_to_the_others() {
    let mut world = World::without_peers(&["AMSP"]).await;
    let wiped = world.solo.twin();
    let handle = wiped.serve("127.0.0.1:0").await;
    let node = carecord_peer::RemoteNode {
        msp_id: "OrdererMSP".to_owned(),
        address: handle.address().to_string(),
        tls_roots: Vec::new(),
        server_name: None,
    };
    world.add_peer(0, |config| config.orderers = vec![node]).await;
    world.deploy("mischief", "OR('AMSP.peer')").await;
    let gone = || Mood::Answers(OrdererStatus::BadRequest, "channel does not exist");
    wiped.set_mood(gone());
    let client = world.client(0, 0);
    for key in 0..8_u8 {
        client.transact("mischief", &[b"put", &[b'a' + key], b"v"], &[]).await.expect("committed");
    }
    // If none knows it, the transaction names a wrong channel.
    world.solo.set_mood(gone());
    let (signed, _) = client.propose("mischief", &[b"put", b"k", b"v"]);
    let prepared = client.sign(client.endorse(signed, &[]).await.expect("endorsed"));
    let answer = client.submit(prepared).await.expect_err("refused");
    let text = "received unsuccessful response from orderer: status=BAD_REQUEST, info=channel does not exist";
    assert_eq!((answer.code(), answer.message()), (Code::Aborted, text));
}

#[tokio::test]
async fn a_conflict_is_a_status_and_no_error() {
    let world = world(ONE).await;
    let client = world.client(0, 0);
    client.transact("mischief", &[b"put", b"k", b"0"], &[]).await.expect("committed");
    // `call` reads and writes through the same simulation: get, then put.
    let get = [&b"call"[..], b"mischief", b"", b"get", b"k"];
    let (reader, reader_id) = client.propose("mischief", &get);
    let reader = client.sign(client.endorse(reader, &[]).await.expect("endorsed"));
    let (_, faster, _) =
        client.transact_in_full("mischief", &[b"put", b"k", b"1"], &[]).await.expect("committed");
    client.submit(reader).await.expect("ordered");
    let status = client.commit_status(&reader_id).await.expect("committed");
    assert_eq!(status.result(), TxValidationCode::MvccReadConflict);
    // Beside Fabric's answer: the key, and the transaction that was faster; asked twice, told twice.
    let block = status.block_number - 1;
    let told = format!(
        "key \"k\" of namespace mischief was written by transaction {faster} in block {block}"
    );
    assert_eq!(client.commit_cause(&reader_id).await, Some(told.clone()));
    assert_eq!(client.commit_cause(&reader_id).await, Some(told));
    assert_eq!(client.commit_cause(&faster).await, None);
}

#[tokio::test]
async fn a_client_that_waits_in_vain_is_told_at_its_deadline() {
    let world = World::new(&["AMSP"]).await;
    let client = world.client(0, 0);
    let request: Bytes = CommitStatusRequest {
        transaction_id: "never".to_owned(),
        channel_id: CHANNEL.to_owned(),
        identity: client.signer.serialized(),
    }
    .encode_to_vec()
    .into();
    let signature = client.signer.sign(&request).expect("it can sign").into();
    let mut call = tonic::Request::new(SignedCommitStatusRequest { request, signature });
    call.set_timeout(Duration::from_millis(100));
    let answer = client.gateway().commit_status(call).await.expect_err("never committed");
    assert!(matches!(answer.code(), Code::DeadlineExceeded | Code::Cancelled), "{answer:?}");
}

fn at(number: u64) -> Option<SeekPosition> {
    Some(SeekPosition { r#type: Some(seek_position::Type::Specified(SeekSpecified { number })) })
}

#[tokio::test]
async fn events_come_from_where_the_client_left_off() {
    let world = world(ONE).await;
    let client = world.client(0, 0);
    let event = |name: &'static [u8]| {
        let client = client.clone();
        async move {
            let args: [&[u8]; 3] = [b"event", name, b"payload"];
            client.transact_in_full("mischief", &args, &[]).await.expect("committed")
        }
    };
    let (_, _, first_block) = event(b"one").await;
    let (_, silent, _) =
        client.transact_in_full("mischief", &[b"put", b"k", b"v"], &[]).await.expect("committed");
    let (_, second, _) = event(b"two").await;
    event(b"three").await;

    let request = |start_position, after: &str| ChaincodeEventsRequest {
        channel_id: CHANNEL.to_owned(),
        chaincode_id: "mischief".to_owned(),
        start_position,
        after_transaction_id: after.to_owned(),
        ..ChaincodeEventsRequest::default()
    };
    for (start, after, expected) in [
        (at(0), "", vec!["one", "two", "three"]),
        (at(first_block + 1), "", vec!["two", "three"]),
        (None, second.as_str(), vec!["three"]),
        // A transaction without event counts as passed; Fabric would stay silent.
        (None, silent.as_str(), vec!["two", "three"]),
    ] {
        let signed = client.events_request(request(start, after));
        let mut events = client.gateway().chaincode_events(signed).await.expect("ok").into_inner();
        let mut names = Vec::new();
        while names.len() < expected.len() {
            let next = tokio::time::timeout(Duration::from_secs(5), events.message()).await;
            let message = next.expect("in time").expect("no error").expect("not the end");
            names.extend(message.events.into_iter().map(|event| event.event_name));
        }
        assert_eq!(names, expected);
    }
    // Without a position: from now on.
    let signed = client.events_request(request(None, ""));
    let mut events = client.gateway().chaincode_events(signed).await.expect("ok").into_inner();
    let (_, tx_id, block) = event(b"four").await;
    let message = events.message().await.expect("no error").expect("not the end");
    assert_eq!((message.block_number, message.events.len()), (block, 1));
    let event = &message.events[0];
    assert_eq!((event.tx_id.as_str(), event.event_name.as_str()), (tx_id.as_str(), "four"));
    assert_eq!((event.chaincode_id.as_str(), &event.payload[..]), ("mischief", &b"payload"[..]));

    let newest = SeekPosition { r#type: Some(seek_position::Type::Newest(SeekNewest {})) };
    let signed = client.events_request(request(Some(newest), ""));
    let answer = client.gateway().chaincode_events(signed).await.expect_err("not offered");
    assert_eq!(answer.code(), Code::InvalidArgument, "{answer:?}");
}

#[tokio::test]
async fn a_payload_of_another_kind_than_a_transaction_is_still_only_ordered() {
    let world = World::new(&["AMSP"]).await;
    let client = world.client(0, 0);
    let payload = Payload { data: Bytes::from_static(b"x"), ..Payload::default() };
    let payload: Bytes = payload.encode_to_vec().into();
    let odd = client.sign(Envelope { payload, signature: Bytes::new() });
    client.submit(odd).await.expect("the orderer's matter");
    world.caught_up(0).await;
    let block = world.peer(0).channel(CHANNEL).expect("joined").ledger().block(1);
    let block = block.expect("readable").expect("there");
    assert_ne!(carecord_proto::block::flags(&block), [0], "never valid");
}
