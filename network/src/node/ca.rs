//! A membership service: from its configuration to [`carecord_ca::server::Server`].

use std::sync::Arc;

use carecord_ca::server::Server;
use carecord_ca::service::{Ca, CaConfig};
use carecord_comm::{ClientAuth, ServerTls, TlsIdentity};
use carecord_msp::{Msp, Signer};
use tokio::net::TcpListener;

use super::config::NodeConfig;
use super::expiry;
use super::files::unusable;
use super::operations::{Observed, listen};
use super::reload::{self, Renewable};
use super::run::wait_for_end;
use crate::bringup::now_unix_s;
use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// Runs the service until it is told to end.
pub(super) async fn run(config: &NodeConfig, observed: &Observed) -> Outcome<()> {
    if config.cas.is_empty() {
        return Err(
            Failure::new(Code::NodeConfig, "a CA node needs a [[cas]] section").at(&config.name)
        );
    }
    let cas = config.cas.iter().map(open).collect::<Outcome<Vec<_>>>()?;
    let watched = cas.clone();
    let health = Arc::new(move || {
        watched.iter().try_for_each(|ca| match ca.store().has_affiliation("") {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        })
    });
    let server = Server::new(cas).map_err(failure)?;
    let identity = config.tls.identity()?;
    let beside = observed.serve(config, &identity, "ca", health).await?;
    let service = Service { shown: identity.clone() };
    let none = Vec::new;
    tokio::select! {
        ended = wait_for_end() => ended.outcome(),
        ended = serve(config, server, identity) => ended,
        failed = reload::follow(config, &service, beside.as_slice(), &observed.certificates) => failed,
        () = expiry::follow(config, &none, &observed.certificates) => Ok(()),
    }
}

/// What of the service can be exchanged while it runs: the certificate of its listeners.
struct Service {
    /// Shared with the listeners.
    shown: TlsIdentity,
}

impl Renewable for Service {
    /// Its folder is the organisation's MSP; what it signs with are its CAs' keys, read at the start.
    fn signs(&self) -> bool {
        false
    }

    fn take_tls(&self, identities: &[TlsIdentity], _roots: Vec<Vec<u8>>) -> Outcome<()> {
        if let Some(identity) = identities.first() {
            self.shown.replace(identity);
        }
        Ok(())
    }

    fn take_identity(&self, _signer: Arc<dyn Signer>, _msp: Arc<Msp>) {}
}

/// Answers under the certificate in force; requests under way go on when it is exchanged.
async fn serve(config: &NodeConfig, server: Server, identity: TlsIdentity) -> Outcome<()> {
    let routes = Arc::new(server).routes();
    // Callers prove who they are by secret or token, so TLS asks for no certificate.
    let none: [&[u8]; 0] = [];
    let tls = ServerTls::http(identity, ClientAuth::Off, &none)
        .map_err(|error| unusable(&config.tls.certificate, &error))?;
    let listener = TcpListener::bind(&config.address)
        .await
        .map_err(|error| listen(&config.address, &error))?;
    tracing::info!(address = %config.address, cas = config.cas.len(), "membership service answers");
    carecord_monitoring::operations::serve(listener, Some(tls.source()), routes).await;
    Ok(())
}

/// Fails where the service would fail at its start.
pub(super) fn check(config: &CaConfig) -> Outcome<()> {
    let loaded = || {
        config.check()?;
        let passphrase = config.passphrase()?;
        let passphrase = passphrase.as_ref().map(|text| text.as_str());
        config.signing.load(passphrase)?;
        if let Some(tls) = &config.tls {
            tls.load(passphrase)?;
        }
        Ok(())
    };
    loaded().map_err(failure)
}

fn open(config: &CaConfig) -> Outcome<Arc<Ca>> {
    Ca::open(config, Arc::new(now_unix_s)).map(Arc::new).map_err(failure)
}

/// A failure of the service as its operator sees it.
pub(crate) fn failure(error: carecord_ca::Error) -> Failure {
    use carecord_ca::Error;
    match error {
        Error::File { path, source } => Failure::file(&path, &source),
        Error::Store(reason) => Failure::new(Code::CaStore, reason).hint(
            "is another process using it? if it is damaged, restore the CA's data from a backup",
        ),
        Error::Config { .. } => Failure::new(Code::CaConfig, error),
        Error::Authority { ref reason, .. } if reason.contains("passphrase") => {
            Failure::new(Code::CaPassphrase, error).hint(format!(
                "set {} or passphrase_file to the passphrase that the key was encrypted under",
                carecord_ca::service::PASSPHRASE_VARIABLE
            ))
        }
        other => Failure::new(Code::Authority, other),
    }
}
