//! What an orderer counts.

use prometheus::{HistogramVec, IntCounterVec, IntGauge, IntGaugeVec};

use super::{DeliverMetrics, GrpcMetrics, Registry};

/// Everything an orderer counts.
#[derive(Clone, Debug)]
pub struct OrdererMetrics {
    /// Where all of them are registered.
    pub registry: Registry,
    /// Calls and connections.
    pub grpc: GrpcMetrics,
    /// Block streams.
    pub deliver: DeliverMetrics,
    /// Broadcast messages {channel, type, status}.
    pub broadcast_processed: IntCounterVec,
    /// The time to check a message {channel, type, status}.
    pub broadcast_validate_duration: HistogramVec,
    /// The time to queue a message {channel, type, status}.
    pub broadcast_enqueue_duration: HistogramVec,
    /// The time from a block's first transaction to its cut {channel}.
    pub block_fill_duration: HistogramVec,
    /// Height of the chain in blocks {channel}.
    pub height: IntGaugeVec,
    /// The time to append a block to the log {channel}.
    pub blockstorage_commit_time: HistogramVec,
    /// 0 inactive, 1 active, 2 onboarding, 3 failed {channel}.
    pub participation_status: IntGaugeVec,
    /// 0 other, 1 consenter, 2 follower, 3 config tracker {channel}.
    pub participation_consensus_relation: IntGaugeVec,
    /// Raft {channel}.
    pub raft: RaftMetrics,
    /// Node-to-node traffic.
    pub cluster: ClusterMetrics,
}

/// Consensus of a channel; every label set is {channel}.
#[derive(Clone, Debug)]
pub struct RaftMetrics {
    /// Voters that were heard of within an election timeout.
    pub active_nodes: IntGaugeVec,
    /// Voters.
    pub cluster_size: IntGaugeVec,
    /// The last block that is committed.
    pub committed_block_number: IntGaugeVec,
    /// The last block that a snapshot covers.
    pub snapshot_block_number: IntGaugeVec,
    /// Whether this node leads.
    pub is_leader: IntGaugeVec,
    /// Leader changes since the start.
    pub leader_changes: IntCounterVec,
    /// Configuration transactions received.
    pub config_proposals_received: IntCounterVec,
    /// Other transactions received.
    pub normal_proposals_received: IntCounterVec,
    /// Transactions that could not be proposed.
    pub proposal_failures: IntCounterVec,
    /// The time to write and sync raft's log.
    pub data_persist_duration: HistogramVec,
    /// Raft's term.
    pub term: IntGaugeVec,
}

/// Messages between orderers.
#[derive(Clone, Debug)]
pub struct ClusterMetrics {
    /// Capacity of a send queue {host, msg_type, channel}.
    pub egress_queue_capacity: IntGaugeVec,
    /// Length of a send queue {host, msg_type, channel}.
    pub egress_queue_length: IntGaugeVec,
    /// Tasks that send {channel}.
    pub egress_queue_workers: IntGaugeVec,
    /// Streams to other nodes {channel}.
    pub egress_stream_count: IntGaugeVec,
    /// TLS connections to other nodes.
    pub egress_tls_connection_count: IntGauge,
    /// Streams from other nodes.
    pub ingress_stream_count: IntGauge,
    /// Messages dropped {host, channel}.
    pub msg_dropped_count: IntCounterVec,
    /// The time to send a message {host, channel}.
    pub msg_send_time: HistogramVec,
}

// === impl OrdererMetrics ===

