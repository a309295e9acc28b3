//! What a node tells about itself: metrics under Fabric's names, logs, and the operations service.
//!
//! Place in the flow: the leftmost room; every other crate may count and log here. Labels and log lines carry
//! channels, organisations, chaincode names and codes, never anything about a patient.

pub mod logging;
pub mod metrics;
pub mod operations;
mod process;

pub use metrics::{
    CertificateMetrics, ChaincodeMetrics, DeliverMetrics, EndorserMetrics, FABRIC_LEVEL,
    GatewayMetrics, GrpcMetrics, LedgerMetrics, OrdererMetrics, PeerMetrics, Registry,
};
pub use operations::{HealthCheck, Operations, Version};
