//! Rows of the threat list over the wire that need raw bytes, time, or a cluster without a leader: O11, D4, D9.

use std::time::Duration;

use bytes::{BufMut, Bytes};
use carecord_ca::Validity;
use carecord_proto::common::{Envelope, Status};
use carecord_proto::envelope::{SeekHeader, canonical, seek_payload};
use carecord_proto::orderer::seek_info::SeekErrorResponse;
use carecord_proto::orderer::{
    BroadcastResponse, SeekInfo, SeekOldest, SeekPosition, SeekSpecified, deliver_response::Type,
    seek_position,
};
use carecord_proto::wellformed;
use prost::Message;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Request, Streaming};

use crate::harness::{CHANNEL, Cluster, Draft, now};

/// Sends bytes as they are, whatever they are.
#[derive(Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = tonic::Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), tonic::Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = tonic::Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, tonic::Status> {
        use bytes::Buf;
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// What an orderer answers to these bytes; `None` if it ends the stream with an error.
async fn broadcast(channel: Channel, bytes: Bytes) -> Option<BroadcastResponse> {
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.ok()?;
    let path = PathAndQuery::from_static("/orderer.AtomicBroadcast/Broadcast");
    let request = Request::new(tokio_stream::once(bytes));
    let mut answers: Streaming<Bytes> =
        client.streaming(request, path, Raw).await.ok()?.into_inner();
    let answer = answers.message().await.ok()??;
    Some(BroadcastResponse::decode(answer).expect("an answer"))
}

#[tokio::test]
async fn o11_no_form_of_an_envelope_gets_into_a_block_but_the_canonical_one() {
    let cluster = Cluster::start(1).await;
    let user = cluster.user();
    let sent = || Draft::default().signed_by(&user);
    let field = |number: u8, content: &Bytes| {
        let mut bytes = vec![number << 3 | 2];
        prost::encode_length_delimiter(content.len(), &mut bytes).expect("there is room");
        [&bytes[..], content].concat()
    };
    let canonical_of = |it: &Envelope| canonical(it.payload.clone(), it.signature.clone());
    let forms: [(&str, &dyn Fn(&Envelope) -> Vec<u8>); 6] = [
        ("canonical", &|it| canonical_of(it).to_vec()),
        ("reversed", &|it| [field(2, &it.signature), field(1, &it.payload)].concat()),
        ("doubled", &|it| [&canonical_of(it)[..], &field(2, &it.signature)].concat()),
        ("unknown field", &|it| [&canonical_of(it)[..], &field(3, &it.signature)].concat()),
        ("unsigned", &|it| field(1, &it.payload)),
        ("cut", &|it| canonical_of(it)[..20].to_vec()),
    ];
    let mut accepted = Vec::new();
    for (name, form) in forms {
        let envelope = sent();
        let before = cluster.height(0);
        let bytes = form(&envelope).into();
        match broadcast(cluster.client_channel(0), bytes).await {
            Some(answer) if answer.status() == Status::Success => {
                accepted.push((name, envelope));
            }
            Some(answer) => {
                assert_eq!(answer.status(), Status::BadRequest, "{name}: {}", answer.info);
                assert_eq!(cluster.height(0), before, "{name}");
            }
            None => assert_eq!(cluster.height(0), before, "{name}"),
        }
    }
    let names: Vec<_> = accepted.iter().map(|(name, _)| *name).collect();
    println!("ordered in their canonical form: {names:?}");
    assert!(names.contains(&"canonical") && !names.contains(&"unsigned"), "{names:?}");
    let blocks = read(&cluster, &seek(SeekErrorResponse::Strict, cluster.height(0) - 1)).await.0;
    for (name, envelope) in &accepted {
        let inside = |block: &&carecord_proto::common::Block| {
            block.data.as_ref().expect("there").data.contains(&canonical_of(envelope))
        };
        assert!(blocks.iter().any(|block| inside(&block)), "{name} is not there as it should be");
    }
    for block in &blocks[1..] {
        wellformed::check_block(block).expect("an honest orderer makes no other blocks");
    }
}

