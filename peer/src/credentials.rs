//! What a peer shows of itself, exchanged while it runs: TLS certificate, signing identity, its organisation's MSP.

use std::sync::Arc;

use bytes::Bytes;
use carecord_comm::TlsIdentity;
use carecord_msp::{CurrentSigner, Msp, Signer};
use parking_lot::RwLock;

use crate::{PeerConfig, peer::Peer};

/// The peer's credentials as they are now.
#[derive(Debug)]
pub(crate) struct Credentials {
    tls: Option<TlsIdentity>,
    client_roots: RwLock<Vec<Vec<u8>>>,
    signer: CurrentSigner,
    local_msp: RwLock<Arc<Msp>>,
}

// === impl Credentials ===

impl Credentials {
    pub(crate) fn of(config: &PeerConfig) -> Self {
        let roots = config.tls.as_ref().map(|tls| tls.client_roots.clone());
        Self {
            tls: config.tls.as_ref().map(|tls| tls.identity.clone()),
            client_roots: RwLock::new(roots.unwrap_or_default()),
            signer: CurrentSigner::new(Arc::clone(&config.signer)),
            local_msp: RwLock::new(Arc::clone(&config.local_msp)),
        }
    }

    /// Certificate and key for listener and diallers, if the peer has TLS.
    pub(crate) fn tls(&self) -> Option<&TlsIdentity> {
        self.tls.as_ref()
    }

    /// PEM texts of the roots for clients that belong to no channel.
    pub(crate) fn client_roots(&self) -> Vec<Vec<u8>> {
        self.client_roots.read().clone()
    }

    /// SHA-256 of the certificate that the peer shows when it dials; empty without TLS.
    pub(crate) fn certificate_hash(&self) -> Bytes {
        let hash = self.tls.as_ref().map(TlsIdentity::leaf_hash);
        hash.map(|hash| Bytes::copy_from_slice(&hash)).unwrap_or_default()
    }

    /// Whom the peer signs as; one for creator and signature.
    pub(crate) fn signer(&self) -> Arc<dyn Signer> {
        self.signer.get()
    }

    /// The peer's own organisation, for what belongs to no channel.
    pub(crate) fn local_msp(&self) -> Arc<Msp> {
        Arc::clone(&self.local_msp.read())
    }
}

// === impl Peer ===

impl Peer {
    /// Shows another TLS certificate and trusts these roots (PEM texts) beside those of the channels, on each connection
    /// from now on. What is open goes on; other nodes are dialled anew when they are asked next.
    pub fn replace_tls(&self, identity: &TlsIdentity, client_roots: Vec<Vec<u8>>) {
        let Some(own) = self.credentials().tls() else { return };
        own.replace(identity);
        *self.credentials().client_roots.write() = client_roots;
        self.take_over_roots();
        self.remote_peers().forget();
        self.orderers().forget();
    }

    /// Signs endorsements and requests as somebody else from now on.
    pub fn replace_signer(&self, signer: Arc<dyn Signer>) {
        self.credentials().signer.replace(signer);
    }

    /// Judges who may use the peer as a whole by another MSP from now on: other CAs, revocation lists or roles.
    pub fn replace_local_msp(&self, msp: Arc<Msp>) {
        *self.credentials().local_msp.write() = msp;
    }
}
