//! The certificates by which other orderers may know this one.
//!
//! While a certificate is being exchanged, a channel's configuration names the old one until the block that changes it,
//! each orderer in its own time. So this node keeps all it has the keys of, and shows what its own configuration names
//! first and another where that is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use carecord_comm::{ClientTls, HandshakeClock, ServerTls, TlsIdentity};
use parking_lot::RwLock;

use crate::Error;

/// Certificates kept beside those that files hold: those that a channel may still name.
const KEPT: usize = 4;

/// This node's cluster certificates and whom it trusts.
#[derive(Debug)]
pub struct OwnCertificates(RwLock<Held>);

#[derive(Debug)]
struct Held {
    /// The most wanted first; each stays what it is, unlike those of the listeners.
    identities: Vec<Arc<One>>,
    /// Those of this node's files.
    roots: Vec<Vec<u8>>,
    /// Those of the organisations of each channel.
    of_channels: BTreeMap<String, Vec<Vec<u8>>>,
    /// Listeners, which trust the organisations of the channels too.
    listeners: Vec<ServerTls>,
    clock: HandshakeClock,
}

#[derive(Debug)]
struct One {
    der: Vec<u8>,
    identity: TlsIdentity,
    tls: ClientTls,
}

// === impl OwnCertificates ===

impl OwnCertificates {
    /// Certificates in the order in which they are wanted, and PEM texts of the roots of all orderers.
    pub fn new(
        identities: &[TlsIdentity],
        roots: Vec<Vec<u8>>,
        clock: HandshakeClock,
    ) -> Result<Self, Error> {
        let identities = made(identities, &roots, clock)?;
        let (of_channels, listeners) = (BTreeMap::new(), Vec::new());
        Ok(Self(RwLock::new(Held { identities, roots, of_channels, listeners, clock })))
    }

    /// Takes other certificates and roots; those before stay known behind them, in case a channel names them still.
    pub fn replace(&self, identities: &[TlsIdentity], roots: Vec<Vec<u8>>) -> Result<(), Error> {
        let mut held = self.0.write();
        let mut all = identities.to_vec();
        for before in &held.identities {
            if all.len() < identities.len() + KEPT && all.iter().all(|i| i.leaf_der() != before.der)
            {
                all.push(before.identity.clone());
            }
        }
        held.identities = made(&all, &held.trusted(&roots), held.clock)?;
        held.roots = roots;
        Ok(())
    }

    /// A listener of this node, to which whoever is on a channel may come.
    pub fn listens(&self, listener: ServerTls) {
        self.0.write().listeners.push(listener);
    }

    /// Trusts the TLS roots of a channel's organisations from now on, at the listeners and at nodes that are dialled; those
    /// who have left the channel are no longer trusted for it.
    pub(crate) fn trust(&self, channel: &str, roots: Vec<Vec<u8>>) -> Result<(), Error> {
        let mut held = self.0.write();
        if held.of_channels.get(channel) == Some(&roots) {
            return Ok(());
        }
        held.of_channels.insert(channel.to_owned(), roots.clone());
        let all: Vec<_> = held.identities.iter().map(|one| one.identity.clone()).collect();
        held.identities = made(&all, &held.trusted(&held.roots), held.clock)?;
        for listener in &held.listeners {
            listener.trust(channel, roots.clone())?;
        }
        Ok(())
    }

    /// Whether this node has the key of this certificate.
    pub(crate) fn has(&self, der: &[u8]) -> bool {
        self.0.read().identities.iter().any(|one| one.der == der)
    }

    /// TLS for the `attempt`th try to reach somebody who knows this node by `named`, and what it shows.
    pub(crate) fn for_attempt(&self, named: &[u8], attempt: usize) -> Option<(Vec<u8>, ClientTls)> {
        let held = self.0.read();
        let mut order: Vec<_> = held.identities.iter().collect();
        order.sort_by_key(|one| one.der != named);
        let one = order.get(attempt % order.len().max(1))?;
        Some((one.der.clone(), one.tls.clone()))
    }

    /// How many certificates there are to try.
    pub(crate) fn count(&self) -> usize {
        self.0.read().identities.len()
    }
}

// === impl Held ===

impl Held {
    /// The roots of files and of channels, each once.
    fn trusted(&self, files: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut all: Vec<_> =
            files.iter().chain(self.of_channels.values().flatten()).cloned().collect();
        all.sort();
        all.dedup();
        all
    }
}

fn made(
    identities: &[TlsIdentity],
    roots: &[Vec<u8>],
    clock: HandshakeClock,
) -> Result<Vec<Arc<One>>, Error> {
    let mut all: Vec<Arc<One>> = Vec::new();
    for identity in identities {
        let der = identity.leaf_der();
        if all.iter().any(|one| one.der == der) {
            continue;
        }
        let frozen = identity.frozen();
        let tls = ClientTls::with_clock(roots, Some(frozen.clone()), clock)?;
        all.push(Arc::new(One { der, identity: frozen, tls }));
    }
    Ok(all)
}
