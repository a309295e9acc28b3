//! Other peers that may endorse: known from the peer's own configuration and from the channels' anchor peers.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use carecord_channel::Bundle;
use carecord_comm::{
    ClientTls, Endpoint, MAX_MESSAGE_BYTES, TlsIdentity, dial,
    privdata::private_data_client::PrivateDataClient, protos::endorser_client::EndorserClient,
};
use parking_lot::Mutex;
use tonic::transport::Channel as Connection;

use crate::{config::RemoteNode, per_channel::PerChannel};

/// A peer of this or another organisation, and the connection to it.
#[derive(Debug)]
pub(crate) struct RemotePeer {
    /// What is known of it.
    pub(crate) node: RemoteNode,
    connection: Connection,
    client: EndorserClient<Connection>,
    private_data: PrivateDataClient<Connection>,
    down_until: Mutex<Option<Instant>>,
}

/// All remote peers, dialled once.
#[derive(Debug)]
pub(crate) struct RemotePeers {
    own_address: String,
    identity: Option<TlsIdentity>,
    configured: Vec<RemoteNode>,
    dialled: Mutex<HashMap<RemoteNode, Arc<RemotePeer>>>,
    by_channel: PerChannel<Arc<RemotePeer>>,
}

// === impl RemotePeer ===

impl RemotePeer {
    /// A client for one call.
    pub(crate) fn client(&self) -> EndorserClient<Connection> {
        self.client.clone()
    }

    /// A client for one call about private data.
    pub(crate) fn private_data(&self) -> PrivateDataClient<Connection> {
        self.private_data.clone()
    }

    /// Its organisation, its address and the connection to it.
    pub(crate) fn connection(&self) -> (String, String, Connection) {
        let RemoteNode { msp_id, address, .. } = self.node.clone();
        (msp_id, address, self.connection.clone())
    }

    /// Leaves the peer alone for a while: it could not be reached.
    pub(crate) fn mark_down(&self, pause: Duration) {
        *self.down_until.lock() = Some(Instant::now() + pause);
    }

    /// Whether the peer is worth asking.
    pub(crate) fn is_up(&self) -> bool {
        self.down_until.lock().is_none_or(|until| until < Instant::now())
    }
}

// === impl RemotePeers ===

impl RemotePeers {
    pub(crate) fn new(
        own_address: &str,
        identity: Option<TlsIdentity>,
        configured: Vec<RemoteNode>,
    ) -> Self {
        let own_address = own_address.to_owned();
        Self {
            own_address,
            identity,
            configured,
            dialled: Mutex::default(),
            by_channel: PerChannel::default(),
        }
    }

    /// The peers of a channel's organisations, beside this one, in a fixed order.
    pub(crate) fn of_channel(&self, bundle: &Bundle) -> Arc<[Arc<RemotePeer>]> {
        self.by_channel.get(bundle, || self.named_by(bundle))
    }

    /// Dials every peer anew when it is asked next: this peer shows another certificate.
    pub(crate) fn forget(&self) {
        self.dialled.lock().clear();
        self.by_channel.forget();
    }

    fn named_by(&self, bundle: &Bundle) -> Vec<Arc<RemotePeer>> {
        let mut nodes: Vec<RemoteNode> = Vec::new();
        for node in self.configured.iter().cloned().chain(anchor_peers(bundle)) {
            let known = nodes.iter().any(|known| known.address == node.address);
            let member = bundle.msps().msp(&node.msp_id).is_some();
            if known || !member || node.address == self.own_address {
                continue;
            }
            nodes.push(with_tls_roots(node, bundle));
        }
        nodes.into_iter().filter_map(|node| self.dialled(node)).collect()
    }

    fn dialled(&self, node: RemoteNode) -> Option<Arc<RemotePeer>> {
        let mut dialled = self.dialled.lock();
        if let Some(known) = dialled.get(&node) {
            return Some(Arc::clone(known));
        }
        let connection = match connect(&node, self.identity.as_ref()) {
            Ok(connection) => connection,
            Err(error) => {
                tracing::warn!(address = node.address, %error, "peer cannot be dialled");
                return None;
            }
        };
        let private_data = PrivateDataClient::new(connection.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let client = EndorserClient::new(connection.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let (known, down_until) = (node.clone(), Mutex::default());
        let peer =
            Arc::new(RemotePeer { node: known, connection, client, private_data, down_until });
        dialled.insert(node, Arc::clone(&peer));
        Some(peer)
    }
}

/// A connection to a node; TLS if the peer itself has TLS.
pub(crate) fn connect(
    node: &RemoteNode,
    identity: Option<&TlsIdentity>,
) -> Result<Connection, carecord_comm::Error> {
    let tls = identity.map(|own| ClientTls::new(&node.tls_roots, Some(own.clone()))).transpose()?;
    let (address, server_name) = (node.address.clone(), node.server_name.clone());
    dial(&Endpoint { address, tls, server_name })
}

/// The PEM texts of an organisation's TLS roots on a channel.
pub(crate) fn tls_roots(bundle: &Bundle, msp_id: &str) -> Vec<Vec<u8>> {
    let Some(msp) = bundle.msps().msp(msp_id) else { return Vec::new() };
    let roots = msp.tls_root_certs().iter().chain(msp.tls_intermediate_certs());
    roots.map(|root| root.to_vec()).collect()
}

fn with_tls_roots(mut node: RemoteNode, bundle: &Bundle) -> RemoteNode {
    if node.tls_roots.is_empty() {
        node.tls_roots = tls_roots(bundle, &node.msp_id);
    }
    node
}

fn anchor_peers(bundle: &Bundle) -> impl Iterator<Item = RemoteNode> {
    let organizations = bundle.application().into_iter().flat_map(|app| app.organizations.values());
    organizations.flat_map(|organization| {
        organization.anchor_peers.iter().map(|anchor| RemoteNode {
            msp_id: organization.msp_id.clone(),
            address: format!("{}:{}", anchor.host, anchor.port),
            tls_roots: Vec::new(),
            server_name: None,
        })
    })
}
