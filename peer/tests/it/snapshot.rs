//! Snapshots over the wire: who may ask, what is made, and a peer that begins with one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use carecord_comm::protos::snapshot_client::SnapshotClient;
use carecord_ledger::{Snapshot, snapshot};
use carecord_proto::common::{SignatureHeader, Status as DeliverStatus};
use carecord_proto::protos::{
    JoinBySnapshotStatus, SignedSnapshotRequest, SnapshotQuery, SnapshotRequest, TxValidationCode,
};
use prost::Message;
use tonic::{Code, Status};

use crate::client::Client;
use crate::deliver::{at, header, newest, refusal, seek, signed};
use crate::system::peer_call;
use crate::world::{CHANNEL, Node, World};

fn request(client: &Client, channel: &str, block: u64) -> SignedSnapshotRequest {
    let creator = client.signer.serialized();
    let signature_header = Some(SignatureHeader { creator, nonce: Bytes::from_static(b"n") });
    let request =
        SnapshotRequest { signature_header, channel_id: channel.to_owned(), block_number: block };
    sealed(client, request.encode_to_vec())
}

fn sealed(client: &Client, request: Vec<u8>) -> SignedSnapshotRequest {
    let signature = client.signer.sign(&request).expect("it can sign").into();
    SignedSnapshotRequest { request: request.into(), signature }
}

async fn generate(client: &Client, block: u64) -> Result<(), Status> {
    let request = request(client, CHANNEL, block);
    SnapshotClient::new(client.channel.clone()).generate(request).await.map(|_| ())
}

async fn cancel(client: &Client, block: u64) -> Result<(), Status> {
    let request = request(client, CHANNEL, block);
    SnapshotClient::new(client.channel.clone()).cancel(request).await.map(|_| ())
}

async fn pending(client: &Client) -> Vec<u64> {
    let creator = client.signer.serialized();
    let signature_header = Some(SignatureHeader { creator, nonce: Bytes::from_static(b"n") });
    let query = SnapshotQuery { signature_header, channel_id: CHANNEL.to_owned() };
    let query = sealed(client, query.encode_to_vec());
    let answer = SnapshotClient::new(client.channel.clone()).query_pendings(query).await;
    answer.expect("answered").into_inner().block_numbers
}

fn folder(node: &Node, block: u64) -> PathBuf {
    node.config.data_dir.join("snapshots/completed").join(CHANNEL).join(block.to_string())
}

