//! `qscc` and `cscc`: what explorers and administrators ask.

use std::time::Duration;

use carecord_proto::common::{Block, BlockchainInfo, Config};
use carecord_proto::protos::{ChannelQueryResponse, ProcessedTransaction, TxValidationCode};
use carecord_proto::{block, protos};
use prost::Message;
use tonic::Code;

use crate::client::Client;
use crate::world::{CHANNEL, World};

/// A call on no channel.
pub(crate) async fn peer_call(
    client: &Client,
    chaincode: &str,
    args: &[&[u8]],
) -> protos::Response {
    let mut draft = client.draft(chaincode, args);
    draft.request.channel_id = String::new();
    let (signed, _) = draft.signed(&client.signer);
    let answer = client.process(signed).await.expect("a response");
    assert!(answer.endorsement.is_none(), "nothing is endorsed without a channel");
    answer.response.expect("always there")
}

#[tokio::test]
async fn the_ledger_can_be_asked_in_five_ways() {
    let world = World::new(&["AMSP"]).await;
    world.deploy("mischief", "OR('AMSP.peer')").await;
    let client = world.client(0, 0);
    let (_, tx_id, number) =
        client.transact_in_full("mischief", &[b"put", b"k", b"v"], &[]).await.expect("committed");
    let care = CHANNEL.as_bytes();
    let info = client.evaluate("qscc", &[b"GetChainInfo", care]).await.expect("answered");
    let info = BlockchainInfo::decode(info).expect("the promised message");
    assert_eq!(info.height, number + 1);
    let ask = |function: &'static [u8], arg: Vec<u8>| {
        let client = client.clone();
        async move { client.evaluate("qscc", &[function, CHANNEL.as_bytes(), &arg]).await }
    };
    let by_number = ask(b"GetBlockByNumber", number.to_string().into_bytes()).await.expect("there");
    let by_hash = ask(b"GetBlockByHash", info.current_block_hash.to_vec()).await.expect("there");
    let by_tx = ask(b"GetBlockByTxID", tx_id.clone().into_bytes()).await.expect("there");
    assert_eq!(by_number, by_hash);
    assert_eq!(by_number, by_tx);
    assert_eq!(block::number(&Block::decode(by_number).expect("a block")), number);
    let transaction = ask(b"GetTransactionByID", tx_id.into_bytes()).await.expect("there");
    let transaction = ProcessedTransaction::decode(transaction).expect("the promised message");
    assert_eq!(transaction.validation_code, TxValidationCode::Valid as i32);

    for (args, text) in [
        (vec![&b"GetChainInfo"[..]], "Incorrect number of arguments, 1"),
        (vec![b"GetBlockByNumber", care], "missing 3rd argument for GetBlockByNumber"),
        (vec![b"GetBlockByNumber", care, b"x"], "Failed to parse block number with error"),
        (vec![b"GetBlockByNumber", care, b"99"], "Failed to get block number 99, error"),
        (
            vec![b"GetTransactionByID", care, b"none"],
            "Failed to get transaction with id none, error",
        ),
        (vec![b"GetChainInfo", b"elsewhere"], "Invalid chain ID, elsewhere"),
        (
            vec![b"Nonsense", care, b"x"],
            "access denied for [Nonsense][care]: [Unmapped policy for qscc/Nonsense]",
        ),
    ] {
        let answer = client.evaluate("qscc", &args).await.expect_err(text);
        assert!(answer.message().contains(text), "{text}: {answer:?}");
    }
}

#[tokio::test]
async fn channels_are_joined_by_admins_and_listed_for_members() {
    let mut world = World::without_peers(&["AMSP"]).await;
    let config = world.peer_config(0);
    let handle = carecord_peer::Peer::start(config.clone()).await.expect("it starts");
    world.peers.push(crate::world::Node::of(handle, config));
    let (admin, client) = (world.admin(0, 0), world.client(0, 0));
    let genesis = world.genesis.encode_to_vec();
    let join: [&[u8]; 2] = [b"JoinChain", &genesis];
    let denied = peer_call(&client, "cscc", &join).await;
    assert_eq!(denied.status, 500, "{denied:?}");
    assert_eq!(peer_call(&client, "cscc", &[b"GetChannels"]).await.payload, "");
    let joined = peer_call(&admin, "cscc", &join).await;
    assert_eq!((joined.status, joined.message.as_str()), (200, ""));
    let again = peer_call(&admin, "cscc", &join).await;
    assert_eq!((again.status, again.message.as_str()), (500, "ledger [care] already exists"));
    let garbage = peer_call(&admin, "cscc", &[b"JoinChain", b"\xff"]).await;
    assert!(
        garbage.message.starts_with("Failed to reconstruct the genesis block, "),
        "{garbage:?}"
    );
    let list = peer_call(&client, "cscc", &[b"GetChannels"]).await;
    let list = ChannelQueryResponse::decode(list.payload).expect("the promised message");
    assert_eq!(list.channels[0].channel_id, CHANNEL);

    let block = peer_call(&client, "cscc", &[b"GetConfigBlock", b"care"]).await;
    let block = Block::decode(block.payload).expect("a block");
    assert_eq!(block::number(&block), 0);
    let config = peer_call(&client, "cscc", &[b"GetChannelConfig", b"care"]).await;
    let config = Config::decode(config.payload).expect("a configuration");
    assert!(config.channel_group.expect("there").groups.contains_key("Application"));
}

