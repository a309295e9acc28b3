//! Deliver: blocks and filtered blocks, and rows D1 to D6 of the bad inputs.

use std::time::Duration;

use bytes::Bytes;
use carecord_ca::Validity;
use carecord_comm::{ClientAuth, ClientTls, Endpoint, dial, protos::deliver_client::DeliverClient};
use carecord_proto::block;
use carecord_proto::common::{Envelope, Status};
use carecord_proto::envelope::{SeekHeader, seek_payload};
use carecord_proto::orderer::{
    SeekInfo, SeekNewest, SeekOldest, SeekPosition, SeekSpecified, seek_info::SeekBehavior,
    seek_position,
};
use carecord_proto::protos::{DeliverResponse, TxValidationCode, deliver_response::Type};
use prost_types::Timestamp;
use tokio_stream::StreamExt;
use tonic::Streaming;

use crate::client::Client;
use crate::world::{CHANNEL, World, now, with_tls};

pub(crate) fn at(number: u64) -> Option<SeekPosition> {
    Some(SeekPosition { r#type: Some(seek_position::Type::Specified(SeekSpecified { number })) })
}

pub(crate) fn newest() -> Option<SeekPosition> {
    Some(SeekPosition { r#type: Some(seek_position::Type::Newest(SeekNewest {})) })
}

fn oldest() -> Option<SeekPosition> {
    Some(SeekPosition { r#type: Some(seek_position::Type::Oldest(SeekOldest {})) })
}

pub(crate) fn seek(start: Option<SeekPosition>, stop: Option<SeekPosition>) -> SeekInfo {
    SeekInfo { start, stop, ..SeekInfo::default() }
}

pub(crate) fn header(client: &Client) -> SeekHeader {
    SeekHeader {
        channel_id: CHANNEL.to_owned(),
        creator: client.signer.serialized(),
        timestamp: Timestamp { seconds: now(), nanos: 0 },
        ..SeekHeader::default()
    }
}

pub(crate) fn signed(client: &Client, header: SeekHeader, seek: &SeekInfo) -> Envelope {
    let payload = seek_payload(header, seek);
    let signature = client.signer.sign(&payload).expect("it can sign").into();
    Envelope { payload, signature }
}

async fn open(client: &Client, envelopes: Vec<Envelope>) -> Streaming<DeliverResponse> {
    let request = tokio_stream::iter(envelopes).chain(tokio_stream::pending());
    client.deliver().deliver(request).await.expect("a stream").into_inner()
}

pub(crate) async fn next(stream: &mut Streaming<DeliverResponse>) -> Type {
    let message = tokio::time::timeout(Duration::from_secs(5), stream.message()).await;
    let message = message.expect("in time").expect("no error").expect("not the end");
    message.r#type.expect("never empty")
}

/// The status that a refused request gets; the stream then ends.
pub(crate) async fn refusal(client: &Client, envelope: Envelope) -> Status {
    let mut stream = open(client, vec![envelope]).await;
    let Type::Status(status) = next(&mut stream).await else { panic!("a block") };
    let end = tokio::time::timeout(Duration::from_secs(5), stream.message()).await;
    assert!(end.expect("in time").expect("no error").is_none(), "the stream ends");
    Status::try_from(status).expect("a known status")
}

#[tokio::test]
async fn blocks_come_in_order_and_the_stream_takes_another_request() {
    let world = World::new(&["AMSP"]).await;
    world.deploy("mischief", "OR('AMSP.peer')").await;
    let client = world.client(0, 0);
    let envelope = |seek: SeekInfo| signed(&client, header(&client), &seek);
    let requests = vec![envelope(seek(oldest(), at(1))), envelope(seek(newest(), newest()))];
    let mut stream = open(&client, requests).await;
    for number in [0, 1] {
        let Type::Block(block) = next(&mut stream).await else { panic!("no block") };
        assert_eq!(block::number(&block), number);
        assert_eq!(block::flags(&block), [0], "validated");
    }
    assert_eq!(next(&mut stream).await, Type::Status(Status::Success as i32));
    let Type::Block(block) = next(&mut stream).await else { panic!("no block") };
    assert_eq!(block::number(&block), 2);
    assert_eq!(next(&mut stream).await, Type::Status(Status::Success as i32));

    // 2^53 - 1 is how the Node SDK says "for ever".
    let mut stream = open(&client, vec![envelope(seek(at(3), at((1 << 53) - 1)))]).await;
    let (code, _, number) =
        client.transact_in_full("mischief", &[b"put", b"k", b"v"], &[]).await.expect("committed");
    assert_eq!(code, TxValidationCode::Valid);
    let Type::Block(block) = next(&mut stream).await else { panic!("no block") };
    assert_eq!(block::number(&block), number);
}

#[tokio::test]
async fn a_block_damaged_on_the_disk_ends_the_request_with_a_status_and_the_cause() {
    const MARK: &[u8] = b"these-bytes-will-be-damaged-on-the-disk";
    let mut world = World::new(&["AMSP"]).await;
    world.deploy("mischief", "OR('AMSP.peer')").await;
    let client = world.client(0, 0);
    let (_, _, number) =
        client.transact_in_full("mischief", &[b"put", b"k", MARK], &[]).await.expect("committed");
    // The last blocks are in memory; a peer that starts again has none there, and checks its log only then.
    client.transact("mischief", &[b"put", b"k", b"v"], &[]).await.expect("committed");
    world.peers[0].stop().await;
    world.peers[0].start().await;
    assert_eq!(damage(&world.peers[0].config.data_dir, MARK), 1);
    let client = world.client(0, 0);

    let mut stream =
        open(&client, vec![signed(&client, header(&client), &seek(oldest(), at(number + 1)))])
            .await;
    for _ in 0..number {
        let Type::Block(_) = next(&mut stream).await else { panic!("no block") };
    }
    assert_eq!(next(&mut stream).await, Type::Status(Status::ServiceUnavailable as i32));
    let cause = carecord_comm::cause_of_end(&mut stream).await;
    assert_eq!(cause, Some(format!("block {number} cannot be read from this node's block log")));
    let completed = &world.peer(0).config().metrics.deliver.requests_completed;
    assert_eq!(completed.with_label_values(&[CHANNEL, "false", "block", "false"]).get(), 1);
}

/// Flips a bit of `mark` in the block log below a folder; in how many files that was.
fn damage(folder: &std::path::Path, mark: &[u8]) -> usize {
    use std::os::unix::fs::FileExt;
    let mut found = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found += damage(&path, mark);
            continue;
        }
        let bytes = std::fs::read(&path).expect("a file");
        let is_log = path.parent().is_some_and(|folder| folder.ends_with("blocks"));
        let at = bytes.windows(mark.len()).position(|window| window == mark);
        if let Some(at) = at.filter(|_| is_log) {
            let file = std::fs::OpenOptions::new().write(true).open(&path).expect("a file");
            file.write_all_at(&[mark[0] ^ 1], at as u64).expect("written");
            found += 1;
        }
    }
    found
}

#[tokio::test]
async fn filtered_blocks_tell_ids_codes_and_event_names_only() {
    let world = World::new(&["AMSP"]).await;
    world.deploy("mischief", "OR('AMSP.peer')").await;
    let client = world.client(0, 0);
    let (_, tx_id, number) = client
        .transact_in_full("mischief", &[b"event", b"happened", b"secret"], &[])
        .await
        .expect("committed");
    let request = signed(&client, header(&client), &seek(at(0), at(number)));
    let request = tokio_stream::once(request).chain(tokio_stream::pending());
    let mut stream = client.deliver().deliver_filtered(request).await.expect("ok").into_inner();
    let Type::FilteredBlock(genesis) = next(&mut stream).await else { panic!("no block") };
    assert_eq!(genesis.channel_id, CHANNEL);
    assert_eq!(genesis.filtered_transactions[0].data, None, "a configuration has no actions");
    let mut last = genesis;
    while last.number < number {
        let Type::FilteredBlock(block) = next(&mut stream).await else { panic!("no block") };
        last = block;
    }
    let transaction = &last.filtered_transactions[0];
    assert_eq!(transaction.txid, tx_id);
    assert_eq!(transaction.tx_validation_code, TxValidationCode::Valid as i32);
    let Some(carecord_proto::protos::filtered_transaction::Data::TransactionActions(actions)) =
        &transaction.data
    else {
        panic!("no actions")
    };
    let event = actions.chaincode_actions[0].chaincode_event.as_ref().expect("an event");
    assert_eq!((event.event_name.as_str(), event.payload.len()), ("happened", 0));
}

#[tokio::test]
async fn d1_a_request_without_its_time_is_bad() {
    let world = World::new(&["AMSP"]).await;
    let client = world.client(0, 0);
    let all = seek(oldest(), newest());
    let empty = Envelope::default();
    assert_eq!(refusal(&client, empty).await, Status::BadRequest);
    let garbage = Envelope { payload: Bytes::from_static(b"\xff"), signature: Bytes::new() };
    assert_eq!(refusal(&client, garbage).await, Status::BadRequest);
    for seconds in [0, now() - 960, now() + 960] {
        let timestamp = Timestamp { seconds, nanos: 0 };
        let late = SeekHeader { timestamp, ..header(&client) };
        assert_eq!(refusal(&client, signed(&client, late, &all)).await, Status::BadRequest);
    }
}

#[tokio::test]
async fn d2_under_mutual_tls_a_request_is_bound_to_its_connection() {
    let mut world = World::without_peers(&["AMSP"]).await;
    let mut config = world.peer_config(0);
    with_tls(&world, 0, &mut config, ClientAuth::Require);
    let (identity, root) = (world.orgs[0].tls_identity(), world.orgs[0].tls_root());
    let tls = config.tls.clone();
    world.add_peer(0, |config| config.tls = tls).await;
    let client = world.client(0, 0);
    let tls = ClientTls::new(&[root], Some(identity)).expect("TLS");
    let hash = tls.certificate_hash().expect("it has a certificate");
    let endpoint = Endpoint {
        address: world.peers[0].config.address.clone(),
        tls: Some(tls),
        server_name: Some("localhost".to_owned()),
    };
    let client = Client { channel: dial(&endpoint).expect("good"), ..client };
    let bound = |tls_cert_hash: Bytes| {
        let header = SeekHeader { tls_cert_hash, ..header(&client) };
        signed(&client, header, &seek(oldest(), oldest()))
    };
    assert_eq!(refusal(&client, bound(Bytes::new())).await, Status::BadRequest);
    assert_eq!(refusal(&client, bound(Bytes::from_static(&[7; 32]))).await, Status::BadRequest);
    let mut stream = open(&client, vec![bound(Bytes::copy_from_slice(&hash))]).await;
    assert!(matches!(next(&mut stream).await, Type::Block(_)));
    // Without a certificate there is no connection at all.
    let anonymous = ClientTls::new(&[world.orgs[0].tls_root()], None).expect("TLS");
    let endpoint = Endpoint { tls: Some(anonymous), ..endpoint };
    let mut nobody = DeliverClient::new(dial(&endpoint).expect("good"));
    assert!(nobody.deliver(tokio_stream::pending()).await.is_err());
}

#[tokio::test]
async fn d3_positions_must_make_sense() {
    let world = World::new(&["AMSP"]).await;
    let client = world.client(0, 0);
    let elsewhere = SeekHeader { channel_id: "elsewhere".to_owned(), ..header(&client) };
    let envelope = signed(&client, elsewhere, &seek(oldest(), newest()));
    assert_eq!(refusal(&client, envelope).await, Status::NotFound);
    world.solo.order(vec![Envelope { payload: "x".into(), signature: "y".into() }]);
    world.caught_up(0).await;
    for (seek, status) in [
        (seek(None, newest()), Status::BadRequest),
        (seek(oldest(), None), Status::BadRequest),
        (seek(at(1), at(0)), Status::BadRequest),
        (seek(at(9), at(1)), Status::NotFound),
        (seek(Some(SeekPosition::default()), newest()), Status::NotFound),
    ] {
        let envelope = signed(&client, header(&client), &seek);
        assert_eq!(refusal(&client, envelope).await, status, "{seek:?}");
    }
}

#[tokio::test]
async fn d4_an_identity_that_has_expired_gets_no_block() {
    let world = World::new(&["AMSP"]).await;
    let past = Validity { not_before: now() - 100, not_after: now() - 10 };
    let client = world.client_as(world.orgs[0].person(false, past), 0);
    let envelope = signed(&client, header(&client), &seek(oldest(), newest()));
    assert_eq!(refusal(&client, envelope).await, Status::Forbidden);
    // One that expires on the way loses the stream at the next block.
    let soon = Validity { not_before: now() - 100, not_after: now() + 1 };
    let client = world.client_as(world.orgs[0].person(false, soon), 0);
    let envelope = signed(&client, header(&client), &seek(oldest(), at(u64::MAX)));
    let mut stream = open(&client, vec![envelope]).await;
    assert!(matches!(next(&mut stream).await, Type::Block(_)));
    tokio::time::sleep(Duration::from_millis(2100)).await;
    world.solo.order(vec![Envelope { payload: "x".into(), signature: "y".into() }]);
    assert_eq!(next(&mut stream).await, Type::Status(Status::Forbidden as i32));
}

#[tokio::test]
async fn d5_who_will_not_wait_is_told_that_there_is_nothing() {
    let world = World::new(&["AMSP"]).await;
    let client = world.client(0, 0);
    let seek = SeekInfo { behavior: SeekBehavior::FailIfNotReady as i32, ..seek(at(1), at(5)) };
    let envelope = signed(&client, header(&client), &seek);
    assert_eq!(refusal(&client, envelope).await, Status::NotFound);
}

#[tokio::test]
async fn d6_only_readers_get_blocks() {
    let world = World::new(&["AMSP"]).await;
    let outsider = world.client_as(world.orderer_member(), 0);
    let all = seek(oldest(), newest());
    let envelope = signed(&outsider, header(&outsider), &all);
    assert_eq!(refusal(&outsider, envelope).await, Status::Forbidden);
    let client = world.client(0, 0);
    let mut forged = signed(&client, header(&client), &all);
    forged.signature = client.signer.sign(b"something else").expect("it can sign").into();
    assert_eq!(refusal(&client, forged).await, Status::Forbidden);
}

#[tokio::test]
async fn streams_that_nobody_reads_hold_up_no_other_client_and_go_on_when_they_are_read() {
    const LARGE: u64 = 3;
    let world = World::new(&["AMSP"]).await;
    for _ in 0..LARGE {
        let payload = Bytes::from(vec![7; 3 << 20]);
        world.solo.order(vec![Envelope { payload, signature: "y".into() }]);
    }
    world.caught_up(0).await;
    let idle = world.client(0, 0);
    let mut streams = Vec::new();
    for _ in 0..12 {
        let envelope = signed(&idle, header(&idle), &seek(oldest(), at(LARGE)));
        streams.push(open(&idle, vec![envelope]).await);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let reader = world.client(0, 0);
    let envelope = signed(&reader, header(&reader), &seek(oldest(), at(LARGE)));
    read_to(LARGE, open(&reader, vec![envelope]).await).await;
    let reading = streams.into_iter().map(|stream| tokio::spawn(read_to(LARGE, stream)));
    for stream in reading.collect::<Vec<_>>() {
        stream.await.expect("every block came");
    }
}

async fn read_to(last: u64, mut stream: Streaming<DeliverResponse>) {
    for number in 0..=last {
        let Type::Block(block) = next(&mut stream).await else { panic!("no block") };
        assert_eq!(block::number(&block), number);
    }
    assert_eq!(next(&mut stream).await, Type::Status(Status::Success as i32));
}
