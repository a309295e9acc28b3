//! Certificates of orderers and clients that are exchanged, revoked or expire while orderers run (F29, F30).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use carecord_ca::Validity;
use carecord_msp::Signer;
use carecord_proto::common::{ConfigGroup, Envelope, Status};
use carecord_proto::etcdraft::ConfigMetadata;
use carecord_proto::msp::{FabricMspConfig, MspConfig};
use carecord_proto::orderer::deliver_response::Type;
use carecord_proto::orderer::{SeekInfo, SeekPosition, SeekSpecified, seek_position};
use prost::Message;
use tokio_stream::StreamExt;

use crate::deliver;
use crate::harness::{CHANNEL, Cluster, Draft, now};
use crate::updating::{edit_raft, edited, send, signed, signed_and_sent};

const PATIENCE: Duration = Duration::from_secs(10);

/// Names another certificate for the consenter that `old` names.
fn exchange(raft: &mut ConfigMetadata, old: &str, new: &str) {
    let known = |consenter: &&mut carecord_proto::etcdraft::Consenter| {
        consenter.client_tls_cert == old.as_bytes()
    };
    let consenter = raft.consenters.iter_mut().find(known).expect("named");
    consenter.client_tls_cert = new.as_bytes().to_vec().into();
    consenter.server_tls_cert = new.as_bytes().to_vec().into();
}

/// Sends envelopes to every node in turn until told to stop; answers how many were accepted and what else was said.
async fn load(cluster: &Cluster, user: &Arc<dyn Signer>, stop: &AtomicBool) -> (u64, Vec<String>) {
    let (mut accepted, mut failures) = (0, Vec::new());
    let mut index = 0;
    while !stop.load(Ordering::SeqCst) {
        let envelope = Draft::default().signed_by(user);
        // What a node could not pass on is sent to the next one, as a gateway does.
        let mut attempts = 0;
        loop {
            let answers = cluster.broadcast(index % 3, vec![envelope.clone()]).await;
            index += 1;
            match answers.first() {
                Some(answer) if answer.status() == Status::Success => break,
                answer => failures.push(format!("{answer:?}")),
            }
            attempts += 1;
            assert!(attempts < 40, "{failures:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        accepted += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (accepted, failures)
}

#[tokio::test]
async fn every_consenters_certificate_is_exchanged_under_load_without_a_loss() {
    let mut cluster = Cluster::start(3).await;
    let (user, admin) = (cluster.user(), cluster.orderers.admin());
    let stop = AtomicBool::new(false);
    let (fresh, (accepted, failures)) = {
        let cluster = &cluster;
        let work = async {
            let mut fresh = Vec::new();
            for index in 0..3 {
                let renewed = cluster.renew(index);
                let (old, new) = (cluster.nodes[index].tls_pem(), renewed.tls_pem());
                let update =
                    edited(cluster, index, |root| edit_raft(root, |raft| exchange(raft, old, new)));
                let update = update.await;
                let mut answer = (Status::ServiceUnavailable, String::new());
                for attempt in 0..20 {
                    let envelope = signed_and_sent(&update, &[&admin], &user);
                    answer = send(cluster, (index + attempt) % 3, envelope).await;
                    if answer.0 != Status::ServiceUnavailable {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                assert_eq!(answer.0, Status::Success, "{}", answer.1);
                tokio::time::sleep(Duration::from_millis(300)).await;
                fresh.push(renewed);
            }
            stop.store(true, Ordering::SeqCst);
            fresh
        };
        tokio::join!(work, load(cluster, &user, &stop))
    };
    assert!(accepted > 50, "{accepted} accepted");
    println!("{accepted} accepted, {} sent again", failures.len());
    let height = cluster.height(cluster.leader().await);
    cluster.wait_height(height).await;
    // Each node finds itself by its new certificate when it starts again, and the others know it.
    for (index, renewed) in fresh.into_iter().enumerate() {
        cluster.stop_node(index).await;
        cluster.nodes[index].take(renewed);
        cluster.start_node(index).await;
        let before = cluster.height(cluster.leader().await);
        let answers = cluster.broadcast(index, vec![Draft::default().signed_by(&user)]).await;
        assert!(!answers.is_empty());
        cluster.wait_height(before).await;
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
