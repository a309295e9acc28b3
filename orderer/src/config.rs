//! What an orderer is told at its start.

use std::path::PathBuf;
use std::sync::Arc;

use carecord_comm::ServerTls;
use carecord_consensus::Acknowledge;
use carecord_msp::Signer;

use crate::OwnCertificates;

/// Everything that [`Orderer::start`](crate::Orderer::start) needs; read from files by the caller.
pub struct Config {
    /// The node's name, for logs.
    pub name: String,
    /// Where its channels' logs lie, a folder each.
    pub data: PathBuf,
    /// Where clients reach Broadcast and Deliver.
    pub client_listen: String,
    /// TLS of the client listener.
    pub client_tls: ServerTls,
    /// Where other orderers reach this one.
    pub cluster_listen: String,
    /// TLS of the cluster listener; must require a client certificate.
    pub cluster_tls: ServerTls,
    /// How this node shows itself to other orderers, and by which it finds itself among the consenters.
    pub own: Arc<OwnCertificates>,
    /// Signs blocks.
    pub signer: Arc<dyn Signer>,
    /// When clients hear SUCCESS.
    pub acknowledge: Acknowledge,
}
