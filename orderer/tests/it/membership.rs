//! Nodes that come, go and come back: joining by a later block, following, eviction, wiped and old data (rows R8, F23,
//! F24, F26), without a restart of anybody else.

use std::time::Duration;

use carecord_proto::common::{Block, Envelope, Status};
use carecord_proto::etcdraft::Consenter;
use prost::Message;

use crate::harness::{Ask, CHANNEL, Cluster, Draft};
use crate::updating::{current, edit_raft, edited, send, signed};

const CHANNELS: &str = "/participation/v1/channels";

/// What a node says of its part in the channel.
async fn told(cluster: &Cluster, index: usize) -> String {
    cluster.ask(index, Ask::new("GET", format!("{CHANNELS}/{CHANNEL}"))).await.text()
}

/// Waits until what a node says of its part in the channel has all of `words`.
async fn tells(cluster: &Cluster, index: usize, words: &[&str]) {
    let mut last = String::new();
    for _ in 0..400 {
        last = told(cluster, index).await;
        if words.iter().all(|word| last.contains(word)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("node {index} never told {words:?}, but {last}");
}

async fn order(cluster: &Cluster, index: usize, count: usize) {
    let user = cluster.user();
    for _ in 0..count {
        ordered(cluster, index, Draft::default().signed_by(&user)).await;
    }
}

/// Sends an envelope, again while there is no leader, as a client does.
async fn ordered(cluster: &Cluster, index: usize, envelope: Envelope) {
    let mut last = String::new();
    for _ in 0..200 {
        let (status, info) = send(cluster, index, envelope.clone()).await;
        if status == Status::Success {
            return;
        }
        assert_eq!(status, Status::ServiceUnavailable, "{info}");
        last = info;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not ordered within ten seconds: {last}");
}

/// Changes the consenters by an update through `index`, and waits until it is in force there.
///
/// What is answered SERVICE_UNAVAILABLE was not ordered, so the very update can be sent again: once ordered it would be
/// refused.
async fn change(cluster: &Cluster, index: usize, edit: impl Fn(&mut Vec<Consenter>)) {
    let mut wanted = consenters(cluster, index).await;
    edit(&mut wanted);
    let update =
        edited(cluster, index, |root| edit_raft(root, |raft| raft.consenters = wanted.clone()));
    ordered(cluster, index, signed(&update.await, &[&cluster.orderers.admin()])).await;
    for _ in 0..200 {
        if consenters(cluster, index).await == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not in force within ten seconds");
}

/// Whom the configuration names that is in force at `index`.
async fn consenters(cluster: &Cluster, index: usize) -> Vec<Consenter> {
    let mut root = current(cluster, index).await.0.channel_group.unwrap();
    let mut known = Vec::new();
    edit_raft(&mut root, |metadata| known = metadata.consenters.clone());
    known
}

async fn config_block(cluster: &Cluster, index: usize) -> Vec<u8> {
    let path = format!("{CHANNELS}/{CHANNEL}/blocks/config");
    cluster.ask(index, Ask::new("GET", path)).await.body
}

/// Removes node `who` from the consenters and takes it in again, by way of `via`.
async fn readmit(cluster: &Cluster, via: usize, who: usize) {
    let own = cluster.consenter(who);
    change(cluster, via, |all| all.retain(|one| *one != own)).await;
    change(cluster, via, |all| all.push(own.clone())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f23_r8_a_wiped_node_does_not_vote_follows_and_comes_back_under_a_new_id() {
    let mut cluster = Cluster::start(3).await;
    order(&cluster, 0, 5).await;
    let wiped = cluster.leader().await;
    let other = (wiped + 1) % 3;
    cluster.wait_height(6).await;
    tokio::time::sleep(Duration::from_millis(500)).await; // all have greeted each other
    cluster.stop_node(wiped).await;
    cluster.wipe(wiped);
    cluster.start_node(wiped).await;
    tells(&cluster, wiped, &["follower", "active"]).await;
    order(&cluster, other, 5).await;
    let height = cluster.height(cluster.leader().await);
    cluster.wait_height(height).await;
    assert!(told(&cluster, wiped).await.contains("follower"), "it takes the blocks, no part");
    let refused = cluster.broadcast(wiped, vec![Draft::default().signed_by(&cluster.user())]).await;
    assert_eq!(refused[0].status(), Status::ServiceUnavailable);
    assert!(refused[0].info.contains("not a consenter"), "{}", refused[0].info);

    cluster.stop_node(wiped).await;
    cluster.start_node(wiped).await;
    tells(&cluster, wiped, &["follower"]).await;

    readmit(&cluster, other, wiped).await;
    tells(&cluster, wiped, &["consenter", "active"]).await;
    order(&cluster, wiped, 3).await;
    let height = cluster.height(other);
    cluster.wait_height(height).await;
}

/// The wiped one's blocks are with somebody who is away, and who is left was no leader of it: it is told all the same.
#[tokio::test(flavor = "multi_thread")]
async fn f23_r8_a_follower_tells_a_wiped_follower_too_and_nothing_acknowledged_is_lost() {
    let mut cluster = Cluster::start(3).await;
    order(&cluster, 0, 2).await;
    let leader = cluster.leader().await;
    let (away, wiped) = ((leader + 1) % 3, (leader + 2) % 3);
    cluster.wait_height(3).await;
    tokio::time::sleep(Duration::from_millis(500)).await; // all have greeted each other
    cluster.stop_node(away).await;
    order(&cluster, wiped, 5).await;
    let acknowledged = cluster.height(leader);
    cluster.stop_node(wiped).await;
    cluster.stop_node(leader).await;
    cluster.wipe(wiped);
    cluster.start_node(away).await;
    cluster.start_node(wiped).await;
    for _ in 0..6 {
        let sent = cluster.broadcast(away, vec![Draft::default().signed_by(&cluster.user())]).await;
        assert_eq!(sent[0].status(), Status::ServiceUnavailable, "{}", sent[0].info);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(told(&cluster, wiped).await.contains("follower"));
    cluster.start_node(leader).await;
    cluster.wait_height(acknowledged).await;
    order(&cluster, away, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_a_node_with_an_old_backup_is_told_from_one_that_was_only_away() {
    let mut cluster = Cluster::start(3).await;
    let old = cluster.leader().await;
    let other = (old + 1) % 3;
    order(&cluster, other, 3).await;
    cluster.stop_node(old).await;
    let backup = cluster.back_up(old);
    cluster.leader().await;
    cluster.start_node(old).await;
    order(&cluster, other, 5).await;
    let height = cluster.height(other);
    cluster.wait_height(height).await;
    assert!(told(&cluster, old).await.contains("consenter"), "it was only away");
    tokio::time::sleep(Duration::from_secs(3)).await; // what it confirmed is remembered

    cluster.stop_node(old).await;
    cluster.restore(old, &backup);
    cluster.start_node(old).await;
    tells(&cluster, old, &["follower", "active"]).await;
    readmit(&cluster, other, old).await;
    tells(&cluster, old, &["consenter", "active"]).await;
    order(&cluster, old, 2).await;
}

/// A backup that somebody made by hand, or an old version: the name of the data is not in it, so it gets another one.
#[tokio::test(flavor = "multi_thread")]
async fn f24_a_node_with_an_old_backup_without_the_name_of_its_data_never_votes_under_its_old_id() {
    let mut cluster = Cluster::start(3).await;
    let old = cluster.leader().await;
    let other = (old + 1) % 3;
    order(&cluster, other, 3).await;
    tokio::time::sleep(Duration::from_millis(500)).await; // all have greeted each other
    cluster.stop_node(old).await;
    let backup = cluster.back_up(old);
    std::fs::remove_file(backup.path().join("incarnation")).unwrap();
    cluster.leader().await;
    order(&cluster, other, 5).await;
    cluster.restore(old, &backup);
    cluster.start_node(old).await;
    tells(&cluster, old, &["follower", "active"]).await;
    // With its vote the two would order; without it nobody does.
    let third = 3 - old - other;
    cluster.stop_node(third).await;
    let envelope = || Draft::default().signed_by(&cluster.user());
    let alone = tokio::time::timeout(Duration::from_secs(20), send(&cluster, other, envelope()));
    assert_eq!(alone.await.unwrap().0, Status::ServiceUnavailable);
    cluster.stop_node(old).await;
    cluster.start_node(old).await;
    tells(&cluster, old, &["follower"]).await;
    cluster.start_node(third).await;
    readmit(&cluster, other, old).await;
    tells(&cluster, old, &["consenter", "active"]).await;
    order(&cluster, old, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f26_evicted_while_down_and_taken_in_twice_it_comes_back_under_its_last_id() {
    let mut cluster = Cluster::start(3).await;
    order(&cluster, 0, 2).await;
    let away = cluster.leader().await;
    let other = (away + 1) % 3;
    cluster.stop_node(away).await;
    cluster.leader().await;
    readmit(&cluster, other, away).await;
    // Removing it again needs no word of it; taking it in again neither.
    readmit(&cluster, other, away).await;
    order(&cluster, other, 2).await;
    cluster.start_node(away).await;
    let height = cluster.height(other);
    cluster.wait_height(height).await;
    tells(&cluster, away, &["consenter", "active"]).await;
    order(&cluster, away, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evicted_consenter_follows_and_a_follower_taken_in_votes_without_a_restart() {
    let cluster = Cluster::start(3).await;
    order(&cluster, 0, 2).await;
    let evicted = cluster.leader().await;
    let other = (evicted + 1) % 3;
    let own = cluster.consenter(evicted);
    change(&cluster, other, |all| all.retain(|one| *one != own)).await;
    tells(&cluster, evicted, &["follower", "active"]).await;
    cluster.leader().await;
    order(&cluster, other, 3).await;
    let height = cluster.height(other);
    cluster.wait_height(height).await;
    change(&cluster, other, |all| all.push(own.clone())).await;
    tells(&cluster, evicted, &["consenter", "active"]).await;
    order(&cluster, evicted, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_joins_by_a_later_block_fetches_all_before_it_and_goes_on_as_consenter() {
    let mut cluster = Cluster::start(3).await;
    let new = cluster.add_node_without_channels().await;
    order(&cluster, 0, 8).await;
    let own = cluster.consenter(new);
    change(&cluster, 0, |all| all.push(own.clone())).await;
    let leader = cluster.leader().await;
    cluster.wait_height(cluster.height(leader)).await;
    let block = config_block(&cluster, 0).await;
    assert!(Block::decode(&block[..]).unwrap().header.unwrap().number > 0);
    order(&cluster, 0, 4).await;
    let form = Ask::form("POST", CHANNELS, &[("config-block", &block)]);
    let joined = cluster.ask(new, form).await;
    assert_eq!(joined.status, 201, "{}", joined.text());
    assert!(joined.text().contains("\"consensusRelation\":\"follower\",\"status\":\"onboarding\""));
    tells(&cluster, new, &["consenter", "active"]).await;
    let height = cluster.height(0);
    cluster.wait_height(height).await;
    order(&cluster, new, 3).await;
    assert_eq!(config_block(&cluster, new).await, config_block(&cluster, 0).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_consenter_follows_and_goes_on_after_a_restart() {
    let mut cluster = Cluster::start(3).await;
    order(&cluster, 0, 3).await;
    let genesis = cluster.genesis().clone();
    let new = cluster.add_node_without_channels().await;
    let form = Ask::form("POST", CHANNELS, &[("config-block", &genesis.encode_to_vec())]);
    let joined = cluster.ask(new, form).await;
    assert_eq!(joined.status, 201, "{}", joined.text());
    tells(&cluster, new, &["follower", "active"]).await;
    cluster.stop_node(new).await;
    order(&cluster, 0, 3).await;
    cluster.start_node_without_channels(new).await;
    let height = cluster.height(0);
    cluster.wait_height(height).await;
    tells(&cluster, new, &["follower", "active"]).await;
}