#[tokio::test]
async fn chaincode_calls_chaincode_on_the_same_channel() {
    let world = World::new(&["AMSP"]).await;
    world.deploy("mischief", "OR('AMSP.peer')").await;
    world.deploy("other", "OR('AMSP.peer')").await;
    let client = world.client(0, 0);
    let put: [&[u8]; 6] = [b"call", b"other", b"", b"put", b"k", b"v"];
    let code = client.transact("mischief", &put, &[]).await.expect("committed");
    assert_eq!(code, TxValidationCode::Valid);
    assert_eq!(client.evaluate("other", &[b"get", b"k"]).await.expect("answered"), "v");
    assert_eq!(client.evaluate("mischief", &[b"get", b"k"]).await.expect("answered"), "");
    let get: [&[u8]; 5] = [b"call", b"other:1.0/care", b"", b"get", b"k"];
    assert_eq!(client.evaluate("mischief", &get).await.expect("answered"), "v");
    let nowhere: [&[u8]; 5] = [b"call", b"other", b"elsewhere", b"get", b"k"];
    let answer = client.evaluate("mischief", &nowhere).await.expect_err("no such channel");
    let text = "failed to find ledger for channel: elsewhere";
    assert!(answer.message().ends_with(text), "{answer:?}");
}

#[tokio::test]
async fn a_range_gives_keys_in_order() {
    let world = World::new(&["AMSP"]).await;
    world.deploy("mischief", "OR('AMSP.peer')").await;
    let client = world.client(0, 0);
    for key in ["c", "a", "d", "b"] {
        let args: [&[u8]; 3] = [b"put", key.as_bytes(), b"v"];
        client.transact("mischief", &args, &[]).await.expect("committed");
    }
    let all = client.evaluate("mischief", &[b"range", b"a", b"z"]).await.expect("answered");
    assert_eq!(all, "a,b,c");
    let some = client.evaluate("mischief", &[b"range", b"b", b"d"]).await.expect("answered");
    assert_eq!(some, "b,c");
}

#[tokio::test]
async fn a_range_of_too_many_bytes_is_refused_and_asked_of_no_other_peer() {
    let mut world = World::new(&["AMSP", "BMSP"]).await;
    // A peer that knows the others.
    world.add_peer(0, |config| config.timeouts.endorsement = Duration::from_millis(500)).await;
    world.deploy("mischief", "OR('AMSP.peer')").await;
    let writer = world.client(0, 0);
    for key in [b"a", b"b", b"c"] {
        writer.transact("mischief", &[b"put large", key], &[]).await.expect("committed");
    }
    world.all_caught_up().await;
    let client = world.client(0, 2);
    let asked = |peer: usize| {
        world.peers[peer].config.metrics.registry.value("endorser_proposals_received")
    };
    let before = [asked(0), asked(1)];
    let two = client.evaluate("mischief", &[b"range", b"a", b"c"]).await.expect("6 MiB are given");
    assert_eq!(two, "a,b");
    let answer = client.evaluate("mischief", &[b"range", b"a", b"d"]).await.expect_err("9 MiB");
    assert_eq!(answer.code(), Code::Unknown);
    assert!(answer.message().contains("a query may give 8388608 bytes"), "{answer:?}");
    assert!(answer.message().contains("page by page"), "{answer:?}");
    // Nor is a call that takes too long.
    let answer = client.evaluate("mischief", &[b"linger"]).await.expect_err("too slow");
    assert!(answer.message().contains("DeadlineExceeded"), "{answer:?}");
    assert_eq!([asked(0), asked(1)], before);
}

#[tokio::test]
async fn what_the_peer_does_is_counted() {
    let world = World::new(&["AMSP"]).await;
    world.deploy("mischief", "OR('AMSP.peer')").await;
    let client = world.client(0, 0);
    client.transact("mischief", &[b"put", b"k", b"v"], &[]).await.expect("committed");
    let registry = &world.peers[0].config.metrics.registry;
    for (series, expected) in [
        ("ledger_blockchain_height{channel=\"care\"}", 4.0),
        ("endorser_proposals_received", 3.0),
        ("endorser_successful_proposals", 3.0),
        (
            "ledger_transaction_count{chaincode=\"mischief:1.0\",channel=\"care\",transaction_type=\"ENDORSER_TRANSACTION\",validation_code=\"VALID\"}",
            1.0,
        ),
        (
            "chaincode_shim_requests_received{chaincode=\"mischief:1.0\",channel=\"care\",type=\"PUT_STATE\"}",
            1.0,
        ),
        (
            "endorser_proposal_duration_count{chaincode=\"mischief\",channel=\"care\",success=\"true\"}",
            1.0,
        ),
        (
            "grpc_server_unary_requests_completed{code=\"OK\",method=\"Submit\",service=\"gateway_Gateway\"}",
            3.0,
        ),
    ] {
        assert_eq!(registry.value(series), Some(expected), "{series}");
    }
}
