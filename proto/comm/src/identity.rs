//! What a node shows of itself under TLS: a certificate chain and its key, which can be exchanged while it runs.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use sha2::{Digest, Sha256};

use crate::{
    ClientAuth, Error,
    tls::{client_cert_verifier, provider},
};

/// A certificate chain, the node's own first, and its key. Clones share what [`TlsIdentity::replace`] puts in force:
/// every listener and dialler made with one of them shows the new certificate on its next connection.
#[derive(Clone)]
pub struct TlsIdentity {
    current: Arc<ArcSwap<CertifiedKey>>,
}

/// Looks the certificate up at each handshake.
#[derive(Debug)]
struct Resolver(TlsIdentity);

// === impl TlsIdentity ===

impl TlsIdentity {
    /// Reads a chain and its key from PEM; refuses a key that is not the certificate's.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, Error> {
        let chain = certificates(chain)?;
        if chain.is_empty() {
            return Err(Error::Pem { what: "certificate" });
        }
        let certified = CertifiedKey::from_der(chain, private_key(key)?, &provider())?;
        Ok(Self { current: Arc::new(ArcSwap::from_pointee(certified)) })
    }

    /// Shows what `other` shows, from the next handshake on; connections that are open go on.
    pub fn replace(&self, other: &Self) {
        self.current.store(other.current.load_full());
    }

    /// What is in force now, as an identity that does not follow later exchanges.
    #[must_use]
    pub fn frozen(&self) -> Self {
        Self { current: Arc::new(ArcSwap::new(self.current.load_full())) }
    }

    /// The node's own certificate.
    pub fn leaf_der(&self) -> Vec<u8> {
        self.current.load().cert.first().map(|leaf| leaf.to_vec()).unwrap_or_default()
    }

    /// SHA-256 of the node's own certificate.
    pub fn leaf_hash(&self) -> [u8; 32] {
        Sha256::digest(self.leaf_der()).into()
    }

    /// Refuses a certificate that the holders of `roots` (PEM texts) would not accept at this moment (Unix seconds):
    /// of another CA, or not alive.
    pub fn check<R: AsRef<[u8]>>(&self, roots: &[R], now_unix_s: u64) -> Result<(), Error> {
        let Some(verifier) = client_cert_verifier(roots, ClientAuth::Require)? else {
            return Ok(());
        };
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now_unix_s));
        let current = self.current.load();
        let Some((leaf, above)) = current.cert.split_first() else {
            return Err(Error::Pem { what: "certificate" });
        };
        verifier.verify_client_cert(leaf, above, now)?;
        Ok(())
    }

    pub(crate) fn server_resolver(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::new(Resolver(self.clone()))
    }

    pub(crate) fn client_resolver(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::new(Resolver(self.clone()))
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = self.current.load().cert.len();
        f.debug_struct("TlsIdentity").field("chain", &chain).finish_non_exhaustive()
    }
}

// === impl Resolver ===

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current.load_full())
    }
}

impl ResolvesClientCert for Resolver {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current.load_full())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

pub(crate) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let blocks = pem::parse_many(text).map_err(|_| Error::Pem { what: "certificate" })?;
    Ok(blocks
        .into_iter()
        .filter(|block| block.tag() == "CERTIFICATE")
        .map(|block| CertificateDer::from(block.into_contents()))
        .collect())
}

fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, Error> {
    let blocks = pem::parse_many(text).map_err(|_| Error::Pem { what: "private key" })?;
    blocks
        .into_iter()
        .find_map(|block| match block.tag() {
            "PRIVATE KEY" => Some(PrivateKeyDer::Pkcs8(block.into_contents().into())),
            "EC PRIVATE KEY" => Some(PrivateKeyDer::Sec1(block.into_contents().into())),
            "RSA PRIVATE KEY" => Some(PrivateKeyDer::Pkcs1(block.into_contents().into())),
            _ => None,
        })
        .ok_or(Error::Pem { what: "private key" })
}
