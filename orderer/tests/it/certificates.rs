//! Certificates of orderers and clients that are exchanged, revoked or expire while orderers run (F29, F30).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use carecord_ca::Validity;
use carecord_msp::Signer;
use carecord_proto::block;
use carecord_proto::common::{ConfigGroup, Envelope, Status};
use carecord_proto::etcdraft::ConfigMetadata;
use carecord_proto::msp::{FabricMspConfig, MspConfig};
use carecord_proto::orderer::deliver_response::Type;
use carecord_proto::orderer::{SeekInfo, SeekPosition, SeekSpecified, seek_position};
use prost::Message;
use tokio_stream::StreamExt;

use crate::deliver;
use crate::harness::{CHANNEL, Cluster, Draft, Renewed, now};
use crate::updating::{current, edit_raft, edited, send, signed, signed_and_sent};

const PATIENCE: Duration = Duration::from_secs(10);
/// Times that one thing is sent before it counts as failed.
const ATTEMPTS: usize = 40;
/// Envelopes that are accepted before and after each exchange.
const BETWEEN: usize = 5;

/// Names another certificate for the consenter that `old` names.
fn exchange(raft: &mut ConfigMetadata, old: &str, new: &str) {
    let known = |consenter: &&mut carecord_proto::etcdraft::Consenter| {
        consenter.client_tls_cert == old.as_bytes()
    };
    let consenter = raft.consenters.iter_mut().find(known).expect("named");
    consenter.client_tls_cert = new.as_bytes().to_vec().into();
    consenter.server_tls_cert = new.as_bytes().to_vec().into();
}

/// What came of a load.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    accepted: AtomicUsize,
}

/// An envelope that was accepted, and whether it was sent more than once.
struct Accepted {
    envelope: Bytes,
    again: bool,
}

