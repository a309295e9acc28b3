//! A peer: from its configuration to [`carecord_peer::Peer`].

use std::sync::Arc;
use std::time::Duration;

use carecord_comm::{ClientAuth, TlsIdentity};
use carecord_monitoring::PeerMetrics;
use carecord_msp::{Msp, Signer};
use carecord_peer::{Peer, PeerConfig, PeerTls};
use carecord_proto::block;

use super::config::NodeConfig;
use super::operations::Observed;
use super::reload::{self, Renewable};
use super::run::{Ended, wait_for_end};
use super::{expiry, vault};
use crate::chaincodes;
use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// How long calls under way may go on while the peer stops.
const GRACE: Duration = Duration::from_secs(2);
/// The vault's folder; it is primary data and must be backed up.
const VAULT: &str = "vault";

/// Runs the peer until it is told to end or cannot go on.
pub(super) async fn run(config: &NodeConfig, observed: &Observed) -> Outcome<()> {
    let identity = config.tls.identity()?;
    let peer = Peer::open(peer_config(config, &identity, observed)?)
        .map_err(|error| failed(config, &error))?;
    for genesis in config.genesis_blocks()? {
        let channel = block::channel_id(&genesis)
            .map_err(|error| Failure::new(Code::Genesis, error).at(&config.name))?;
        if peer.channel(&channel).is_none() {
            peer.join(&genesis).map_err(|error| failed(config, &error))?;
        }
    }
    let vault = vault::service(config, &peer, &config.data_dir.join(VAULT))?;
    let routes = peer.routes().add_service(vault);
    let handle = peer.serve(routes).await.map_err(|error| failed(config, &error))?;
    let watched = Arc::clone(&peer);
    let health = Arc::new(move || watched.health());
    let beside = observed.serve(config, &identity, "peer", health).await?;
    let joined = Arc::clone(&peer);
    let channels = move || joined.channels().iter().map(|channel| channel.bundle()).collect();
    let ended = tokio::select! {
        ended = wait_for_end() => ended,
        failed = reload::follow(config, &*peer, beside.as_slice(), &observed.certificates) => Ended::of(failed),
        () = expiry::follow(config, &channels, &observed.certificates) => Ended::Asked,
        reason = peer.failed() => {
            Ended::Failed(Failure::node(&config.name, &std::io::Error::other(reason)))
        }
    };
    handle.stop(GRACE).await;
    ended.outcome()
}

impl Renewable for Peer {
    fn take_tls(&self, identities: &[TlsIdentity], roots: Vec<Vec<u8>>) -> Outcome<()> {
        if let Some(identity) = identities.first() {
            self.replace_tls(identity, roots);
        }
        Ok(())
    }

    fn take_identity(&self, signer: Arc<dyn Signer>, msp: Arc<Msp>) {
        self.replace_local_msp(msp);
        self.replace_signer(signer);
    }
}

fn peer_config(
    config: &NodeConfig,
    identity: &TlsIdentity,
    observed: &Observed,
) -> Outcome<PeerConfig> {
    let msp = reload::local_msp(config)?;
    let client_auth = match config.tls.require_client_certificate {
        true => ClientAuth::Require,
        false => ClientAuth::IfGiven,
    };
    let mut peer =
        PeerConfig::new(&config.address, &config.data_dir, config.signer()?, Arc::new(msp));
    peer.tls = Some(PeerTls {
        identity: identity.clone(),
        client_auth,
        client_roots: config.tls.root_texts()?,
    });
    peer.chaincodes = chaincodes::built_in();
    peer.metrics = PeerMetrics::new(observed.registry.clone());
    Ok(peer)
}

fn failed(config: &NodeConfig, error: &carecord_peer::Error) -> Failure {
    Failure::node(&config.name, error)
}
