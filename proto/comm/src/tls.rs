//! TLS of both ends: 1.2 or newer, HTTP/2, certificates that can be replaced while connections are open.
//!
//! No session is ever resumed: each connection proves its certificate anew, so that one that has been replaced or has
//! expired is not carried on by a ticket.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::UnixTime,
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
    time_provider::{DefaultTimeProvider, TimeProvider},
};

pub use crate::identity::TlsIdentity;
use crate::{Error, identity::certificates};

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

/// A server's TLS; clones share what [`ServerTls::replace`] puts in force.
#[derive(Clone, Debug)]
pub struct ServerTls {
    current: Arc<ArcSwap<ServerConfig>>,
    trusted: Arc<Mutex<Trusted>>,
    client_auth: ClientAuth,
    protocol: &'static [u8],
    clock: HandshakeClock,
}

/// What a server's configuration is made of.
#[derive(Debug)]
struct Trusted {
    identity: TlsIdentity,
    /// PEM texts of the roots that were given with the identity.
    roots: Vec<Vec<u8>>,
    /// Further ones, by who asked for them.
    more: BTreeMap<String, Vec<Vec<u8>>>,
}

/// A client's TLS; it shows what its [`TlsIdentity`] holds at each handshake.
#[derive(Clone, Debug)]
pub struct ClientTls {
    side: Arc<ClientSide>,
}

#[derive(Debug)]
struct ClientSide {
    config: Arc<ClientConfig>,
    identity: Option<TlsIdentity>,
}

/// The time at which certificates are looked at in handshakes: now, or so much before.
///
/// As Fabric's `TLSHandshakeTimeShift`, it lets orderers whose certificates have all expired meet once more, so that a
/// configuration with new ones can be ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandshakeClock {
    /// How far the clock is put back.
    pub shift: Duration,
}

// === impl ServerTls ===

impl ServerTls {
    /// A server that shows `identity` and checks clients against `client_roots` (PEM texts).
    pub fn new<R: AsRef<[u8]>>(
        identity: TlsIdentity,
        client_auth: ClientAuth,
        client_roots: &[R],
    ) -> Result<Self, Error> {
        Self::with_clock(identity, client_auth, client_roots, HandshakeClock::default())
    }

    /// The same with certificates looked at by another clock.
    pub fn with_clock<R: AsRef<[u8]>>(
        identity: TlsIdentity,
        client_auth: ClientAuth,
        client_roots: &[R],
        clock: HandshakeClock,
    ) -> Result<Self, Error> {
        Self::speaking(HTTP2, identity, client_auth, client_roots, clock)
    }

    /// TLS for an HTTP/1.1 listener such as the operations service.
    pub fn http<R: AsRef<[u8]>>(
        identity: TlsIdentity,
        client_auth: ClientAuth,
        client_roots: &[R],
    ) -> Result<Self, Error> {
        Self::speaking(HTTP1, identity, client_auth, client_roots, HandshakeClock::default())
    }

    fn speaking<R: AsRef<[u8]>>(
        protocol: &'static [u8],
        identity: TlsIdentity,
        client_auth: ClientAuth,
        client_roots: &[R],
        clock: HandshakeClock,
    ) -> Result<Self, Error> {
        let config = server_config(identity.clone(), client_auth, client_roots, protocol, clock)?;
        let trusted = Trusted { identity, roots: owned(client_roots), more: BTreeMap::new() };
        Ok(Self {
            current: Arc::new(ArcSwap::from_pointee(config)),
            trusted: Arc::new(Mutex::new(trusted)),
            client_auth,
            protocol,
            clock,
        })
    }

    /// Puts other certificates in force for connections from now on; if they are refused, nothing changes.
    pub fn replace<R: AsRef<[u8]>>(
        &self,
        identity: TlsIdentity,
        client_roots: &[R],
    ) -> Result<(), Error> {
        let mut trusted = self.trusted.lock();
        let more = trusted.more.clone();
        self.put(&mut trusted, Trusted { identity, roots: owned(client_roots), more })
    }

