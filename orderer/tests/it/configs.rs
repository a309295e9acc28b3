//! Configuration updates through Broadcast: what they change while the channel runs, and rows C1–C8, O6 and O7 of the
//! threat list over the wire.

use std::time::Duration;

use carecord_ca::Validity;
use carecord_channel::{Bundle, duration};
use carecord_proto::block;
use carecord_proto::common::{ConfigGroup, ConfigUpdate, Envelope, Status};
use carecord_proto::etcdraft::Consenter;
use carecord_proto::orderer::consensus_type::State;
use carecord_proto::orderer::{BatchSize, BatchTimeout};
use prost::Message;

use crate::harness::{Cluster, Draft, Org, now, validity};
use crate::updating::{
    current, edit_consensus, edit_raft, edited, orderer_value, send, signed, signed_and_sent,
};

fn set_timeout(root: &mut ConfigGroup, text: &str) {
    let value = BatchTimeout { timeout: text.to_owned() };
    orderer_value(root, "BatchTimeout").value = value.encode_to_vec().into();
}

fn set_batch(root: &mut ConfigGroup, edit: impl FnOnce(&mut BatchSize)) {
    let value = orderer_value(root, "BatchSize");
    let mut size = BatchSize::decode(value.value.clone()).unwrap();
    edit(&mut size);
    value.value = size.encode_to_vec().into();
}

async fn follower(cluster: &Cluster) -> usize {
    let leader = cluster.leader().await;
    (0..cluster.nodes.len()).find(|index| *index != leader).unwrap()
}

#[tokio::test]
async fn an_update_sent_to_any_orderer_is_in_force_on_all_while_the_channel_runs() {
    let cluster = Cluster::start(3).await;
    let (user, admin) = (cluster.user(), cluster.orderers.admin());
    let index = follower(&cluster).await;
    let update = edited(&cluster, index, |root| {
        set_timeout(root, "350ms");
        set_batch(root, |size| size.max_message_count = 2);
        edit_raft(root, |raft| {
            let options = raft.options.as_mut().unwrap();
            (options.tick_interval, options.election_tick) = ("40ms".to_owned(), 15);
        });
    })
    .await;
    let answer = send(&cluster, index, signed_and_sent(&update, &[&admin], &user)).await;
    assert_eq!(answer, (Status::Success, String::new()));
    cluster.wait_height(2).await;
    for index in 0..3 {
        let (config, number) = current(&cluster, index).await;
        assert_eq!((config.sequence, number), (1, 1));
        let mut root = config.channel_group.unwrap();
        let value = orderer_value(&mut root, "BatchTimeout").value.clone();
        assert_eq!(BatchTimeout::decode(value).unwrap().timeout, "350ms");
    }
    assert_eq!(duration::parse_nanos("350ms").unwrap(), 350_000_000);
    // Two envelopes fill a block now, on whichever node they come in.
    let envelopes = (0..20).map(|_| Draft::default().signed_by(&user)).collect();
    let answers = cluster.broadcast(index, envelopes).await;
    assert!(answers.iter().all(|answer| answer.status() == Status::Success));
    assert!(cluster.height(cluster.leader().await) >= 12, "blocks of at most two");
    // The same update again was made for a configuration that is gone.
    let (status, info) = send(&cluster, index, signed_and_sent(&update, &[&admin], &user)).await;
    assert_eq!(status, Status::BadRequest);
    assert!(info.contains("to version 1, but key is at version 1"), "{info}");
}

/// What is wrong, what is sent, what is answered.
type Case = (&'static str, Envelope, Status, &'static str);

async fn refused(cluster: &Cluster, cases: Vec<Case>) {
    let before = cluster.height(0);
    for (name, envelope, status, text) in cases {
        let (answered, info) = send(cluster, 0, envelope).await;
        assert!(info.contains(text), "{name}: {info}");
        assert_eq!(answered, status, "{name}: {info}");
    }
    assert_eq!(cluster.height(0), before, "nothing was ordered");
    assert_eq!(current(cluster, 0).await.0.sequence, 0, "nothing changed");
}

fn timeout_value(update: &mut ConfigUpdate) -> &mut carecord_proto::common::ConfigValue {
    orderer_value(update.write_set.as_mut().unwrap(), "BatchTimeout")
}

