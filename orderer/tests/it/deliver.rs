//! Deliver as peers and clients use it, and rows D1, D3, D5, D6 of the threat list over the wire.

use std::sync::Arc;

use carecord_msp::Signer;
use carecord_proto::block;
use carecord_proto::common::{Block, Envelope, Status};
use carecord_proto::envelope::{SeekHeader, seek_payload};
use carecord_proto::orderer::deliver_response::Type;
use carecord_proto::orderer::seek_info::SeekBehavior;
use carecord_proto::orderer::{
    SeekInfo, SeekNewest, SeekOldest, SeekPosition, SeekSpecified, seek_position,
};

use crate::harness::{CHANNEL, Cluster, Draft, Org, now, validity};

#[tokio::test]
async fn every_orderer_delivers_the_same_chain_and_the_stream_takes_the_next_seek() {
    let cluster = Cluster::start(3).await;
    let user = cluster.user();
    for _ in 0..5 {
        cluster.broadcast(0, vec![Draft::default().signed_by(&user)]).await;
    }
    let height = cluster.height(cluster.leader().await);
    cluster.wait_height(height).await;
    let whole = seek(&user, CHANNEL, now(), oldest(), specified(height - 1));
    let mut chains = Vec::new();
    for index in 0..3 {
        let (blocks, statuses) = deliver(&cluster, index, vec![whole.clone(), whole.clone()]).await;
        assert_eq!(statuses, [Status::Success, Status::Success]);
        assert_eq!(blocks.len() as u64, 2 * height);
        check_chain(&blocks[..height as usize]);
        chains.push(blocks);
    }
    assert!(chains.windows(2).all(|pair| pair[0] == pair[1]), "blocks are equal to the byte");
}

#[tokio::test]
async fn bad_seeks_get_their_status() {
    let cluster = Cluster::start(1).await;
    let user = cluster.user();
    let stranger = Org::new("HospitalAMSP", "a.test").user(validity());
    let early = seek(&user, CHANNEL, now() - 16 * 60, oldest(), newest());
    let elsewhere = seek(&user, "nowhere", now(), oldest(), newest());
    let above = seek(&user, CHANNEL, now(), specified(9), specified(10));
    let foreign = seek(&stranger, CHANNEL, now(), oldest(), newest());
    let backwards = seek(&user, CHANNEL, now(), specified(1), specified(0));
    let no_start = sealed(&user, CHANNEL, now(), SeekInfo::default());
    let mut absent =
        SeekInfo { start: Some(specified(1)), stop: Some(specified(1)), ..SeekInfo::default() };
    absent.behavior = SeekBehavior::FailIfNotReady as i32;
    let absent = sealed(&user, CHANNEL, now(), absent);
    for (name, envelope, status) in [
        ("D1 16 minutes off", early, Status::BadRequest),
        ("D1 no header", Envelope::default(), Status::BadRequest),
        ("D3 unknown channel", elsewhere, Status::NotFound),
        ("D3 no start", no_start, Status::BadRequest),
        ("D3 stop before start", backwards, Status::BadRequest),
        ("D5 beyond the height", absent, Status::NotFound),
        ("start above the height", above, Status::NotFound),
        ("D6 not a reader", foreign, Status::Forbidden),
    ] {
        let (blocks, statuses) = deliver(&cluster, 0, vec![envelope]).await;
        assert_eq!((blocks.len(), statuses.as_slice()), (0, [status].as_slice()), "{name}");
    }
}

/// The answer that a seek ends with, and what the trailers give as its cause.
async fn refusal(cluster: &Cluster, seek: Envelope) -> (Vec<Block>, Status, Option<String>) {
    let seeks = tokio_stream::iter([seek]);
    let mut stream = cluster.client(0).deliver(seeks).await.unwrap().into_inner();
    let mut blocks = Vec::new();
    loop {
        match stream.message().await.unwrap().unwrap().r#type.unwrap() {
            Type::Block(block) => blocks.push(block),
            Type::Status(status) => {
                let cause = carecord_comm::cause_of_end(&mut stream).await;
                return (blocks, Status::try_from(status).unwrap(), cause);
            }
        }
    }
}

#[tokio::test]
async fn the_trailers_of_a_refused_seek_tell_the_cause() {
    let cluster = Cluster::start(1).await;
    let user = cluster.user();
    let stranger = Org::new("HospitalAMSP", "a.test").user(validity());
    let early = seek(&user, CHANNEL, now() - 16 * 60, oldest(), newest());
    let elsewhere = seek(&user, "nöwhere", now(), oldest(), newest());
    let foreign = seek(&stranger, CHANNEL, now(), oldest(), newest());
    for (envelope, status, words) in [
        (early, Status::BadRequest, "is more than 15m0s apart from current server time"),
        (elsewhere, Status::NotFound, "channel n\\u{f6}where not found"),
        (foreign, Status::Forbidden, "implicit policy evaluation failed"),
    ] {
        let (_, ended, cause) = refusal(&cluster, envelope).await;
        assert_eq!(ended, status);
        assert!(cause.as_ref().is_some_and(|cause| cause.contains(words)), "{cause:?}");
    }
    let good = seek(&user, CHANNEL, now(), oldest(), oldest());
    let (blocks, ended, cause) = refusal(&cluster, good).await;
    assert_eq!((blocks.len(), ended, cause), (1, Status::Success, None));
}

