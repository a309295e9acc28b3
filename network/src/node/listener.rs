//! TLS of a node's HTTP listeners (operations, administration), whose client roots are exchanged while it runs.

use std::path::{Path, PathBuf};

use carecord_comm::tls::client_cert_verifier;
use carecord_comm::{ClientAuth, ServerTls, TlsIdentity};
use carecord_monitoring::operations::TlsSource;

use super::files::unusable;
use crate::certificates::Certificate;
use crate::error::Outcome;
use crate::state::read_credential;

/// The TLS of one listener.
#[derive(Clone)]
pub(super) struct ListenerTls {
    server: ServerTls,
    /// Shared with the node, which exchanges what it shows.
    identity: TlsIdentity,
    client_auth: ClientAuth,
    roots: Vec<PathBuf>,
}

// === impl ListenerTls ===

impl ListenerTls {
    /// Shows `identity` and lets clients in whom the CAs in the files `roots` vouch for.
    pub(super) fn new(
        identity: &TlsIdentity,
        client_auth: ClientAuth,
        roots: &[PathBuf],
    ) -> Outcome<Self> {
        let texts = texts(roots)?;
        let server = ServerTls::http(identity.clone(), client_auth, &texts)
            .map_err(|error| unusable(named(roots), &error))?;
        Ok(Self { server, identity: identity.clone(), client_auth, roots: roots.to_vec() })
    }

    /// What the listener asks at each connection.
    pub(super) fn source(&self) -> TlsSource {
        self.server.source()
    }

    /// The files that clients' roots come from.
    pub(super) fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// Reads the roots anew; fails if they cannot be used. Nothing changes yet.
    pub(super) fn read(&self) -> Outcome<Vec<Vec<u8>>> {
        let texts = texts(&self.roots)?;
        client_cert_verifier(&texts, self.client_auth)
            .map_err(|error| unusable(named(&self.roots), &error))?;
        Ok(texts)
    }

    /// Trusts what [`ListenerTls::read`] has read, on each connection from now on.
    pub(super) fn take(&self, texts: &[Vec<u8>]) -> Outcome<()> {
        self.server
            .replace(self.identity.clone(), texts)
            .map_err(|error| unusable(named(&self.roots), &error))
    }
}

fn texts(roots: &[PathBuf]) -> Outcome<Vec<Vec<u8>>> {
    let text = |path: &PathBuf| {
        let text = read_credential(path)?;
        // A file that is just being written would otherwise lock everybody out.
        match Certificate::of_pem(&text).is_empty() {
            true => Err(unusable(path, &"there is no certificate in this file")),
            false => Ok(text),
        }
    };
    roots.iter().map(text).collect()
}

fn named(roots: &[PathBuf]) -> &Path {
    roots.first().map_or(Path::new(""), PathBuf::as_path)
}
