//! A client's view of a network: its file, its people's keys, connections to its nodes.
//!
//! Place in the flow: every command that talks to a running network begins with [`Session::open`].

mod failure;
mod fault;
mod retry;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use carecord_comm::tls::TlsIdentity;
use carecord_comm::{ClientTls, Endpoint, dial};
use carecord_msp::{Signer, SigningIdentity};
use carecord_sdk::Gateway;
use tonic::transport::Channel;

use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::state::{NetworkDir, NetworkFile, NodeEntry, UserEntry, read_credential};

pub use failure::from_sdk;
pub(crate) use fault::issuer;
pub use retry::{is_passing, retry};

/// An open network folder.
pub struct Session {
    dir: NetworkDir,
    file: NetworkFile,
    connections: Mutex<BTreeMap<(String, PathBuf), Channel>>,
}

// === impl Session ===

impl Session {
    /// Reads the network of the folder `dir`.
    pub fn open(dir: &Path) -> Outcome<Self> {
        let dir = NetworkDir::new(dir)?;
        let file = dir.read()?;
        Ok(Self { dir, file, connections: Mutex::new(BTreeMap::new()) })
    }

    /// Its folder.
    pub fn dir(&self) -> &NetworkDir {
        &self.dir
    }

    /// Its file.
    pub fn file(&self) -> &NetworkFile {
        &self.file
    }

    /// The connection of `user` to `node`'s client address, which shows the user's own TLS certificate; one for each
    /// user and node, made when first used.
    pub fn connect(&self, node: &NodeEntry, user: &UserEntry) -> Outcome<Channel> {
        let mut connections =
            self.connections.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let ends = (node.name.clone(), user.tls_certificate_file.clone());
        if let Some(channel) = connections.get(&ends) {
            return Ok(channel.clone());
        }
        let channel = dial_as(node, user)?;
        connections.insert(ends, channel.clone());
        Ok(channel)
    }

    /// The keys of `user`.
    pub fn signer(&self, user: &UserEntry) -> Outcome<Arc<dyn Signer>> {
        let certificate = read_credential(&user.certificate_file)?;
        let key = read_credential(&user.key_file)?;
        let identity =
            SigningIdentity::from_pem(&user.msp_id, &certificate, &key).map_err(|error| {
                Failure::new(Code::Certificate, error).at(user.certificate_file.display())
            })?;
        Ok(Arc::new(identity))
    }

    /// `user` at the gateway of `node`, or of the peer of the user's own organisation.
    pub fn gateway(&self, user: &UserEntry, node: Option<&str>) -> Outcome<Gateway> {
        let node = match node {
            Some(name) => self.file.node(name)?,
            None => self.file.peer_of(&user.organisation)?,
        };
        Ok(Gateway::new(self.connect(node, user)?, self.signer(user)?))
    }
}

fn dial_as(node: &NodeEntry, user: &UserEntry) -> Outcome<Channel> {
    let roots = [read_credential(&node.tls_ca_file)?];
    let certificate = read_credential(&user.tls_certificate_file)?;
    let key = read_credential(&user.tls_key_file)?;
    let identity = TlsIdentity::from_pem(&certificate, &key)
        .map_err(|error| unusable(&user.tls_certificate_file, error))?;
    let tls = ClientTls::new(&roots, Some(identity))
        .map_err(|error| unusable(&node.tls_ca_file, error))?;
    dial(&Endpoint {
        address: node.address.clone(),
        tls: Some(tls),
        server_name: Some(node.tls_server_name.clone()),
    })
    .map_err(|error| Failure::new(Code::Argument, error).at(&node.address))
}

/// A certificate or key that is there and cannot be used.
pub(crate) fn unusable(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::new(Code::Certificate, error).at(path.display())
}

/// A node that did not answer a call, or refused it as a whole.
pub(crate) fn unreachable(node: &NodeEntry, status: &tonic::Status) -> Failure {
    let cause = format!("{} ({:?})", status.message(), status.code());
    let code = match status.code() {
        tonic::Code::Unavailable => Code::GatewayUnreachable,
        tonic::Code::DeadlineExceeded => Code::Deadline,
        tonic::Code::PermissionDenied | tonic::Code::Unauthenticated => Code::Refused,
        _ => Code::Deliver,
    };
    Failure::new(code, cause).at(format!("{} at {}", node.name, node.address))
}