impl Load {
    /// Sends envelopes to every node in turn until told to stop.
    async fn run(&self, cluster: &Cluster, user: &Arc<dyn Signer>) -> Vec<Accepted> {
        let mut all = Vec::new();
        let mut index = 0;
        while !self.stop.load(Ordering::SeqCst) {
            let envelope = Draft::default().signed_by(user);
            // What a node could not pass on is sent to the next one, as a gateway does.
            let mut failures = Vec::new();
            loop {
                let answers = cluster.broadcast(index % 3, vec![envelope.clone()]).await;
                index += 1;
                match answers.first() {
                    Some(answer) if answer.status() == Status::Success => break,
                    answer => failures.push(format!("{answer:?}")),
                }
                assert!(failures.len() < ATTEMPTS, "{failures:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let again = !failures.is_empty();
            all.push(Accepted { envelope: envelope.encode_to_vec().into(), again });
            self.accepted.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        all
    }

    /// Waits until some more were accepted, so that whatever lies between two calls happened under load.
    async fn goes_on(&self) {
        let before = self.accepted.load(Ordering::SeqCst);
        for _ in 0..600 {
            if self.accepted.load(Ordering::SeqCst) >= before + BETWEEN {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no {BETWEEN} more accepted within thirty seconds");
    }
}

/// Names a node's new certificate in the configuration; sent again as long as no leader takes it.
async fn exchanged(cluster: &Cluster, index: usize, user: &Arc<dyn Signer>) -> Renewed {
    let admin = cluster.orderers.admin();
    let renewed = cluster.renew(index);
    let (old, new) = (cluster.nodes[index].tls_pem(), renewed.tls_pem());
    let mut answer = (Status::ServiceUnavailable, String::new());
    for attempt in 0..ATTEMPTS {
        let via = (index + attempt) % 3;
        // An update that got no answer may have been ordered all the same.
        if names(cluster, via, new).await {
            return renewed;
        }
        let update = edited(cluster, via, |root| edit_raft(root, |raft| exchange(raft, old, new)));
        let envelope = signed_and_sent(&update.await, &[&admin], user);
        answer = send(cluster, via, envelope).await;
        if answer.0 == Status::Success {
            return renewed;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("not exchanged: {answer:?}");
}

/// Whether the configuration in force at a node names this certificate among the consenters'.
async fn names(cluster: &Cluster, index: usize, certificate: &str) -> bool {
    let mut root = current(cluster, index).await.0.channel_group.unwrap();
    let mut found = false;
    edit_raft(&mut root, |raft| {
        found = raft.consenters.iter().any(|one| one.server_tls_cert == certificate.as_bytes());
    });
    found
}

#[tokio::test]
async fn every_consenters_certificate_is_exchanged_under_load_without_a_loss() {
    let mut cluster = Cluster::start(3).await;
    let user = cluster.user();
    let load = Load::default();
    let (fresh, accepted) = {
        let cluster = &cluster;
        let work = async {
            let mut fresh = Vec::new();
            for index in 0..3 {
                load.goes_on().await;
                fresh.push(exchanged(cluster, index, &user).await);
                load.goes_on().await;
            }
            load.stop.store(true, Ordering::SeqCst);
            fresh
        };
        tokio::join!(work, load.run(cluster, &user))
    };
    let height = cluster.height(cluster.leader().await);
    cluster.wait_height(height).await;
    // Each node finds itself by its new certificate when it starts again, and the others know it.
    for (index, renewed) in fresh.into_iter().enumerate() {
        let new = renewed.tls_pem().to_owned();
        cluster.stop_node(index).await;
        cluster.nodes[index].take(renewed);
        cluster.start_node(index).await;
        let before = cluster.height(cluster.leader().await);
        let answers = cluster.broadcast(index, vec![Draft::default().signed_by(&user)]).await;
        assert!(!answers.is_empty());
        cluster.wait_height(before).await;
        assert!(names(&cluster, index, &new).await, "node {index}");
    }
    let again = accepted.iter().filter(|one| one.again).count();
    println!("{} accepted, {again} of them sent again", accepted.len());
    for index in 0..3 {
        let blocks = deliver::all(&cluster, index, &user, height).await;
        assert_eq!(blocks.len() as u64, height, "node {index}");
        let mut times: HashMap<&Bytes, usize> = HashMap::new();
        for envelope in blocks.iter().flat_map(block::envelopes) {
            *times.entry(envelope).or_default() += 1;
        }
        for Accepted { envelope, again } in &accepted {
            let times = times.get(envelope).copied().unwrap_or_default();
            assert!(times >= 1, "accepted, and lost at node {index}");
            assert!(times == 1 || *again, "sent once, ordered {times} times");
        }
    }
}

#[tokio::test]
async fn f29_orderers_whose_certificates_have_expired_meet_again_when_their_clocks_are_put_back() {
    let expired = Validity { not_before: now() - 1000, not_after: now() - 100 };
    let shift = Duration::from_secs(200);
    let cluster = Cluster::start_with(3, expired, shift).await;
    let user = cluster.user();
    let answers = cluster.broadcast(0, vec![Draft::default().signed_by(&user)]).await;
    assert_eq!(answers[0].status(), Status::Success, "{}", answers[0].info);
    // A configuration with new certificates is ordered, and mends it.
    let admin = cluster.orderers.admin();
    let renewed = cluster.renew(1);
    let (old, new) = (cluster.nodes[1].tls_pem().to_owned(), renewed.tls_pem().to_owned());
    let update = edited(&cluster, 0, |root| edit_raft(root, |raft| exchange(raft, &old, &new)));
    let answer = send(&cluster, 0, signed(&update.await, &[&admin])).await;
    assert_eq!(answer.0, Status::Success, "{}", answer.1);
    cluster.wait_height(3).await;
}

#[tokio::test]
async fn f30_a_revoked_identity_loses_its_block_stream_and_is_not_ordered_for() {
    let cluster = Cluster::start(1).await;
    let (revoked, spared, admin) = (cluster.user(), cluster.user(), cluster.hospital.admin());
    let answers = cluster.broadcast(0, vec![Draft::default().signed_by(&revoked)]).await;
    assert_eq!(answers[0].status(), Status::Success);
    let mut streams = Vec::new();
    for user in [&revoked, &spared] {
        let envelope = seek(user, cluster.height(0));
        let request = tokio_stream::once(envelope).chain(tokio_stream::pending());
        streams.push(cluster.client(0).deliver(request).await.unwrap().into_inner());
    }
    // A Broadcast stream that is open already is asked for every envelope.
    let (envelopes, outgoing) = tokio::sync::mpsc::channel(4);
    let outgoing = tokio_stream::wrappers::ReceiverStream::new(outgoing);
    envelopes.send(Draft::default().signed_by(&revoked)).await.unwrap();
    let mut answers = cluster.client(0).broadcast(outgoing).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().status(), Status::Success);

    let list = cluster.hospital.revocation_list(&revoked);
    let update = edited(&cluster, 0, |root| put_list(root, &list)).await;
    assert_eq!(send(&cluster, 0, signed(&update, &[&admin])).await.0, Status::Success);

    let mut lost = streams.remove(0);
    let mut statuses = Vec::new();
    while let Some(message) = tokio::time::timeout(PATIENCE, lost.message()).await.unwrap().unwrap()
    {
        if let Some(Type::Status(status)) = message.r#type {
            statuses.push(Status::try_from(status).unwrap());
        }
    }
    assert_eq!(statuses, [Status::Forbidden], "and then the stream ends");
    envelopes.send(Draft::default().signed_by(&revoked)).await.unwrap();
    let answer = tokio::time::timeout(PATIENCE, answers.message()).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.status(), Status::Forbidden, "{}", answer.info);
    assert!(answers.message().await.unwrap().is_none(), "the stream ends");
    let (blocks, refused) = deliver::deliver(&cluster, 0, vec![seek(&revoked, 0)]).await;
    assert_eq!((blocks.len(), refused.as_slice()), (0, [Status::Forbidden].as_slice()));

    let answers = cluster.broadcast(0, vec![Draft::default().signed_by(&spared)]).await;
    assert_eq!(answers[0].status(), Status::Success);
    let mut kept = streams.remove(0);
    for _ in 0..3 {
        let message = tokio::time::timeout(PATIENCE, kept.message()).await.unwrap().unwrap();
        assert!(matches!(message.unwrap().r#type, Some(Type::Block(_))));
    }
}

fn put_list(root: &mut ConfigGroup, list: &str) {
    let application = root.groups.get_mut("Application").unwrap();
    let value = application.groups.get_mut("HospitalA").unwrap().values.get_mut("MSP").unwrap();
    let mut msp = MspConfig::decode(value.value.clone()).unwrap();
    let mut fabric = FabricMspConfig::decode(msp.config.clone()).unwrap();
    fabric.revocation_list.push(list.as_bytes().to_vec().into());
    msp.config = fabric.encode_to_vec().into();
    value.value = msp.encode_to_vec().into();
}

fn seek(user: &Arc<dyn Signer>, start: u64) -> Envelope {
    let at = |number| SeekPosition {
        r#type: Some(seek_position::Type::Specified(SeekSpecified { number })),
    };
    let seek = SeekInfo { start: Some(at(start)), stop: Some(at(u64::MAX)), ..SeekInfo::default() };
    deliver::sealed(user, CHANNEL, now(), seek)
}
