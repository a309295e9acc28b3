//! Arguments that say which CA, and who calls it.

use std::path::PathBuf;

use carecord_ca::client::{Client, Credential, read_msp};
use clap::Args;

use crate::cli::target::Folder;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::membership::{ca_of, client, registrar, said};
use crate::node::ca::failure;
use crate::state::{NetworkDir, NodeEntry, read_credential};

/// Which CA: an organisation's of the network folder, or one at an address.
#[derive(Debug, Clone, Args)]
pub(super) struct AtCa {
    #[command(flatten)]
    pub(super) folder: Folder,
    /// Organisation whose CA is meant.
    #[arg(long, value_name = "ORGANISATION")]
    pub(super) ca: Option<String>,
    /// Address of a CA outside the network folder.
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "ca", requires = "tls_ca")]
    pub(super) url: Option<String>,
    /// Certificate of the CA that vouches for its TLS.
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(super) tls_ca: Option<PathBuf>,
    /// Name in its TLS certificate; the host of its address if not named.
    #[arg(long, value_name = "NAME", requires = "url")]
    pub(super) tls_name: Option<String>,
    /// Name of the CA among those of its server.
    #[arg(long, value_name = "NAME", requires = "url")]
    pub(super) ca_name: Option<String>,
    /// MSP folder of the registrar; the first registrar of the network folder's CA if not named.
    #[arg(long, value_name = "MSP")]
    pub(super) registrar: Option<PathBuf>,
}

// === impl AtCa ===

impl AtCa {
    /// Whether a CA was named at all.
    pub(super) fn is_named(&self) -> bool {
        self.ca.is_some() || self.url.is_some()
    }

    /// The node of the network folder, if one is meant.
    pub(super) fn node(&self) -> Outcome<Option<NodeEntry>> {
        let Some(organisation) = &self.ca else { return Ok(None) };
        let file = NetworkDir::new(&self.folder.dir)?.read()?;
        ca_of(&file, organisation).cloned().map(Some)
    }

    /// A client of it.
    pub(super) fn client(&self) -> Outcome<Client> {
        if let Some(node) = self.node()? {
            return client(&node);
        }
        let missing = || {
            Failure::new(Code::Argument, "no CA is named")
                .hint("name an organisation with --ca, or an address with --url and --tls-ca")
        };
        let url = self.url.as_deref().ok_or_else(missing)?;
        let url = url.strip_prefix("https://").unwrap_or(url).trim_end_matches('/');
        let roots = [read_credential(self.tls_ca.as_ref().ok_or_else(missing)?)?];
        let host = url.rsplit_once(':').map_or(url, |(host, _)| host);
        let server_name = self.tls_name.as_deref().unwrap_or(host);
        Client::new(url, server_name, &roots, self.ca_name.as_deref()).map_err(said)
    }

    /// Who acts.
    pub(super) fn registrar(&self) -> Outcome<Credential> {
        match (&self.registrar, self.node()?) {
            (Some(folder), _) => read_msp(folder).map_err(failure),
            (None, Some(node)) => registrar(&node),
            (None, None) => Err(Failure::new(Code::Argument, "no registrar is named")
                .hint("name the registrar's MSP folder with --registrar")),
        }
    }

    /// What files of this CA are named by.
    pub(super) fn file_name(&self) -> Outcome<String> {
        let (address, name) = match self.node()? {
            Some(node) => (node.address, node.name),
            None => (
                self.url.clone().unwrap_or_default(),
                self.ca_name.clone().unwrap_or_else(|| "ca".to_owned()),
            ),
        };
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        Ok(format!("{}-{name}", address.chars().map(plain).collect::<String>()))
    }
}