#[tokio::test]
async fn a_block_damaged_on_the_disk_ends_the_seek_with_a_status() {
    const MARK: &[u8] = b"these bytes will be damaged on the disk";
    let cluster = Cluster::start(1).await;
    let user = cluster.user();
    let height = cluster.height(0);
    let marked = Draft { data: MARK.to_vec(), ..Draft::default() };
    for draft in [marked, Draft::default()] {
        cluster.broadcast(0, vec![draft.signed_by(&user)]).await;
    }
    cluster.wait_height(height + 2).await;
    assert_eq!(all(&cluster, 0, &user, height + 2).await.len() as u64, height + 2);

    assert_eq!(damage(cluster.nodes[0].data(), MARK), 1, "one copy of each block");
    let whole = seek(&user, CHANNEL, now(), oldest(), specified(height + 1));
    let (blocks, status, cause) = refusal(&cluster, whole).await;
    assert_eq!((blocks.len() as u64, status), (height, Status::ServiceUnavailable));
    let told = format!("block {height} cannot be read from this node's block log");
    assert_eq!(cause, Some(told));
    // Only that block is lost.
    let behind = seek(&user, CHANNEL, now(), specified(height + 1), specified(height + 1));
    assert_eq!(refusal(&cluster, behind).await.1, Status::Success);
}

/// Flips a bit of `mark` wherever it lies below a folder; how often that was.
fn damage(folder: &std::path::Path, mark: &[u8]) -> usize {
    use std::os::unix::fs::FileExt;
    let mut found = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found += damage(&path, mark);
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(mark.len()).position(|window| window == mark);
        if let Some(at) = at {
            let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all_at(&[mark[0] ^ 1], at as u64).unwrap();
            found += 1;
        }
    }
    found
}

/// One block, by number or the newest.
pub(crate) async fn one(
    cluster: &Cluster,
    index: usize,
    user: &Arc<dyn Signer>,
    number: Option<u64>,
) -> Block {
    let at = || number.map_or_else(newest, specified);
    let mut last = Vec::new();
    for _ in 0..400 {
        let wanted = seek(user, CHANNEL, now(), at(), at());
        let (mut blocks, statuses) = deliver(cluster, index, vec![wanted]).await;
        if !blocks.is_empty() {
            return blocks.remove(0);
        }
        // While there is no leader nobody is served (row D9).
        assert_eq!(statuses, [Status::ServiceUnavailable]);
        last = statuses;
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("no block within ten seconds: {last:?}");
}

/// The first `height` blocks of a node.
pub(crate) async fn all(
    cluster: &Cluster,
    index: usize,
    user: &Arc<dyn Signer>,
    height: u64,
) -> Vec<Block> {
    let wanted = seek(user, CHANNEL, now(), specified(0), specified(height - 1));
    deliver(cluster, index, vec![wanted]).await.0
}

pub(crate) async fn deliver(
    cluster: &Cluster,
    index: usize,
    seeks: Vec<Envelope>,
) -> (Vec<Block>, Vec<Status>) {
    let expected = seeks.len();
    let mut stream =
        cluster.client(index).deliver(tokio_stream::iter(seeks)).await.unwrap().into_inner();
    let (mut blocks, mut statuses) = (Vec::new(), Vec::new());
    while statuses.len() < expected {
        let Ok(Some(answer)) = stream.message().await else { break };
        match answer.r#type.unwrap() {
            Type::Block(block) => blocks.push(block),
            Type::Status(status) => statuses.push(Status::try_from(status).unwrap()),
        }
    }
    (blocks, statuses)
}

fn check_chain(blocks: &[Block]) {
    for pair in blocks.windows(2) {
        let (before, after) = (pair[0].header.as_ref().unwrap(), pair[1].header.as_ref().unwrap());
        assert_eq!(after.number, before.number + 1);
        assert_eq!(after.previous_hash.as_ref(), block::header_hash(before).as_slice());
        let data_hash = block::data_hash(pair[1].data.as_ref().unwrap());
        assert_eq!(after.data_hash.as_ref(), data_hash.as_slice());
    }
}

fn seek(
    user: &Arc<dyn Signer>,
    channel: &str,
    seconds: i64,
    start: SeekPosition,
    stop: SeekPosition,
) -> Envelope {
    let seek = SeekInfo { start: Some(start), stop: Some(stop), ..SeekInfo::default() };
    sealed(user, channel, seconds, seek)
}

pub(crate) fn sealed(
    user: &Arc<dyn Signer>,
    channel: &str,
    seconds: i64,
    seek: SeekInfo,
) -> Envelope {
    let header = SeekHeader {
        channel_id: channel.to_owned(),
        creator: user.serialized(),
        timestamp: prost_types::Timestamp { seconds, nanos: 0 },
        ..SeekHeader::default()
    };
    let payload = seek_payload(header, &seek);
    let signature = user.sign(&payload).unwrap().into();
    Envelope { payload, signature }
}

fn oldest() -> SeekPosition {
    SeekPosition { r#type: Some(seek_position::Type::Oldest(SeekOldest {})) }
}

fn newest() -> SeekPosition {
    SeekPosition { r#type: Some(seek_position::Type::Newest(SeekNewest {})) }
}

fn specified(number: u64) -> SeekPosition {
    SeekPosition { r#type: Some(seek_position::Type::Specified(SeekSpecified { number })) }
}