#[tokio::test]
async fn c1_c2_c4_an_update_with_wrong_versions_or_for_another_channel_is_refused() {
    let cluster = Cluster::start(1).await;
    let admin = cluster.orderers.admin();
    let good = edited(&cluster, 0, |root| set_timeout(root, "1s")).await;
    let change = |edit: &dyn Fn(&mut ConfigUpdate)| {
        let mut update = good.clone();
        edit(&mut update);
        signed(&update, &[&admin])
    };
    let old_read = change(&|update| {
        let read = update.read_set.as_mut().unwrap();
        read.groups.get_mut("Orderer").unwrap().version = 7;
    });
    let jump = change(&|update| timeout_value(update).version = 9);
    let no_policy = change(&|update| timeout_value(update).mod_policy.clear());
    let new_key = change(&|update| {
        let value = timeout_value(update).clone();
        let orderer = update.write_set.as_mut().unwrap().groups.get_mut("Orderer").unwrap();
        orderer.values.insert("Novel".into(), value);
    });
    let empty = change(&|update| update.write_set = update.read_set.clone());
    let elsewhere = change(&|update| update.channel_id = "other".into());
    let bad = Status::BadRequest;
    refused(
        &cluster,
        vec![
            ("C1", old_read, bad, "be at version 7, but it is currently at version 0"),
            ("C2 jump", jump, bad, "to version 9, but key is at version 0"),
            ("C2 new", new_key, bad, "to version 1, but key does not exist"),
            ("C2 empty", empty, bad, "delta set was empty -- update would have no effect"),
            ("C2 no policy", no_policy, bad, "mod_policy not set"),
            ("C4", elsewhere, bad, "ConfigUpdate for channel 'other' but envelope for channel"),
        ],
    )
    .await;
}

