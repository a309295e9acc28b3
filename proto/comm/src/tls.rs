//! TLS of both ends: 1.2 or newer, HTTP/2, certificates that can be replaced while connections are open.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use sha2::{Digest, Sha256};

use crate::Error;

const HTTP2: &[u8] = b"h2";
pub(crate) const HTTP1: &[u8] = b"http/1.1";

/// Whether a server wants to know its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// A certificate is neither asked for nor looked at.
    Off,
    /// A certificate that is sent must verify; none is fine.
    IfGiven,
    /// Without a certificate that verifies there is no connection.
    Require,
}

/// A certificate chain, the node's own first, and its key.
pub struct TlsIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// A server's TLS; clones share what [`ServerTls::replace`] puts in force.
#[derive(Clone, Debug)]
pub struct ServerTls {
    current: Arc<ArcSwap<ServerConfig>>,
    client_auth: ClientAuth,
}

/// A client's TLS; clones share what [`ClientTls::replace`] puts in force.
#[derive(Clone, Debug)]
pub struct ClientTls {
    current: Arc<ArcSwap<ClientSide>>,
}

#[derive(Debug)]
struct ClientSide {
    config: Arc<ClientConfig>,
    certificate_hash: Option<[u8; 32]>,
}

// === impl TlsIdentity ===

impl TlsIdentity {
    /// Reads a chain and its key from PEM.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, Error> {
        let chain = certificates(chain)?;
        if chain.is_empty() {
            return Err(Error::Pem { what: "certificate" });
        }
        Ok(Self { chain, key: private_key(key)? })
    }

    /// The node's own certificate.
    pub fn leaf_der(&self) -> &[u8] {
        self.chain.first().map_or(&[], |leaf| leaf)
    }
}

impl Clone for TlsIdentity {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

impl std::fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsIdentity").field("chain", &self.chain.len()).finish_non_exhaustive()
    }
}

// === impl ServerTls ===

impl ServerTls {
    /// A server that shows `identity` and checks clients against `client_roots` (PEM texts).
    pub fn new<R: AsRef<[u8]>>(
        identity: TlsIdentity,
        client_auth: ClientAuth,
        client_roots: &[R],
    ) -> Result<Self, Error> {
        let config = server_config(identity, client_auth, client_roots, HTTP2)?;
        Ok(Self { current: Arc::new(ArcSwap::from_pointee(config)), client_auth })
    }

    /// Puts other certificates in force for connections from now on; if they are refused, nothing changes.
    pub fn replace<R: AsRef<[u8]>>(
        &self,
        identity: TlsIdentity,
        client_roots: &[R],
    ) -> Result<(), Error> {
        let config = server_config(identity, self.client_auth, client_roots, HTTP2)?;
        self.current.store(Arc::new(config));
        Ok(())
    }

    /// Whether a client without certificate is turned away.
    pub fn requires_client_certificate(&self) -> bool {
        self.client_auth == ClientAuth::Require
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }
}

/// TLS for an HTTP/1.1 listener such as the operations service.
pub fn http_server_config<R: AsRef<[u8]>>(
    identity: TlsIdentity,
    client_auth: ClientAuth,
    client_roots: &[R],
) -> Result<Arc<ServerConfig>, Error> {
    Ok(Arc::new(server_config(identity, client_auth, client_roots, HTTP1)?))
}

// === impl ClientTls ===

impl ClientTls {
    /// A client that trusts `roots` (PEM texts) and shows `identity` if it has one.
    pub fn new<R: AsRef<[u8]>>(roots: &[R], identity: Option<TlsIdentity>) -> Result<Self, Error> {
        let side = client_side(roots, identity)?;
        Ok(Self { current: Arc::new(ArcSwap::from_pointee(side)) })
    }

    /// Puts other certificates in force for connections from now on.
    pub fn replace<R: AsRef<[u8]>>(
        &self,
        roots: &[R],
        identity: Option<TlsIdentity>,
    ) -> Result<(), Error> {
        self.current.store(Arc::new(client_side(roots, identity)?));
        Ok(())
    }

    /// SHA-256 of the certificate that this client shows: what `ChannelHeader.tls_cert_hash` must hold.
    pub fn certificate_hash(&self) -> Option<[u8; 32]> {
        self.current.load().certificate_hash
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.current.load().config)
    }
}

/// A verifier of client certificates against the given roots (PEM texts).
pub fn client_cert_verifier<R: AsRef<[u8]>>(
    roots: &[R],
    client_auth: ClientAuth,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, Error> {
    let roots = root_store(roots)?;
    if client_auth == ClientAuth::Off || (roots.is_empty() && client_auth == ClientAuth::IfGiven) {
        return Ok(None);
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let builder = match client_auth {
        ClientAuth::IfGiven => builder.allow_unauthenticated(),
        ClientAuth::Off | ClientAuth::Require => builder,
    };
    Ok(Some(builder.build()?))
}

fn server_config<R: AsRef<[u8]>>(
    identity: TlsIdentity,
    client_auth: ClientAuth,
    client_roots: &[R],
    protocol: &[u8],
) -> Result<ServerConfig, Error> {
    let builder =
        ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match client_cert_verifier(client_roots, client_auth)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(identity.chain, identity.key)?;
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

fn client_side<R: AsRef<[u8]>>(
    roots: &[R],
    identity: Option<TlsIdentity>,
) -> Result<ClientSide, Error> {
    let certificate_hash = identity
        .as_ref()
        .and_then(|identity| identity.chain.first())
        .map(|certificate| Sha256::digest(certificate).into());
    let config = client_config(roots, identity, HTTP2)?;
    Ok(ClientSide { config: Arc::new(config), certificate_hash })
}

pub(crate) fn client_config<R: AsRef<[u8]>>(
    roots: &[R],
    identity: Option<TlsIdentity>,
    protocol: &[u8],
) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(root_store(roots)?);
    let mut config = match identity {
        Some(identity) => builder.with_client_auth_cert(identity.chain, identity.key)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn root_store<R: AsRef<[u8]>>(texts: &[R]) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    for text in texts {
        for certificate in certificates(text.as_ref())? {
            store.add(certificate)?;
        }
    }
    Ok(store)
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
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
