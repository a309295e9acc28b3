//! A client's view of a network: its file, its people's keys, connections to its nodes.
//!
//! Place in the flow: every command that talks to a running network begins with [`Session::open`].

mod failure;
mod retry;

use std::collections::BTreeMap;
use std::path::Path;
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
pub use retry::{is_passing, retry};

/// An open network folder.
pub struct Session {
    dir: NetworkDir,
    file: NetworkFile,
    connections: Mutex<BTreeMap<String, Channel>>,
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

    /// A connection to `node`'s client address; one per node, made when first used.
    pub fn connect(&self, node: &NodeEntry) -> Outcome<Channel> {
        let mut connections =
            self.connections.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(channel) = connections.get(&node.name) {
            return Ok(channel.clone());
        }
        let channel = self.dial(node)?;
        connections.insert(node.name.clone(), channel.clone());
        Ok(channel)
    }

    /// A connection of its own to `node`, for load that one connection would narrow.
    pub fn dial(&self, node: &NodeEntry) -> Outcome<Channel> {
        let roots = [read_credential(&node.tls_ca_file)?];
        let admin = self.file.admin(&node.organisation)?;
        let certificate = read_credential(&admin.tls_certificate_file)?;
        let key = read_credential(&admin.tls_key_file)?;
        let unusable = |error: carecord_comm::Error| {
            Failure::new(Code::Certificate, error.to_string()).at(node.tls_ca_file.display())
        };
        let identity = TlsIdentity::from_pem(&certificate, &key).map_err(unusable)?;
        let tls = ClientTls::new(&roots, Some(identity)).map_err(unusable)?;
        dial(&Endpoint {
            address: node.address.clone(),
            tls: Some(tls),
            server_name: Some(node.tls_server_name.clone()),
        })
        .map_err(|error| Failure::new(Code::Argument, error).at(&node.address))
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
        Ok(Gateway::new(self.connect(node)?, self.signer(user)?))
    }
}
