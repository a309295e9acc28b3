//! A peer: from its configuration to [`carecord_peer::Peer`].

use std::sync::Arc;
use std::time::Duration;

use carecord_comm::ClientAuth;
use carecord_monitoring::PeerMetrics;
use carecord_msp::{Msp, MspVersion, keystore};
use carecord_peer::{Peer, PeerConfig, PeerTls};
use carecord_proto::block;

use super::config::NodeConfig;
use super::files::unusable;
use super::operations::Observed;
use super::run::{Ended, wait_for_end};
use super::vault;
use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// How long calls under way may go on while the peer stops.
const GRACE: Duration = Duration::from_secs(2);
/// The vault's folder; it is primary data and must be backed up.
const VAULT: &str = "vault";

/// Runs the peer until it is told to end or cannot go on.
pub(super) async fn run(config: &NodeConfig, observed: &Observed) -> Outcome<()> {
    let peer =
        Peer::open(peer_config(config, observed)?).map_err(|error| failed(config, &error))?;
    for genesis in config.genesis_blocks()? {
        let channel = block::channel_id(&genesis)
            .map_err(|error| Failure::new(Code::Genesis, error).at(&config.name))?;
        if peer.channel(&channel).is_none() {
            peer.join(&genesis).map_err(|error| failed(config, &error))?;
        }
    }
    let vault = vault::service(&peer, &config.data_dir.join(VAULT))?;
    let routes = peer.routes().add_service(vault);
    let handle = peer.serve(routes).await.map_err(|error| failed(config, &error))?;
    let watched = Arc::clone(&peer);
    let _operations = observed.serve(config, "peer", Arc::new(move || watched.health())).await?;
    let ended = tokio::select! {
        ended = wait_for_end() => ended,
        reason = peer.failed() => {
            Ended::Failed(Failure::node(&config.name, &std::io::Error::other(reason)))
        }
    };
    handle.stop(GRACE).await;
    ended.outcome()
}

fn peer_config(config: &NodeConfig, observed: &Observed) -> Outcome<PeerConfig> {
    let msp = keystore::load_msp_config(&config.msp_dir, &config.msp_id)
        .and_then(|msp| Msp::new(&msp, MspVersion::V3_0))
        .map_err(|error| unusable(&config.msp_dir, &error))?;
    let client_auth = match config.tls.require_client_certificate {
        true => ClientAuth::Require,
        false => ClientAuth::IfGiven,
    };
    let mut peer =
        PeerConfig::new(&config.address, &config.data_dir, config.signer()?, Arc::new(msp));
    peer.tls = Some(PeerTls {
        identity: config.tls.identity()?,
        client_auth,
        client_roots: config.tls.root_texts()?,
    });
    peer.chaincodes = vec![
        Arc::new(carecord_health::chaincode()),
        Arc::new(carecord_chaincode::bench::chaincode()),
    ];
    peer.metrics = PeerMetrics::new(observed.registry.clone());
    Ok(peer)
}

fn failed(config: &NodeConfig, error: &carecord_peer::Error) -> Failure {
    Failure::node(&config.name, error)
}