async fn made(client: &Client, path: &Path) -> Snapshot {
    for _ in 0..100 {
        if path.exists() && pending(client).await.is_empty() {
            return snapshot::verify(path).expect("whole");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no snapshot at {}", path.display());
}

async fn put(client: &Client, key: &str) -> u64 {
    let args: [&[u8]; 3] = [b"put", key.as_bytes(), b"v"];
    let done = client.transact_in_full("mischief", &args, &[]).await.expect("committed");
    assert_eq!(done.0, TxValidationCode::Valid);
    done.2
}

#[tokio::test]
async fn snapshots_are_for_admins_and_come_with_their_block() {
    let mut world = World::new(&["AMSP"]).await;
    world.deploy("mischief", "OR('AMSP.peer')").await;
    let (admin, client) = (world.admin(0, 0), world.client(0, 0));
    let refused = generate(&client, 0).await.expect_err("not an admin");
    let text = "during channelless check policy with policy [Admins]";
    assert!(refused.message().contains(text), "{refused:?}");
    assert_eq!(refused.code(), Code::Unknown);
    let mut service = SnapshotClient::new(admin.channel.clone());
    let unsigned = sealed(&admin, SnapshotRequest::default().encode_to_vec());
    let garbage =
        SignedSnapshotRequest { request: b"\xff".as_slice().into(), ..request(&admin, CHANNEL, 0) };
    let mut forged = request(&admin, CHANNEL, 0);
    forged.signature = request(&admin, CHANNEL, 1).signature;
    for (request, text) in [
        (unsigned, "missing signature header"),
        (garbage, "failed to unmarshal snapshot request"),
        (forged, "Failed verifying the signature during channelless check policy"),
        (request(&admin, "", 0), "missing channel ID"),
        (request(&admin, "elsewhere", 0), "cannot find ledger for channel elsewhere"),
    ] {
        let refused = service.generate(request).await.expect_err(text);
        assert!(refused.message().contains(text), "{text}: {refused:?}");
    }

    let last = put(&client, "a").await;
    generate(&admin, 0).await.expect("taken");
    let first = made(&admin, &folder(&world.peers[0], last)).await;
    assert_eq!((first.channel.as_str(), first.block), (CHANNEL, last));
    let again = generate(&admin, last).await.expect_err("there");
    assert_eq!(again.message(), format!("snapshot already generated for block number {last}"));
    let past = generate(&admin, 1).await.expect_err("past");
    let text = format!(
        "requested snapshot for block number 1 cannot be less than the last committed block number {last}"
    );
    assert_eq!(past.message(), text);

    for block in [last + 1, last + 3] {
        generate(&admin, block).await.expect("noted");
    }
    assert_eq!(pending(&admin).await, [last + 1, last + 3]);
    let twice = generate(&admin, last + 3).await.expect_err("twice");
    assert_eq!(
        twice.message(),
        format!("duplicate snapshot request for block number {}", last + 3)
    );
    cancel(&admin, last + 1).await.expect("cancelled");
    let gone = cancel(&admin, last + 1).await.expect_err("gone");
    assert_eq!(gone.message(), format!("no snapshot request exists for block number {}", last + 1));
    put(&client, "b").await;
    // The request is remembered by a peer that was away.
    world.peers[0].stop().await;
    world.peers[0].start().await;
    assert_eq!(pending(&admin).await, [last + 3]);
    put(&client, "c").await;
    put(&client, "d").await;
    let later = made(&admin, &folder(&world.peers[0], last + 3)).await;
    assert_eq!(later.block, last + 3);
    assert!(!folder(&world.peers[0], last + 1).exists());
}

#[tokio::test]
async fn a_peer_that_begins_with_a_snapshot_is_like_the_others_from_then_on() {
    let mut world = World::new(&["AMSP", "BMSP"]).await;
    world.deploy("mischief", "OR('AMSP.peer')").await;
    let (client, admins) = (world.client(0, 0), [world.admin(0, 0), world.admin(1, 1)]);
    let (old, old_id) = client.propose("mischief", &[b"put", b"old", b"v"]);
    let prepared = client.endorse(old.clone(), &[]).await.expect("endorsed");
    client.submit(client.sign(prepared)).await.expect("ordered");
    client.commit_status(&old_id).await.expect("committed");
    let wanted = put(&client, "a").await + 2;
    for admin in &admins {
        generate(admin, wanted).await.expect("noted");
    }
    put(&client, "b").await;
    put(&client, "c").await;
    world.all_caught_up().await;
    let one = made(&admins[0], &folder(&world.peers[0], wanted)).await;
    let other = made(&admins[1], &folder(&world.peers[1], wanted)).await;
    assert_eq!(one, other, "two peers, one block, one hash");

    let config = world.peer_config(0);
    let handle = carecord_peer::Peer::start(config.clone()).await.expect("it starts");
    world.peers.push(Node::of(handle, config));
    let (joiner, reader) = (world.admin(0, 2), world.client(0, 2));
    let from = folder(&world.peers[1], wanted).display().to_string();
    let join: [&[u8]; 2] = [b"JoinChainBySnapshot", from.as_bytes()];
    assert_eq!(peer_call(&reader, "cscc", &join).await.status, 500, "admins alone");
    let nowhere = peer_call(&joiner, "cscc", &[b"JoinChainBySnapshot", b"/nowhere"]).await;
    assert!(nowhere.message.contains("/nowhere"), "{nowhere:?}");
    assert_eq!(peer_call(&joiner, "cscc", &join).await.status, 200);
    for _ in 0..100 {
        let status = peer_call(&joiner, "cscc", &[b"JoinBySnapshotStatus"]).await;
        assert_eq!(status.status, 200, "{status:?}");
        if !JoinBySnapshotStatus::decode(status.payload).expect("a status").in_progress {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let again = peer_call(&joiner, "cscc", &join).await;
    assert_eq!(again.message, "ledger [care] already exists");

    let next = put(&client, "d").await;
    assert_eq!(next, wanted + 1);
    world.all_caught_up().await;
    let hash =
        |peer: usize| world.peer(peer).channel(CHANNEL).expect("joined").ledger().commit_hash();
    assert_eq!(hash(2), hash(0));
    for key in ["old", "a", "d"] {
        let value = reader.evaluate("mischief", &[b"get", key.as_bytes()]).await.expect("there");
        assert_eq!(value, "v", "{key}");
    }
    let twice = reader.process(old).await.expect_err("spent before");
    assert!(twice.message().contains("duplicate transaction found"), "{twice:?}");

    let older = |number| signed(&reader, header(&reader), &seek(at(number), newest()));
    for number in [0, wanted] {
        assert_eq!(refusal(&reader, older(number)).await, DeliverStatus::NotFound, "{number}");
    }
    let text = format!("First available block = [{next}]");
    let number = wanted.to_string();
    let args: [&[u8]; 3] = [b"GetBlockByNumber", CHANNEL.as_bytes(), number.as_bytes()];
    let refused = reader.evaluate("qscc", &args).await.expect_err("before");
    assert!(refused.message().contains(&text), "{refused:?}");
    let args: [&[u8]; 3] = [b"GetTransactionByID", CHANNEL.as_bytes(), old_id.as_bytes()];
    let refused = reader.evaluate("qscc", &args).await.expect_err("before");
    assert!(refused.message().contains("Ledger bootstrapped from a snapshot"), "{refused:?}");

    world.peers[2].stop().await;
    world.peers[2].start().await;
    put(&client, "e").await;
    world.all_caught_up().await;
    let hash =
        |peer: usize| world.peer(peer).channel(CHANNEL).expect("joined").ledger().commit_hash();
    assert_eq!(hash(2), hash(0));
}
