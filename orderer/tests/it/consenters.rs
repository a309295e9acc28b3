//! Consenters that go and change, on real orderers with real TLS.

use std::time::Duration;

use carecord_proto::common::Status;

use crate::harness::{Cluster, Draft};
use crate::updating::{edit_raft, edited, send, signed};

/// The leader among the nodes other than `gone`.
async fn leader_without(cluster: &Cluster, gone: usize) -> usize {
    for _ in 0..400 {
        let leader = cluster.leader().await;
        if leader != gone {
            return leader;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("node {gone} does not hand over");
}

async fn remove(cluster: &Cluster, gone: usize) -> (Status, String) {
    let admin = cluster.orderers.admin();
    let update =
        edited(cluster, gone, |root| edit_raft(root, |raft| drop(raft.consenters.remove(gone))))
            .await;
    send(cluster, gone, signed(&update, &[&admin])).await
}

async fn order(cluster: &Cluster, index: usize) {
    let envelopes = (0..20).map(|_| Draft::default().signed_by(&cluster.user())).collect();
    let answers = cluster.broadcast(index, envelopes).await;
    assert!(answers.iter().all(|answer| answer.status() == Status::Success), "{answers:?}");
}

#[tokio::test]
async fn a_follower_that_is_removed_is_out_and_the_others_go_on() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let gone = (0..3).find(|index| *index != leader).unwrap();
    assert_eq!(remove(&cluster, gone).await, (Status::Success, String::new()));
    order(&cluster, leader).await;
    let height = cluster.height(leader);
    let other = (0..3).find(|index| *index != leader && *index != gone).unwrap();
    order(&cluster, other).await;
    assert!(cluster.height(leader) > height);
}

#[tokio::test]
async fn a_leader_that_is_removed_hands_over_and_the_others_go_on() {
    let cluster = Cluster::start(3).await;
    let gone = cluster.leader().await;
    assert_eq!(remove(&cluster, gone).await, (Status::Success, String::new()));
    let leader = leader_without(&cluster, gone).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    order(&cluster, leader).await;
}

#[tokio::test]
async fn of_two_orderers_one_can_be_removed() {
    let cluster = Cluster::start(2).await;
    let leader = cluster.leader().await;
    assert_eq!(remove(&cluster, 1 - leader).await, (Status::Success, String::new()));
    order(&cluster, leader).await;
}
