//! What a node reads once at its start: keys, certificates, first blocks.

use std::path::Path;
use std::sync::Arc;

use carecord_comm::TlsIdentity;
use carecord_msp::{Signer, keystore};
use carecord_proto::common::Block;
use prost::Message;

use super::config::{NodeConfig, OperationsTlsConfig, TlsConfig};
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::pairs;
use crate::state::read_credential;

// === impl NodeConfig ===

impl NodeConfig {
    /// Fails where the node would fail at its start for want of a usable certificate, key or first block.
    pub(crate) fn check(&self) -> Outcome<()> {
        self.tls.identity()?;
        self.tls.root_texts()?;
        self.operations_roots()?;
        if !self.cas.is_empty() {
            return self.cas.iter().try_for_each(super::ca::check);
        }
        self.signer()?;
        self.genesis_blocks()?;
        Ok(())
    }

    /// The node's signing identity.
    pub(super) fn signer(&self) -> Outcome<Arc<dyn Signer>> {
        let identity = keystore::load_signing_identity(&self.msp_dir, &self.msp_id)
            .map_err(|error| unusable(&self.msp_dir, &error))?;
        Ok(Arc::new(identity))
    }

    /// PEM texts of the roots of the operations service's clients; none if it is served without TLS.
    pub(super) fn operations_roots(&self) -> Outcome<Option<Vec<Vec<u8>>>> {
        let texts = |tls: &OperationsTlsConfig| {
            tls.client_roots.iter().map(|path| read_credential(path)).collect()
        };
        self.operations_tls.as_ref().map(texts).transpose()
    }

    /// First blocks of the channels that the node is to be on.
    pub(super) fn genesis_blocks(&self) -> Outcome<Vec<Block>> {
        self.channels.iter().map(|path| genesis_block(path)).collect()
    }
}

// === impl TlsConfig ===

impl TlsConfig {
    /// Own certificate and key.
    pub(super) fn identity(&self) -> Outcome<TlsIdentity> {
        pairs::load(&self.certificate, &self.key)?
            .map_err(|pairs::Unusable { path, error }| unusable(&path, &error))
    }

    /// The same, and behind it the pair that is to follow it, if there is one: see [`TlsConfig::next`].
    pub(super) fn identities(&self) -> Outcome<Vec<TlsIdentity>> {
        let mut identities = vec![self.identity()?];
        let next = self.next();
        // Its certificate is on the disk before its key.
        if next.key.exists() {
            match next.identity() {
                Ok(identity) => identities.push(identity),
                // It is not in force yet: whoever is writing it may not be done.
                Err(failure) => tracing::warn!(%failure, "the next TLS certificate is not usable"),
            }
        }
        Ok(identities)
    }

    /// The pair that lies beside the one in force until the channels' configurations name it: `next.crt`, `next.key`.
    pub(crate) fn next(&self) -> Self {
        let certificate = self.certificate.with_file_name(pairs::NEXT_CERTIFICATE);
        Self { certificate, key: self.key.with_file_name(pairs::NEXT_KEY), ..self.clone() }
    }

    /// PEM texts of the roots.
    pub(super) fn root_texts(&self) -> Outcome<Vec<Vec<u8>>> {
        self.roots.iter().map(|path| read_credential(path)).collect()
    }
}

fn genesis_block(path: &Path) -> Outcome<Block> {
    let bytes = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
    Block::decode(bytes.as_slice()).map_err(|error| {
        Failure::new(Code::Genesis, format!("not a block: {error}")).at(path.display())
    })
}

/// A certificate or key that is there and cannot be used.
pub(super) fn unusable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Code::Certificate, error)
        .at(path.display())
        .hint("restore it from a backup, or make a new network in another folder")
}
