//! Rows O1–O5, O8, O11–O13 of the threat list, and the good case.

use std::sync::Arc;

use bytes::Bytes;
use carecord_msp::Signer;
use carecord_proto::common::{Envelope, HeaderType, Status};

use crate::harness::{ABSOLUTE_MAX_BYTES, Cluster, Draft, Org, now, validity};

#[tokio::test]
async fn an_envelope_sent_to_any_orderer_is_acknowledged_once_it_is_committed() {
    let cluster = Cluster::start(3).await;
    let user = cluster.user();
    for index in 0..3 {
        let envelopes = (0..20).map(|_| Draft::default().signed_by(&user)).collect();
        let answers = cluster.broadcast(index, envelopes).await;
        assert_eq!(answers.len(), 20);
        for answer in answers {
            assert_eq!(answer.status(), Status::Success, "{}", answer.info);
        }
        assert!(cluster.height(cluster.leader().await) > 1, "committed before the answer");
    }
}

#[tokio::test]
async fn bad_envelopes_get_their_status_and_text_and_nothing_is_ordered() {
    let cluster = Cluster::start(1).await;
    let user = cluster.user();
    for (name, envelope, status, text) in cases(&user) {
        let answers = cluster.broadcast(0, vec![envelope, Draft::default().signed_by(&user)]).await;
        assert_eq!(answers.len(), 1, "{name}: the stream ends after the first refusal");
        assert_eq!(answers[0].status(), status, "{name}: {}", answers[0].info);
        assert!(answers[0].info.contains(text), "{name}: {}", answers[0].info);
    }
    assert_eq!(cluster.height(0), 1);
}

type Case = (&'static str, Envelope, Status, &'static str);

fn cases(user: &Arc<dyn Signer>) -> Vec<Case> {
    let good = || Draft::default().signed_by(user);
    let stranger = Org::new("HospitalAMSP", "a.test").user(validity());
    let large = Draft { data: vec![1; ABSOLUTE_MAX_BYTES as usize], ..Draft::default() };
    let unknown = Draft { channel: "nowhere".into(), ..Draft::default() };
    let config = Draft { kind: HeaderType::Config as i32, ..Draft::default() };
    let orderer = Draft { kind: HeaderType::OrdererTransaction as i32, ..Draft::default() };
    let late = Draft { timestamp: now() - 16 * 60, ..Draft::default() };
    let burnt = Draft { tx_id: Some("ab".repeat(32)), ..Draft::default() };
    let mut forged = good();
    forged.signature = Bytes::from_static(&[48, 6, 2, 1, 1, 2, 1, 1]);
    let unsigned = Envelope { signature: Bytes::new(), ..good() };
    vec![
        ("O1 nil payload", Envelope::default(), Status::BadRequest, "Message was empty"),
        ("O2 too large", large.signed_by(user), Status::BadRequest, "exceeds maximum allowed"),
        ("O3 stranger", Draft::default().signed_by(&stranger), Status::Forbidden, ""),
        ("O3 forged", forged, Status::Forbidden, ""),
        ("O4 unknown channel", unknown.signed_by(user), Status::BadRequest, "does not exist"),
        (
            "O5 config",
            config.signed_by(user),
            Status::BadRequest,
            "message is of type that cannot be processed directly",
        ),
        (
            "O5 orderer transaction",
            orderer.signed_by(user),
            Status::BadRequest,
            "message is of type that is no longer supported",
        ),
        ("O11 unsigned", unsigned, Status::BadRequest, ""),
        ("O12 burnt id", burnt.signed_by(user), Status::BadRequest, "txid"),
        ("O13 late", late.signed_by(user), Status::BadRequest, ""),
    ]
}

#[tokio::test]
async fn an_orderer_without_quorum_never_says_success() {
    let mut cluster = Cluster::start(3).await;
    let user = cluster.user();
    let leader = cluster.leader().await;
    for index in (0..3).filter(|index| *index != leader) {
        cluster.stop_node(index).await;
    }
    let sent = cluster.broadcast(leader, vec![Draft::default().signed_by(&user)]);
    let answers = tokio::time::timeout(std::time::Duration::from_secs(20), sent).await.unwrap();
    assert_eq!(answers[0].status(), Status::ServiceUnavailable, "{}", answers[0].info);
    assert_eq!(cluster.height(leader), 1);
}
