//! What an orderer shows of itself, exchanged while it runs.

use std::sync::Arc;

use carecord_comm::{ServerTls, TlsIdentity};
use carecord_msp::{CurrentSigner, Signer};

use crate::Error;
use crate::cluster::{Links, OwnCertificates};

/// Exchanges an orderer's certificates and keys, from any task.
#[derive(Clone)]
pub struct Credentials {
    pub(crate) signer: Arc<CurrentSigner>,
    pub(crate) client_tls: ServerTls,
    pub(crate) cluster_tls: ServerTls,
    pub(crate) own: Arc<OwnCertificates>,
    pub(crate) links: Arc<Links>,
}

// === impl Credentials ===

impl Credentials {
    /// Shows other TLS certificates, the first of them at the listeners, and trusts other roots (PEM texts), on each
    /// connection from now on. What is open goes on.
    ///
    /// Other orderers are shown the certificate that the channel's configuration names, as long as its key is known.
    pub fn replace_tls(
        &self,
        listeners: &TlsIdentity,
        identities: &[TlsIdentity],
        roots: &[Vec<u8>],
    ) -> Result<(), Error> {
        self.own.replace(identities, roots.to_vec())?;
        self.client_tls.replace(listeners.clone(), roots)?;
        self.cluster_tls.replace(listeners.clone(), roots)?;
        self.links.forget();
        Ok(())
    }

    /// Signs blocks as somebody else from now on.
    pub fn replace_signer(&self, signer: Arc<dyn Signer>) {
        self.signer.replace(signer);
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("signer", &self.signer).finish_non_exhaustive()
    }
}
