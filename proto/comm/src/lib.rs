//! gRPC between processes: generated services, servers and reconnecting dial over mutual TLS, limits.
//!
//! Place in the flow: the shells of peer, orderer and SDK speak to each other through this crate and nothing else.
//! A handler sees the certificate of its caller as the request extension [`PeerCertificate`].

pub mod ahead;
mod call;
pub mod dial;
mod fairness;
mod https;
mod identity;
mod inbound;
pub mod limits;
mod messages;
mod server;
pub mod status;
pub mod tls;

#[allow(missing_docs, unreachable_pub, clippy::all, rustdoc::all)]
mod generated {
    pub mod orderer {
        tonic::include_proto!("orderer");
    }
    pub mod protos {
        tonic::include_proto!("protos");
    }
    pub mod gateway {
        tonic::include_proto!("gateway");
    }
    pub mod cluster {
        tonic::include_proto!("carecord.orderer");
    }
    pub mod privdata {
        tonic::include_proto!("carecord.privdata");
    }
    pub mod vault {
        tonic::include_proto!("carecord.vault");
    }
}

pub use dial::{Endpoint, dial};
pub use fairness::Connection;
pub use generated::*;
pub use https::HttpsClient;
pub use identity::TlsIdentity;
pub use limits::{Limits, MAX_MESSAGE_BYTES};
pub use server::{
    PeerCertificate, Server, ServerHandle, deadline, peer_address, peer_certificate,
    peer_connection,
};
pub use status::{
    cause, cause_of_end, code_name, end_with_cause, error_details, with_cause, with_details,
};
pub use tls::{ClientAuth, ClientTls, HandshakeClock, ServerTls};

/// Why a connection could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A PEM text holds no certificate or no key.
    #[error("no {what} in the PEM text")]
    Pem {
        /// What was looked for.
        what: &'static str,
    },
    /// TLS refused certificates or keys.
    #[error("TLS set-up: {0}")]
    Tls(#[from] rustls::Error),
    /// The roots against which clients are checked cannot be used.
    #[error("client roots: {0}")]
    ClientRoots(#[from] rustls::server::VerifierBuilderError),
    /// An address is not `host:port`.
    #[error("address '{0}' is not of the form host:port")]
    Address(String),
    /// A listener could not be opened, most often because another program has the port.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