#[tokio::test]
async fn c3_c6_an_update_without_the_consent_of_what_it_changes_is_refused() {
    let cluster = Cluster::start(1).await;
    let admin = cluster.orderers.admin();
    let (member, foreign) = (cluster.user(), cluster.hospital.admin());
    let update = edited(&cluster, 0, |root| set_timeout(root, "1s")).await;
    // An organisation's policies are its own; with its consent alone nothing else may change along with them.
    let silent = edited(&cluster, 0, |root| {
        set_timeout(root, "1s");
        let application = root.groups.get_mut("Application").unwrap();
        let hospital = application.groups.get_mut("HospitalA").unwrap();
        hospital.policies.get_mut("Writers").unwrap().mod_policy = "Writers".to_owned();
    })
    .await;
    // Weakening a policy does not let the same update pass by the weaker one.
    let weaker = edited(&cluster, 0, |root| {
        set_timeout(root, "1s");
        orderer_value(root, "BatchTimeout").mod_policy = "/Channel/Application/Writers".to_owned();
    })
    .await;
    let (bad, text) = (Status::BadRequest, "not satisfied");
    let stranger = Org::new("HospitalAMSP", "a.test").user(validity());
    refused(
        &cluster,
        vec![
            ("C3 nobody", signed_and_sent(&update, &[], &member), bad, text),
            ("C3 member", signed(&update, &[&member]), bad, text),
            ("C3 another's admin", signed(&update, &[&foreign, &foreign]), bad, text),
            ("C6 silent change", signed(&silent, &[&foreign]), bad, text),
            ("C6 weaker", signed(&weaker, &[&foreign, &member]), bad, text),
            (
                "not a writer",
                signed_and_sent(&update, &[&admin], &stranger),
                Status::Forbidden,
                "permission denied",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn c7_consenters_that_raft_could_not_run_with_are_refused() {
    let cluster = Cluster::start(1).await;
    let admin = cluster.orderers.admin();
    let consenter = |certificate: bytes::Bytes| Consenter {
        host: "localhost".into(),
        port: 7050,
        client_tls_cert: certificate.clone(),
        server_tls_cert: certificate,
    };
    let fresh = || consenter(cluster.orderers.tls_certificate(validity()));
    let expired = Validity { not_before: now() - 2000, not_after: now() - 1000 };
    let old = consenter(cluster.orderers.tls_certificate(expired));
    let foreign = consenter(cluster.hospital.tls_certificate(validity()));
    let twins = fresh();
    let mut cases = Vec::new();
    let bad = Status::BadRequest;
    for (name, new, text) in [
        ("two at once", vec![fresh(), fresh()], "update of more than one consenter at a time"),
        ("duplicate", vec![twins.clone(), twins], "duplicate consenter"),
        ("expired", vec![old], "has invalid certificates: verifying tls client cert"),
        ("not PEM", vec![consenter("no".into())], "no PEM data found in cert[6e 6f]"),
        ("another's", vec![foreign], "certificate signed by unknown authority"),
    ] {
        let update = edited(&cluster, 0, |root| {
            edit_raft(root, |raft| raft.consenters.extend(new));
        })
        .await;
        cases.push((name, signed(&update, &[&admin]), bad, text));
    }
    refused(&cluster, cases).await;
}

#[tokio::test]
async fn c8_settings_that_an_orderer_cannot_run_with_are_refused() {
    let cluster = Cluster::start(1).await;
    let admin = cluster.orderers.admin();
    type Edit = fn(&mut ConfigGroup);
    let edits: [(&'static str, Edit, &'static str); 7] = [
        ("no messages", |r| set_batch(r, |s| s.max_message_count = 0), "invalid value: 0"),
        ("no bytes", |r| set_batch(r, |s| s.absolute_max_bytes = 0), "invalid value: 0"),
        (
            "too many bytes",
            |r| set_batch(r, |s| s.absolute_max_bytes = 101 << 20),
            "batch size absolute max bytes",
        ),
        ("no timeout", |r| set_timeout(r, "0s"), "non-positive value: 0s"),
        ("negative timeout", |r| set_timeout(r, "-1s"), "non-positive value: -1s"),
        (
            "elections before heartbeats",
            |r| edit_raft(r, |raft| raft.options.as_mut().unwrap().election_tick = 1),
            "ElectionTick (1) must be greater than HeartbeatTick (1)",
        ),
        (
            "a tick of a nanosecond",
            |r| {
                edit_raft(r, |raft| {
                    raft.options.as_mut().unwrap().tick_interval = "1ns".to_owned();
                });
            },
            "must be from 1 ms to 1 minute",
        ),
    ];
    let mut cases = Vec::new();
    for (name, edit, text) in edits {
        let update = edited(&cluster, 0, edit).await;
        cases.push((name, signed(&update, &[&admin]), Status::BadRequest, text));
    }
    refused(&cluster, cases).await;
}

#[tokio::test]
async fn o6_in_maintenance_only_the_orderers_own_writers_are_heard() {
    let cluster = Cluster::start(1).await;
    let (user, admin) = (cluster.user(), cluster.orderers.admin());
    let state = |state: State| {
        move |root: &mut ConfigGroup| edit_consensus(root, |c| c.state = state as i32)
    };
    let both = edited(&cluster, 0, |root| {
        state(State::Maintenance)(root);
        set_timeout(root, "1s");
    })
    .await;
    let (status, info) = send(&cluster, 0, signed(&both, &[&admin])).await;
    assert_eq!(status, Status::BadRequest);
    assert!(info.contains("did not pass maintenance checks"), "{info}");

    let enter = edited(&cluster, 0, state(State::Maintenance)).await;
    assert_eq!(send(&cluster, 0, signed(&enter, &[&admin])).await.0, Status::Success);
    let (status, info) = send(&cluster, 0, Draft::default().signed_by(&user)).await;
    assert_eq!(status, Status::ServiceUnavailable);
    assert_eq!(info, "normal transactions are rejected: maintenance mode");
    let leave = edited(&cluster, 0, state(State::Normal)).await;
    let by_user = signed_and_sent(&leave, &[&admin], &user);
    assert_eq!(send(&cluster, 0, by_user).await.0, Status::Forbidden);
    assert_eq!(send(&cluster, 0, signed(&leave, &[&admin])).await.0, Status::Success);
    let (status, info) = send(&cluster, 0, Draft::default().signed_by(&user)).await;
    assert_eq!(status, Status::Success, "{info}");
}

/// Lets nobody but its admins write for the hospital while transactions of a user wait behind the update.
#[tokio::test]
async fn o7_what_was_admitted_under_a_configuration_that_is_gone_is_decided_again() {
    let cluster = Cluster::start(3).await;
    let user = cluster.user();
    let admin = cluster.hospital.admin();
    let update = edited(&cluster, 0, |root| {
        let application = root.groups.get_mut("Application").unwrap();
        let policies = &mut application.groups.get_mut("HospitalA").unwrap().policies;
        let admins = policies["Admins"].policy.clone();
        policies.get_mut("Writers").unwrap().policy = admins;
    })
    .await;
    let mut envelopes: Vec<Envelope> = vec![signed(&update, &[&admin])];
    envelopes.extend((0..10).map(|_| Draft::default().signed_by(&user)));
    let leader = cluster.leader().await;
    let answers = cluster.broadcast(leader, envelopes).await;
    assert_eq!(answers[0].status(), Status::Success, "{}", answers[0].info);
    // The stream ends with the first refusal; what came before it was cut before the update, and nothing was.
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[1].status(), Status::Forbidden, "{}", answers[1].info);
    assert!(answers[1].info.ends_with("permission denied"), "{}", answers[1].info);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(cluster.height(leader), 2, "only the configuration was ordered");
}

#[tokio::test]
async fn c5_a_configuration_that_its_update_does_not_lead_to_is_refused_by_whoever_receives_it() {
    let cluster = Cluster::start(1).await;
    let (user, admin) = (cluster.user(), cluster.orderers.admin());
    let genesis = crate::deliver::one(&cluster, 0, &user, Some(0)).await;
    let before = Bundle::from_block(&genesis).unwrap();
    let update = edited(&cluster, 0, |root| set_timeout(root, "1s")).await;
    assert_eq!(send(&cluster, 0, signed(&update, &[&admin])).await.0, Status::Success);
    let block = crate::deliver::one(&cluster, 0, &user, Some(1)).await;
    let envelope = block::config_envelope(&block).unwrap().unwrap();
    assert_eq!(before.next_bundle(&envelope).unwrap().sequence(), 1);
    let mut forged = envelope.clone();
    let root = forged.config.as_mut().unwrap().channel_group.as_mut().unwrap();
    set_timeout(root, "2s");
    let refused = before.next_bundle(&forged).unwrap_err().to_string();
    assert_eq!(refused, "ConfigEnvelope LastUpdate did not produce the supplied config result");
    let mut later = envelope;
    later.config.as_mut().unwrap().sequence = 2;
    let refused = before.next_bundle(&later).unwrap_err().to_string();
    assert!(refused.contains("cannot validate config at sequence 2"), "{refused}");
}

/// Fabric orders what the policies allow, even that nobody can change an element any more; so do we.
#[tokio::test]
async fn c9_an_organisation_may_lock_itself_out_if_its_policies_allow_it() {
    let cluster = Cluster::start(1).await;
    let admin = cluster.hospital.admin();
    let lock = edited(&cluster, 0, |root| {
        let application = root.groups.get_mut("Application").unwrap();
        let hospital = application.groups.get_mut("HospitalA").unwrap();
        hospital.mod_policy = "NoSuchPolicy".to_owned();
    })
    .await;
    assert_eq!(send(&cluster, 0, signed(&lock, &[&admin])).await.0, Status::Success);
    let again = edited(&cluster, 0, |root| {
        let application = root.groups.get_mut("Application").unwrap();
        application.groups.get_mut("HospitalA").unwrap().mod_policy = "Admins".to_owned();
    })
    .await;
    let (status, info) = send(&cluster, 0, signed(&again, &[&admin])).await;
    assert_eq!(status, Status::BadRequest);
    assert!(info.contains("unexpected missing policy NoSuchPolicy"), "{info}");
}

#[tokio::test]
async fn v16_an_update_that_is_nested_too_deep_is_refused_before_it_is_ordered() {
    let cluster = Cluster::start(1).await;
    let admin = cluster.orderers.admin();
    let nested = |depth: usize| {
        let group = |inner| ConfigGroup {
            groups: [("g".to_owned(), inner)].into(),
            ..ConfigGroup::default()
        };
        (0..depth).fold(ConfigGroup::default(), |inner, _| group(inner))
    };
    let update = |depth| {
        let (channel_id, write_set) = ("care".to_owned(), Some(nested(depth)));
        signed(&ConfigUpdate { channel_id, write_set, ..ConfigUpdate::default() }, &[&admin])
    };
    let bad = Status::BadRequest;
    refused(
        &cluster,
        vec![
            ("deep", update(20), bad, "config groups are nested deeper than 8"),
            ("bomb", update(200), bad, "error unmarshalling ConfigUpdate"),
        ],
    )
    .await;
}
