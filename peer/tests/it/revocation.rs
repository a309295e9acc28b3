//! Rows F30 and D4: whoever a configuration block shuts out loses every open stream with it, and gets nothing after it.

use std::time::Duration;

use bytes::Bytes;
use carecord_ca::Validity;
use carecord_channel::config::compute;
use carecord_proto::common::{
    ConfigGroup, ConfigSignature, ConfigUpdateEnvelope, Envelope, HeaderType, Status as Delivered,
};
use carecord_proto::gateway::{ChaincodeEventsRequest, ChaincodeEventsResponse};
use carecord_proto::msp::{FabricMspConfig, MspConfig};
use carecord_proto::orderer::{SeekInfo, SeekPosition, SeekSpecified, seek_position};
use carecord_proto::protos::{DeliverResponse, deliver_response::Type};
use prost::Message;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;
use tonic::{Code, Status, Streaming};

use crate::client::Client;
use crate::deliver::{header, signed};
use crate::world::{CHANNEL, World, now};

const PATIENCE: Duration = Duration::from_secs(10);
/// No transaction has it.
const NEVER: &str = "00000000000000000000000000000000000000000000000000000000000000aa";

/// Everything at a peer that stays open.
struct Open {
    delivers: Vec<Streaming<DeliverResponse>>,
    events: Streaming<ChaincodeEventsResponse>,
    waiting: JoinHandle<Result<(), Status>>,
}

impl Open {
    /// Opens it all from the next block on.
    async fn by(client: &Client, height: u64) -> Self {
        let envelope = seek(client, height);
        let request = || tokio_stream::once(envelope.clone()).chain(tokio_stream::pending());
        let mut deliver = client.deliver();
        let delivers = vec![
            deliver.deliver(request()).await.expect("opened").into_inner(),
            deliver.deliver_filtered(request()).await.expect("opened").into_inner(),
            deliver.deliver_with_private_data(request()).await.expect("opened").into_inner(),
        ];
        let events = client.gateway().chaincode_events(events(client)).await.expect("opened");
        let (signer, channel) = (client.signer.clone(), client.channel.clone());
        let waiting = tokio::spawn(async move {
            Client { signer, channel }.commit_status(NEVER).await.map(|_| ())
        });
        Self { delivers, events: events.into_inner(), waiting }
    }

    /// All of it ends with a refusal, and nothing else comes before.
    async fn all_refused(mut self, what: &str) {
        for stream in &mut self.delivers {
            assert_eq!(next(stream).await, Type::Status(Delivered::Forbidden as i32), "{what}");
            assert!(stream.message().await.expect("no error").is_none(), "{what}: the stream ends");
        }
        let end = tokio::time::timeout(PATIENCE, self.events.message()).await.expect("in time");
        assert_eq!(end.expect_err("refused").code(), Code::PermissionDenied, "{what}");
        let end = tokio::time::timeout(PATIENCE, self.waiting).await.expect("in time");
        let end = end.expect("it ran").expect_err("refused");
        assert_eq!(end.code(), Code::PermissionDenied, "{what}: {end}");
    }

    /// All of it is still there: the next block comes, and the wait goes on.
    async fn all_served(mut self) {
        for stream in &mut self.delivers {
            let message = next(stream).await;
            assert!(!matches!(message, Type::Status(_)), "{message:?}");
        }
        let event = tokio::time::timeout(PATIENCE, self.events.message()).await.expect("in time");
        assert!(event.expect("no error").is_some());
        assert!(!self.waiting.is_finished());
        self.waiting.abort();
    }
}