    /// Trusts further roots on behalf of `who`, such as a channel's organisations, in the place of those trusted for it
    /// before; what [`Self::replace`] gives stays trusted beside them.
    pub fn trust(&self, who: &str, roots: Vec<Vec<u8>>) -> Result<(), Error> {
        let mut trusted = self.trusted.lock();
        if trusted.more.get(who) == Some(&roots) {
            return Ok(());
        }
        let mut more = trusted.more.clone();
        more.insert(who.to_owned(), roots);
        let (identity, roots) = (trusted.identity.clone(), trusted.roots.clone());
        self.put(&mut trusted, Trusted { identity, roots, more })
    }

    fn put(&self, trusted: &mut Trusted, next: Trusted) -> Result<(), Error> {
        let mut roots: Vec<&Vec<u8>> =
            next.roots.iter().chain(next.more.values().flatten()).collect();
        roots.sort();
        roots.dedup();
        let identity = next.identity.clone();
        let config = server_config(identity, self.client_auth, &roots, self.protocol, self.clock)?;
        self.current.store(Arc::new(config));
        *trusted = next;
        Ok(())
    }

    /// Whether a client without certificate is turned away.
    pub fn requires_client_certificate(&self) -> bool {
        self.client_auth == ClientAuth::Require
    }

    /// What a listener of another kind asks at each connection, to find what is in force then.
    pub fn source(&self) -> Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync> {
        let shared = self.clone();
        Arc::new(move || shared.config())
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }
}

// === impl ClientTls ===

impl ClientTls {
    /// A client that trusts `roots` (PEM texts) and shows `identity` if it has one.
    pub fn new<R: AsRef<[u8]>>(roots: &[R], identity: Option<TlsIdentity>) -> Result<Self, Error> {
        Self::with_clock(roots, identity, HandshakeClock::default())
    }

    /// The same with certificates looked at by another clock.
    pub fn with_clock<R: AsRef<[u8]>>(
        roots: &[R],
        identity: Option<TlsIdentity>,
        clock: HandshakeClock,
    ) -> Result<Self, Error> {
        let config = Arc::new(client_config(roots, identity.clone(), HTTP2, clock)?);
        Ok(Self { side: Arc::new(ClientSide { config, identity }) })
    }

    /// SHA-256 of the certificate that this client shows: what `ChannelHeader.tls_cert_hash` must hold.
    pub fn certificate_hash(&self) -> Option<[u8; 32]> {
        self.side.identity.as_ref().map(TlsIdentity::leaf_hash)
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.side.config)
    }
}

// === impl HandshakeClock ===

impl TimeProvider for HandshakeClock {
    fn current_time(&self) -> Option<UnixTime> {
        let now = DefaultTimeProvider.current_time()?;
        let shifted = now.as_secs().saturating_sub(self.shift.as_secs());
        Some(UnixTime::since_unix_epoch(Duration::from_secs(shifted)))
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

fn owned<R: AsRef<[u8]>>(roots: &[R]) -> Vec<Vec<u8>> {
    roots.iter().map(|root| root.as_ref().to_vec()).collect()
}

fn server_config<R: AsRef<[u8]>>(
    identity: TlsIdentity,
    client_auth: ClientAuth,
    client_roots: &[R],
    protocol: &[u8],
    clock: HandshakeClock,
) -> Result<ServerConfig, Error> {
    let builder = ServerConfig::builder_with_details(provider(), Arc::new(clock))
        .with_safe_default_protocol_versions()?;
    let builder = match client_cert_verifier(client_roots, client_auth)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(identity.server_resolver());
    config.alpn_protocols = vec![protocol.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

pub(crate) fn client_config<R: AsRef<[u8]>>(
    roots: &[R],
    identity: Option<TlsIdentity>,
    protocol: &[u8],
    clock: HandshakeClock,
) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_details(provider(), Arc::new(clock))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(root_store(roots)?);
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(identity.client_resolver()),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
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
