//! An ordering node: from its configuration to [`carecord_orderer::Orderer`].

use std::sync::Arc;
use std::time::Duration;

use carecord_comm::{ClientAuth, HandshakeClock, ServerTls, TlsIdentity};
use carecord_consensus::Acknowledge;
use carecord_monitoring::OrdererMetrics;
use carecord_msp::{Msp, Signer};
use carecord_orderer::{Config, Credentials, Orderer, OwnCertificates};

use tokio::net::TcpListener;

use super::config::NodeConfig;
use super::expiry;
use super::files::unusable;
use super::listener::ListenerTls;
use super::operations::{Observed, listen};
use super::reload::{self, Renewable};
use super::run::{Ended, wait_for_end};
use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// Runs the orderer until it is told to end or cannot go on.
pub(super) async fn run(config: &NodeConfig, observed: &Observed) -> Outcome<()> {
    let metrics = OrdererMetrics::new(observed.registry.clone());
    let genesis = config.genesis_blocks()?;
    let identity = config.tls.identity()?;
    let mut orderer = Orderer::start(orderer_config(config, &identity)?, &genesis, metrics)
        .await
        .map_err(|error| failed(config, &error))?;
    let statuses = orderer.statuses();
    let health = Arc::new(move || {
        let channels = statuses.channels();
        match channels.into_iter().find_map(|channel| Some((channel.name, channel.failure?))) {
            Some((name, reason)) => Err(format!("channel {name}: {reason}")),
            None => Ok(()),
        }
    });
    let operations = observed.serve(config, &identity, "orderer", health).await?;
    let admin = administer(config, &identity, &orderer).await?;
    let beside: Vec<_> = operations.into_iter().chain(admin).collect();
    let shown = Shown { credentials: orderer.credentials(), listeners: identity, config };
    let joined = orderer.statuses();
    let channels = move || joined.bundles();
    let ended = tokio::select! {
        ended = wait_for_end() => ended,
        failed = reload::follow(config, &shown, &beside, &observed.certificates) => Ended::of(failed),
        () = expiry::follow(config, &channels, &observed.certificates) => Ended::Asked,
        error = orderer.failed() => Ended::Failed(failed(config, &error)),
    };
    orderer.stop().await;
    ended.outcome()
}

/// Serves channel participation while the process lives; without an address it is off.
async fn administer(
    config: &NodeConfig,
    identity: &TlsIdentity,
    orderer: &Orderer,
) -> Outcome<Option<ListenerTls>> {
    let Some(address) = &config.admin_address else { return Ok(None) };
    if config.admin_client_roots.is_empty() {
        let cause =
            "admin_address needs admin_client_roots: the TLS CAs of those who may administer";
        return Err(Failure::new(Code::NodeConfig, cause).at(&config.name));
    }
    let tls = ListenerTls::new(identity, ClientAuth::Require, &config.admin_client_roots)?;
    let listener = TcpListener::bind(address).await.map_err(|error| listen(address, &error))?;
    let routes = orderer.participation();
    tokio::spawn(carecord_monitoring::operations::serve(listener, Some(tls.source()), routes));
    Ok(Some(tls))
}

/// What an orderer shows of itself: at its listeners, to other orderers, in blocks.
struct Shown<'a> {
    credentials: Credentials,
    /// Shared with the operations service.
    listeners: TlsIdentity,
    config: &'a NodeConfig,
}

impl Renewable for Shown<'_> {
    fn take_tls(&self, identities: &[TlsIdentity], roots: Vec<Vec<u8>>) -> Outcome<()> {
        let Some(first) = identities.first() else { return Ok(()) };
        let (own, listeners) = (&self.credentials, &self.listeners);
        listeners.replace(first);
        own.replace_tls(listeners, identities, &roots)
            .map_err(|error| unusable(&self.config.tls.certificate, &error))
    }

    fn take_identity(&self, signer: Arc<dyn Signer>, _: Arc<Msp>) {
        self.credentials.replace_signer(signer);
    }
}

fn orderer_config(config: &NodeConfig, identity: &TlsIdentity) -> Outcome<Config> {
    let tls = &config.tls;
    let roots = tls.root_texts()?;
    let clock = HandshakeClock { shift: Duration::from_secs(config.handshake_time_shift_s) };
    let client_auth = match tls.require_client_certificate {
        true => ClientAuth::Require,
        false => ClientAuth::IfGiven,
    };
    let server = |auth| {
        ServerTls::with_clock(identity.clone(), auth, &roots, clock)
            .map_err(|error| unusable(&tls.certificate, &error))
    };
    let cluster_listen = config.cluster_address.clone().ok_or_else(|| {
        Failure::new(Code::NodeConfig, "an orderer needs cluster_address").at(&config.name)
    })?;
    let own = OwnCertificates::new(&tls.identities()?, roots.clone(), clock)
        .map_err(|error| unusable(&tls.certificate, &error))?;
    let (client_tls, cluster_tls) = (server(client_auth)?, server(ClientAuth::Require)?);
    own.listens(client_tls.clone());
    own.listens(cluster_tls.clone());
    Ok(Config {
        name: config.name.clone(),
        data: config.data_dir.clone(),
        client_listen: config.address.clone(),
        client_tls,
        cluster_listen,
        cluster_tls,
        own: Arc::new(own),
        signer: config.signer()?,
        acknowledge: Acknowledge::Committed,
    })
}

fn failed(config: &NodeConfig, error: &carecord_orderer::Error) -> Failure {
    Failure::node(&config.name, error)
}