impl OrdererMetrics {
    /// Registers the metrics of an orderer; once per registry.
    pub fn new(registry: Registry) -> Self {
        let channel: &[&str] = &["channel"];
        let message: &[&str] = &["channel", "type", "status"];
        Self {
            grpc: GrpcMetrics::new(&registry),
            deliver: DeliverMetrics::new(&registry),
            broadcast_processed: registry.counter_vec(
                "broadcast_processed_count",
                "The number of transactions processed.",
                message,
            ),
            broadcast_validate_duration: registry.histogram_vec(
                "broadcast_validate_duration",
                "The time to validate a transaction in seconds.",
                message,
            ),
            broadcast_enqueue_duration: registry.histogram_vec(
                "broadcast_enqueue_duration",
                "The time to enqueue a transaction in seconds.",
                message,
            ),
            block_fill_duration: registry.histogram_vec(
                "blockcutter_block_fill_duration",
                "The time from first transaction enqueueing to the block being cut in seconds.",
                channel,
            ),
            height: registry.int_gauge_vec(
                "ledger_blockchain_height",
                "Height of the chain in blocks.",
                channel,
            ),
            blockstorage_commit_time: registry.ledger_histogram_vec(
                "ledger_blockstorage_commit_time",
                "Time taken in seconds for committing the block to storage.",
                channel,
            ),
            participation_status: registry.int_gauge_vec(
                "participation_status",
                "The channel participation status of the node.",
                channel,
            ),
            participation_consensus_relation: registry.int_gauge_vec(
                "participation_consensus_relation",
                "The channel participation consensus relation of the node.",
                channel,
            ),
            raft: RaftMetrics::new(&registry),
            cluster: ClusterMetrics::new(&registry),
            registry,
        }
    }
}

// === impl RaftMetrics ===

impl RaftMetrics {
    fn new(registry: &Registry) -> Self {
        let channel: &[&str] = &["channel"];
        let gauge = |name, help| registry.int_gauge_vec(name, help, channel);
        let counter = |name, help| registry.counter_vec(name, help, channel);
        Self {
            active_nodes: gauge(
                "consensus_etcdraft_active_nodes",
                "Number of active nodes in this channel.",
            ),
            cluster_size: gauge(
                "consensus_etcdraft_cluster_size",
                "Number of nodes in this channel.",
            ),
            committed_block_number: gauge(
                "consensus_etcdraft_committed_block_number",
                "The block number of the latest block committed.",
            ),
            snapshot_block_number: gauge(
                "consensus_etcdraft_snapshot_block_number",
                "The block number of the latest snapshot.",
            ),
            is_leader: gauge(
                "consensus_etcdraft_is_leader",
                "The leadership status of the current node: 1 if it is the leader else 0.",
            ),
            leader_changes: counter(
                "consensus_etcdraft_leader_changes",
                "The number of leader changes since process start.",
            ),
            config_proposals_received: counter(
                "consensus_etcdraft_config_proposals_received",
                "The total number of proposals received for config type transactions.",
            ),
            normal_proposals_received: counter(
                "consensus_etcdraft_normal_proposals_received",
                "The total number of proposals received for normal type transactions.",
            ),
            proposal_failures: counter(
                "consensus_etcdraft_proposal_failures",
                "The number of proposal failures.",
            ),
            data_persist_duration: registry.histogram_vec(
                "consensus_etcdraft_data_persist_duration",
                "The time taken for raft data to be persisted in storage (in seconds).",
                channel,
            ),
            term: gauge("carecord_raft_term", "Raft's current term."),
        }
    }
}

// === impl ClusterMetrics ===

impl ClusterMetrics {
    fn new(registry: &Registry) -> Self {
        let queue: &[&str] = &["host", "msg_type", "channel"];
        let host: &[&str] = &["host", "channel"];
        let channel: &[&str] = &["channel"];
        Self {
            egress_queue_capacity: registry.int_gauge_vec(
                "cluster_comm_egress_queue_capacity",
                "Capacity of the egress queue.",
                queue,
            ),
            egress_queue_length: registry.int_gauge_vec(
                "cluster_comm_egress_queue_length",
                "Length of the egress queue.",
                queue,
            ),
            egress_queue_workers: registry.int_gauge_vec(
                "cluster_comm_egress_queue_workers",
                "Count of egress queue workers.",
                channel,
            ),
            egress_stream_count: registry.int_gauge_vec(
                "cluster_comm_egress_stream_count",
                "Count of streams to other nodes.",
                channel,
            ),
            egress_tls_connection_count: registry.int_gauge(
                "cluster_comm_egress_tls_connection_count",
                "Count of TLS connections to other nodes.",
            ),
            ingress_stream_count: registry.int_gauge(
                "cluster_comm_ingress_stream_count",
                "Count of streams from other nodes.",
            ),
            msg_dropped_count: registry.counter_vec(
                "cluster_comm_msg_dropped_count",
                "Count of messages dropped.",
                host,
            ),
            msg_send_time: registry.histogram_vec(
                "cluster_comm_msg_send_time",
                "The time it takes to send a message in seconds.",
                host,
            ),
        }
    }
}
