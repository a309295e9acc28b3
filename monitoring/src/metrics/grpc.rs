//! What gRPC servers and block streams count.

use prometheus::{HistogramVec, IntCounter, IntCounterVec};

use super::Registry;

/// Calls and connections of a gRPC server.
#[derive(Clone, Debug)]
pub struct GrpcMetrics {
    /// Connections accepted.
    pub connections_opened: IntCounter,
    /// Connections ended.
    pub connections_closed: IntCounter,
    /// Unary calls begun {service, method}.
    pub unary_received: IntCounterVec,
    /// Unary calls ended {service, method, code}.
    pub unary_completed: IntCounterVec,
    /// The time a unary call took {service, method, code}.
    pub unary_duration: HistogramVec,
    /// Streaming calls begun {service, method}.
    pub stream_received: IntCounterVec,
    /// Streaming calls ended {service, method, code}.
    pub stream_completed: IntCounterVec,
    /// The time a streaming call took {service, method, code}.
    pub stream_duration: HistogramVec,
    /// Messages received on streams {service, method}.
    pub messages_received: IntCounterVec,
    /// Messages sent on streams {service, method}.
    pub messages_sent: IntCounterVec,
}

/// Block streams of a peer or an orderer.
#[derive(Clone, Debug)]
pub struct DeliverMetrics {
    /// Streams opened.
    pub streams_opened: IntCounter,
    /// Streams closed.
    pub streams_closed: IntCounter,
    /// Seek requests received {channel, filtered, data_type}.
    pub requests_received: IntCounterVec,
    /// Seek requests ended {channel, filtered, data_type, success}.
    pub requests_completed: IntCounterVec,
    /// Blocks sent {channel, filtered, data_type}.
    pub blocks_sent: IntCounterVec,
}

// === impl GrpcMetrics ===

impl GrpcMetrics {
    /// Registers the metrics of a gRPC server.
    pub fn new(registry: &Registry) -> Self {
        let call: &[&str] = &["service", "method"];
        let ended: &[&str] = &["service", "method", "code"];
        let counter = |name, help, labels| registry.counter_vec(name, help, labels);
        Self {
            connections_opened: registry
                .counter("grpc_comm_conn_opened", "gRPC connections opened."),
            connections_closed: registry
                .counter("grpc_comm_conn_closed", "gRPC connections closed."),
            unary_received: counter(
                "grpc_server_unary_requests_received",
                "The number of unary requests received.",
                call,
            ),
            unary_completed: counter(
                "grpc_server_unary_requests_completed",
                "The number of unary requests completed.",
                ended,
            ),
            unary_duration: registry.histogram_vec(
                "grpc_server_unary_request_duration",
                "The time to complete a unary request, in seconds.",
                ended,
            ),
            stream_received: counter(
                "grpc_server_stream_requests_received",
                "The number of stream requests received.",
                call,
            ),
            stream_completed: counter(
                "grpc_server_stream_requests_completed",
                "The number of stream requests completed.",
                ended,
            ),
            stream_duration: registry.histogram_vec(
                "grpc_server_stream_request_duration",
                "The time to complete a stream request, in seconds.",
                ended,
            ),
            messages_received: counter(
                "grpc_server_stream_messages_received",
                "The number of stream messages received.",
                call,
            ),
            messages_sent: counter(
                "grpc_server_stream_messages_sent",
                "The number of stream messages sent.",
                call,
            ),
        }
    }
}

// === impl DeliverMetrics ===

impl DeliverMetrics {
    /// Registers the metrics of a deliver service.
    pub fn new(registry: &Registry) -> Self {
        let request: &[&str] = &["channel", "filtered", "data_type"];
        Self {
            streams_opened: registry.counter(
                "deliver_streams_opened",
                "The number of deliver streams that have been opened.",
            ),
            streams_closed: registry.counter(
                "deliver_streams_closed",
                "The number of deliver streams that have been closed.",
            ),
            requests_received: registry.counter_vec(
                "deliver_requests_received",
                "The number of deliver requests that have been received.",
                request,
            ),
            requests_completed: registry.counter_vec(
                "deliver_requests_completed",
                "The number of deliver requests that have been completed.",
                &["channel", "filtered", "data_type", "success"],
            ),
            blocks_sent: registry.counter_vec(
                "deliver_blocks_sent",
                "The number of blocks sent by the deliver service.",
                request,
            ),
        }
    }
}
