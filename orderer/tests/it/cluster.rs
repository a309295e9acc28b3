//! Orderers among themselves: rows R1 and R2 over the wire, failover, and a node that was away.

use carecord_comm::cluster::cluster_client::ClusterClient;
use carecord_proto::carecord::orderer::{
    BlocksRequest, Hello, RaftMessage, StepRequest, StepResponse, Verdict, step_request::Payload,
};
use carecord_proto::common::Status;
use tonic::transport::Channel;

use crate::harness::{CHANNEL, Cluster, Draft};

#[tokio::test]
async fn a_new_leader_takes_over_and_the_node_that_was_away_catches_up() {
    let mut cluster = Cluster::start(3).await;
    let user = cluster.user();
    let away = cluster.leader().await;
    cluster.stop_node(away).await;
    let other = (away + 1) % 3;
    cluster.leader().await;
    for _ in 0..30 {
        let answers = cluster.broadcast(other, vec![Draft::default().signed_by(&user)]).await;
        assert_eq!(answers[0].status(), Status::Success, "{}", answers[0].info);
    }
    let height = cluster.height(cluster.leader().await);
    cluster.start_node(away).await;
    cluster.wait_height(height).await;
    assert!(cluster.nodes[away].data().join(CHANNEL).is_dir());
}

#[tokio::test]
async fn a_restarted_cluster_goes_on_where_it_stopped() {
    let mut cluster = Cluster::start(3).await;
    let user = cluster.user();
    let envelopes = (0..50).map(|_| Draft::default().signed_by(&user)).collect();
    cluster.broadcast(0, envelopes).await;
    let height = cluster.height(cluster.leader().await);
    for index in 0..3 {
        cluster.stop_node(index).await;
    }
    for index in 0..3 {
        cluster.start_node(index).await;
    }
    cluster.leader().await;
    let answers = cluster.broadcast(0, vec![Draft::default().signed_by(&user)]).await;
    assert_eq!(answers[0].status(), Status::Success, "{}", answers[0].info);
    cluster.wait_height(height + 1).await;
}

#[tokio::test]
async fn a_message_without_payload_is_answered_and_the_stream_lives() {
    let cluster = Cluster::start(2).await;
    let requests = vec![request(CHANNEL, None), request(CHANNEL, None)];
    let (answers, end) = step(cluster.cluster_channel(0, Some(1)), requests).await;
    let texts: Vec<_> = answers.iter().map(|answer| answer.info.as_str()).collect();
    assert_eq!(texts, ["Message is neither a Submit nor Consensus request"; 2]);
    assert!(end.is_none());
    // Who is not of the channel is told so by the end of the stream, and may come with another certificate.
    let requests = vec![request("nowhere", consensus(2)), request(CHANNEL, None)];
    let (answers, end) = step(cluster.cluster_channel(0, Some(1)), requests).await;
    assert!(answers.is_empty());
    let end = end.expect("refused");
    assert_eq!(end.code(), tonic::Code::PermissionDenied);
    assert!(end.message().ends_with("is not member of channel nowhere"), "{end}");
}

#[tokio::test]
async fn only_a_consenter_under_its_own_id_is_heard() {
    let cluster = Cluster::start(2).await;
    let as_another = request(CHANNEL, consensus(1));
    let (answers, _) = step(cluster.cluster_channel(0, Some(1)), vec![as_another]).await;
    assert_eq!(answers[0].info, "node id mismatch");

    // Without a hello nothing is heard, and a hello is for one receiver.
    let unbound = vec![request(CHANNEL, consensus(2))];
    let (answers, _) = step(cluster.cluster_channel(0, Some(1)), unbound).await;
    assert_eq!(answers[0].info, "session binding mismatch");
    for (hello, verdict) in [
        (Hello { from: 1, to: 1, ..Hello::default() }, Verdict::Stranger),
        (Hello { from: 2, to: 2, ..Hello::default() }, Verdict::Stranger),
        (Hello { from: 2, to: 1, ..Hello::default() }, Verdict::OtherData),
    ] {
        let requests = vec![request(CHANNEL, Some(Payload::Hello(hello.clone())))];
        let (answers, _) = step(cluster.cluster_channel(0, Some(1)), requests).await;
        let answer = answers[0].hello.as_ref().expect("answered");
        assert_eq!(answer.verdict(), verdict, "{hello:?}: {}", answer.info);
    }

    let requests = vec![request(CHANNEL, consensus(2))];
    let strange = step(cluster.stranger_channel(0), requests).await.1.expect("refused");
    assert!(strange.message().ends_with("is not member of any channel"), "{strange}");
    let blocks = BlocksRequest { channel: CHANNEL.into(), start: 0, end: 1 };
    let refused = ClusterClient::new(cluster.stranger_channel(0)).blocks(blocks.clone()).await;
    assert_eq!(refused.unwrap_err().code(), tonic::Code::PermissionDenied);

    let nobody = ClusterClient::new(cluster.cluster_channel(0, None)).blocks(blocks).await;
    assert!(nobody.is_err(), "without a certificate there is no connection");
}

fn consensus(from: u64) -> Option<Payload> {
    Some(Payload::Consensus(RaftMessage { from, to: 1, r#type: 8, ..RaftMessage::default() }))
}

fn request(channel: &str, payload: Option<Payload>) -> StepRequest {
    StepRequest { channel: channel.into(), payload }
}

/// What came back, and the error that ended the stream, if one did.
async fn step(
    channel: Channel,
    requests: Vec<StepRequest>,
) -> (Vec<StepResponse>, Option<tonic::Status>) {
    let requests = tokio_stream::iter(requests);
    let mut answers = match ClusterClient::new(channel).step(requests).await {
        Ok(answers) => answers.into_inner(),
        Err(refused) => return (Vec::new(), Some(refused)),
    };
    let mut all = Vec::new();
    loop {
        match answers.message().await {
            Ok(Some(answer)) => all.push(answer),
            Ok(None) => return (all, None),
            Err(status) => return (all, Some(status)),
        }
    }
}
