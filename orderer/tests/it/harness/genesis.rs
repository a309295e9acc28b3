//! The first block of the channel that all tests use.

use std::time::Duration;

use bytes::Bytes;
use carecord_channel::genesis::{ChannelSpec, OrganizationSpec, genesis_block};
use carecord_proto::common::Block;
use carecord_proto::etcdraft::Options;
use carecord_proto::orderer::BatchSize;

use super::node::consenter;
use super::{ABSOLUTE_MAX_BYTES, CHANNEL, Node, Org, now};

pub(super) fn genesis(orderers: &Org, hospital: &Org, nodes: &[Node]) -> Block {
    let mut spec = ChannelSpec::new(CHANNEL);
    let endpoints = nodes.iter().map(|node| format!("localhost:{}", node.client_port)).collect();
    spec.orderer.organizations = vec![
        OrganizationSpec::orderer("Orderers", orderers.msp_id, orderers.msp(), endpoints).unwrap(),
    ];
    spec.orderer.consenters = nodes.iter().map(consenter).collect();
    spec.orderer.raft = Options {
        tick_interval: "50ms".into(),
        election_tick: 10,
        heartbeat_tick: 1,
        max_inflight_blocks: 5,
        snapshot_interval_size: 16 << 20,
    };
    spec.orderer.batch_size = BatchSize {
        max_message_count: 100,
        absolute_max_bytes: ABSOLUTE_MAX_BYTES,
        preferred_max_bytes: ABSOLUTE_MAX_BYTES,
    };
    spec.orderer.batch_timeout = Duration::from_millis(100);
    let member =
        OrganizationSpec::application("HospitalA", hospital.msp_id, hospital.msp(), Vec::new());
    spec.application.organizations = vec![member.unwrap()];
    genesis_block(&spec, Bytes::from_static(&[7; 24]), now()).unwrap()
}