fn seek(client: &Client, start: u64) -> Envelope {
    let at = |number| {
        let at = seek_position::Type::Specified(SeekSpecified { number });
        Some(SeekPosition { r#type: Some(at) })
    };
    let seek = SeekInfo { start: at(start), stop: at(u64::MAX), ..SeekInfo::default() };
    signed(client, header(client), &seek)
}

fn events(client: &Client) -> carecord_proto::gateway::SignedChaincodeEventsRequest {
    client.events_request(ChaincodeEventsRequest {
        channel_id: CHANNEL.to_owned(),
        chaincode_id: "mischief".to_owned(),
        ..ChaincodeEventsRequest::default()
    })
}

async fn next(stream: &mut Streaming<DeliverResponse>) -> Type {
    let message = tokio::time::timeout(PATIENCE, stream.message()).await.expect("in time");
    message.expect("no error").expect("not the end").r#type.expect("never empty")
}

/// Orders a configuration that `edit` leads to, with the consent of both administrators.
async fn configure(world: &World, edit: impl FnOnce(&mut ConfigGroup)) {
    let channel = world.peer(1).channel(CHANNEL).expect("joined");
    let bundle = channel.bundle();
    let mut edited = bundle.config().clone();
    edit(edited.channel_group.as_mut().expect("there"));
    let update = compute::update(CHANNEL, bundle.config(), &edited).expect("a change");
    let config_update = Bytes::from(update.encode_to_vec());
    let admins = [world.admin(0, 1), world.admin(1, 1)];
    let signatures = admins.iter().map(|admin| {
        let header = carecord_proto::common::SignatureHeader {
            creator: admin.signer.serialized(),
            nonce: Bytes::from_static(&[5; 24]),
        };
        let signature_header = Bytes::from(header.encode_to_vec());
        let bytes = [&signature_header[..], &config_update[..]].concat();
        let signature = admin.signer.sign(&bytes).expect("it can sign").into();
        ConfigSignature { signature_header, signature }
    });
    let signatures = signatures.collect();
    let update = ConfigUpdateEnvelope { config_update: config_update.clone(), signatures };
    let update = sealed(&admins[1], HeaderType::ConfigUpdate, update.encode_to_vec());
    let (config, _) = bundle.propose_update(&update).expect("allowed");
    let orderer = world.client_as(world.orderer_member(), 1);
    world.solo.order(vec![sealed(&orderer, HeaderType::Config, config.encode_to_vec())]);
    world.caught_up(1).await;
    assert!(channel.bundle().sequence() > bundle.sequence(), "it is in force");
}

fn sealed(by: &Client, kind: HeaderType, data: Vec<u8>) -> Envelope {
    let header = carecord_proto::common::ChannelHeader {
        r#type: kind as i32,
        channel_id: CHANNEL.to_owned(),
        timestamp: Some(prost_types::Timestamp { seconds: now(), nanos: 0 }),
        ..Default::default()
    };
    let creator = by.signer.serialized();
    let nonce = Bytes::from_static(&[6; 24]);
    let signature = carecord_proto::common::SignatureHeader { creator, nonce };
    let payload = carecord_proto::envelope::payload(&header, &signature, data.into());
    let signature = by.signer.sign(&payload).expect("it can sign").into();
    Envelope { payload, signature }
}

fn application(root: &mut ConfigGroup) -> &mut ConfigGroup {
    root.groups.get_mut("Application").expect("there")
}

/// Puts a revocation list of the organisation's CA into its MSP.
fn revoke(world: &World, revoked: &Client, root: &mut ConfigGroup) {
    let list = world.orgs[0].revocation_list(&revoked.signer);
    let value = application(root).groups.get_mut("AMSP").expect("there");
    let value = value.values.get_mut("MSP").expect("there");
    let mut msp = MspConfig::decode(value.value.clone()).expect("an MSP");
    let mut fabric = FabricMspConfig::decode(msp.config.clone()).expect("an MSP");
    fabric.revocation_list.push(list.into());
    msp.config = fabric.encode_to_vec().into();
    value.value = msp.encode_to_vec().into();
}

/// What the peer answers to a new request of each kind.
async fn new_requests(client: &Client) -> Vec<(&'static str, bool)> {
    let (proposal, _) = client.propose("mischief", &[b"put", b"k", b"v"]);
    let endorsed = client.endorse(proposal.clone(), &[]).await.is_ok();
    let processed = client.process(proposal).await;
    let processed = processed.is_ok_and(|answer| answer.response.is_some_and(|r| r.status == 200));
    let evaluated = client.evaluate("mischief", &[b"get", b"k"]).await.is_ok();
    let mut stream = client
        .deliver()
        .deliver(tokio_stream::once(seek(client, 0)).chain(tokio_stream::pending()))
        .await
        .expect("opened")
        .into_inner();
    let delivered = matches!(next(&mut stream).await, Type::Block(_));
    let heard = client.gateway().chaincode_events(events(client)).await.is_ok();
    let status = tokio::time::timeout(Duration::from_millis(300), client.commit_status(NEVER));
    // Who is entitled waits for ever.
    let waits = status.await.is_err();
    vec![
        ("endorse", endorsed),
        ("process proposal", processed),
        ("evaluate", evaluated),
        ("deliver", delivered),
        ("chaincode events", heard),
        ("commit status", waits),
    ]
}

async fn world() -> World {
    let world = World::new(&["AMSP", "BMSP"]).await;
    world.deploy("mischief", "OR('BMSP.peer')").await;
    world
}

fn height(world: &World) -> u64 {
    world.peer(1).channel(CHANNEL).expect("joined").ledger().height()
}

#[tokio::test]
async fn f30_a_revoked_identity_loses_every_stream_and_request_with_the_block_and_nobody_else_does()
{
    let world = world().await;
    let (revoked, spared) = (world.client(0, 1), world.client(0, 1));
    assert!(new_requests(&revoked).await.iter().all(|(_, served)| *served));
    let lost = Open::by(&revoked, height(&world)).await;
    let kept = Open::by(&spared, height(&world)).await;
    configure(&world, |root| revoke(&world, &revoked, root)).await;
    lost.all_refused("revoked").await;
    for (what, served) in new_requests(&revoked).await {
        assert!(!served, "{what}");
    }
    for (what, served) in new_requests(&spared).await {
        assert!(served, "{what}");
    }
    spared.transact("mischief", &[b"event", b"e", b"x"], &[]).await.expect("committed");
    kept.all_served().await;
}

#[tokio::test]
async fn f30_an_organisation_that_is_removed_loses_every_stream_and_request_with_the_block() {
    let world = world().await;
    let (removed, spared) = (world.client(0, 1), world.client(1, 1));
    let lost = Open::by(&removed, height(&world)).await;
    let kept = Open::by(&spared, height(&world)).await;
    configure(&world, |root| {
        application(root).groups.remove("AMSP");
    })
    .await;
    lost.all_refused("removed").await;
    for (what, served) in new_requests(&removed).await {
        assert!(!served, "{what}");
    }
    spared.transact("mischief", &[b"event", b"e", b"x"], &[]).await.expect("committed");
    kept.all_served().await;
}

#[tokio::test]
async fn d4_event_streams_end_at_the_next_block_after_their_certificate() {
    let world = world().await;
    let soon = Validity { not_before: now() - 100, not_after: now() + 2 };
    let client = world.client_as(world.orgs[0].person(false, soon), 1);
    let mut stream =
        client.gateway().chaincode_events(events(&client)).await.expect("ok").into_inner();
    tokio::time::sleep(Duration::from_millis(3100)).await;
    world.solo.order(vec![Envelope { payload: "x".into(), signature: "y".into() }]);
    let end = tokio::time::timeout(PATIENCE, stream.message()).await.expect("in time");
    let end = end.expect_err("refused");
    assert_eq!(end.code(), Code::PermissionDenied, "{end}");
    assert!(end.message().contains("expired"), "{end}");
    let again = client.gateway().chaincode_events(events(&client)).await.expect_err("refused");
    assert_eq!(again.code(), Code::PermissionDenied);
}