#[tokio::test]
async fn d4_who_expires_on_the_way_gets_no_further_block() {
    let cluster = Cluster::start(1).await;
    let user = cluster.user();
    let soon = Validity { not_before: now() - 100, not_after: now() + 1 };
    let brief = cluster.hospital.user(soon);
    let request = sealed_by(&brief, &seek(SeekErrorResponse::Strict, u64::MAX));
    let requests =
        tokio_stream::StreamExt::chain(tokio_stream::once(request), tokio_stream::pending());
    let mut stream = cluster.client(0).deliver(requests).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap().r#type.unwrap();
    assert!(matches!(first, Type::Block(_)));
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let answers = cluster.broadcast(0, vec![Draft::default().signed_by(&user)]).await;
    assert_eq!(answers[0].status(), Status::Success);
    let next = tokio::time::timeout(Duration::from_secs(5), stream.message()).await.unwrap();
    assert_eq!(next.unwrap().unwrap().r#type.unwrap(), Type::Status(Status::Forbidden as i32));
    assert_eq!(stream.message().await.unwrap(), None, "the stream ends");
}

#[tokio::test]
async fn d9_without_a_leader_only_those_who_accept_old_blocks_are_served() {
    let mut cluster = Cluster::start(3).await;
    let user = cluster.user();
    let left = cluster.leader().await;
    let answers = cluster.broadcast(left, vec![Draft::default().signed_by(&user)]).await;
    assert_eq!(answers[0].status(), Status::Success);
    for index in (0..3).filter(|index| *index != left) {
        cluster.stop_node(index).await;
    }
    let height = cluster.height(left);
    let mut refused = false;
    for _ in 0..100 {
        let (blocks, statuses) =
            read_from(&cluster, left, &seek(SeekErrorResponse::Strict, height - 1)).await;
        if statuses == [Status::ServiceUnavailable] {
            assert_eq!(blocks.len(), 0);
            refused = true;
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(refused, "a lone node of three goes on as if it led");
    let (blocks, statuses) =
        read_from(&cluster, left, &seek(SeekErrorResponse::BestEffort, height - 1)).await;
    assert_eq!((blocks.len() as u64, statuses.as_slice()), (height, &[Status::Success][..]));
}

fn seek(error_response: SeekErrorResponse, stop: u64) -> SeekInfo {
    let at = |position| Some(SeekPosition { r#type: Some(position) });
    SeekInfo {
        start: at(seek_position::Type::Oldest(SeekOldest {})),
        stop: at(seek_position::Type::Specified(SeekSpecified { number: stop })),
        error_response: error_response as i32,
        ..SeekInfo::default()
    }
}

fn sealed_by(user: &std::sync::Arc<dyn carecord_msp::Signer>, seek: &SeekInfo) -> Envelope {
    let header = SeekHeader {
        channel_id: CHANNEL.to_owned(),
        creator: user.serialized(),
        timestamp: prost_types::Timestamp { seconds: now(), nanos: 0 },
        ..SeekHeader::default()
    };
    let payload = seek_payload(header, seek);
    let signature = user.sign(&payload).unwrap().into();
    Envelope { payload, signature }
}

async fn read(
    cluster: &Cluster,
    seek: &SeekInfo,
) -> (Vec<carecord_proto::common::Block>, Vec<Status>) {
    read_from(cluster, 0, seek).await
}

/// The blocks and the status that a seek gets.
async fn read_from(
    cluster: &Cluster,
    index: usize,
    seek: &SeekInfo,
) -> (Vec<carecord_proto::common::Block>, Vec<Status>) {
    let request = tokio_stream::once(sealed_by(&cluster.user(), seek));
    let mut stream = cluster.client(index).deliver(request).await.unwrap().into_inner();
    let (mut blocks, mut statuses) = (Vec::new(), Vec::new());
    while let Ok(Some(answer)) = stream.message().await {
        match answer.r#type.unwrap() {
            Type::Block(block) => blocks.push(block),
            Type::Status(status) => statuses.push(Status::try_from(status).unwrap()),
        }
    }
    (blocks, statuses)
}
