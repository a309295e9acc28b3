//! Certificates and keys that are exchanged while the node runs: on SIGHUP, and when their files change.
//!
//! Files are looked at once a second instead of being watched: a node has a few dozen of them, whose sizes and times cost
//! microseconds, while file events are missed on network file systems and where a mounted folder is exchanged as a whole
//! (Kubernetes secrets). What is read is taken over whole or not at all: half of a new pair, a key that is not the
//! certificate's, a certificate that is not alive or of another CA is refused, and the old one stays.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use carecord_comm::TlsIdentity;
use carecord_monitoring::CertificateMetrics;
use carecord_msp::{Msp, MspVersion, Signer, keystore};
use tokio::signal::unix::{SignalKind, signal};

use super::config::NodeConfig;
use super::files::unusable;
use super::listener::ListenerTls;
use crate::bringup::now_unix_s;
use crate::certificates::Certificate;
use crate::codes::Code;
use crate::error::{Failure, Outcome};

const POLL: Duration = Duration::from_secs(1);
/// An MSP's folder of revocation lists.
const REVOCATION_LISTS: &str = "crls";
/// Files of a folder that are looked at; an MSP has far fewer.
const MAX_FILES: usize = 1_000;

/// A node whose credentials can be exchanged.
pub(super) trait Renewable: Send + Sync {
    /// Whether its MSP folder holds an identity that it signs as.
    fn signs(&self) -> bool {
        true
    }
    /// Shows these TLS certificates, the first at its listeners, and trusts these roots.
    fn take_tls(&self, identities: &[TlsIdentity], roots: Vec<Vec<u8>>) -> Outcome<()>;
    /// Signs as this identity, of an organisation with this MSP.
    fn take_identity(&self, signer: Arc<dyn Signer>, msp: Arc<Msp>);
}

/// What is on the disk, as far as it shows without reading: path, length, time.
type Shape = Vec<(PathBuf, u64, Option<SystemTime>)>;

/// Takes over what changes, until the future is dropped; `beside` are the node's further listeners.
pub(super) async fn follow(
    config: &NodeConfig,
    node: &dyn Renewable,
    beside: &[ListenerTls],
    metrics: &CertificateMetrics,
) -> Outcome<()> {
    let mut hangup = signal(SignalKind::hangup())
        .map_err(|error| Failure::new(Code::NodeStopped, error).at("SIGHUP"))?;
    let mut poll = tokio::time::interval(POLL);
    poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut tls, mut identity) = (tls_shape(config, beside), identity_shape(config));
    loop {
        let asked = tokio::select! {
            _ = poll.tick() => false,
            told = hangup.recv() => told.is_some(),
        };
        let now = (tls_shape(config, beside), identity_shape(config));
        if asked || now.0 != tls {
            tls = now.0;
            report("tls", reload_tls(config, node, beside), metrics);
        }
        if node.signs() && (asked || now.1 != identity) {
            identity = now.1;
            report("identity", reload_identity(config, node), metrics);
        }
    }
}

fn report(kind: &str, outcome: Outcome<()>, metrics: &CertificateMetrics) {
    match outcome {
        Ok(()) => {
            metrics.reloads.with_label_values(&[kind, "applied"]).inc();
            tracing::info!(kind, "certificates were read again and are in force");
        }
        Err(failure) => {
            metrics.reloads.with_label_values(&[kind, "refused"]).inc();
            tracing::error!(
                code = Code::Reload.text(), kind, %failure,
                "new certificates are refused, the old ones stay in force"
            );
        }
    }
}

/// Reads the TLS files anew and hands them over if all of them are good.
fn reload_tls(config: &NodeConfig, node: &dyn Renewable, beside: &[ListenerTls]) -> Outcome<()> {
    let roots = config.tls.root_texts()?;
    let identities = config.tls.identities()?;
    for identity in &identities {
        check(identity, &roots).map_err(|cause| refused(&config.tls.certificate, cause))?;
    }
    let clients = beside.iter().map(ListenerTls::read).collect::<Outcome<Vec<_>>>()?;
    node.take_tls(&identities, roots)?;
    beside.iter().zip(&clients).try_for_each(|(listener, roots)| listener.take(roots))
}

/// Why a certificate cannot be shown: it is not alive, or of another CA than the node's, where it knows its own.
fn check(identity: &TlsIdentity, roots: &[Vec<u8>]) -> Result<(), String> {
    let now = now_unix_s();
    if !roots.is_empty() {
        let now = u64::try_from(now).unwrap_or_default();
        return identity.check(roots, now).map_err(|error| error.to_string());
    }
    match Certificate::of_der(&identity.leaf_der()) {
        None => Err("the certificate cannot be read".to_owned()),
        Some(own) if own.not_after_unix_s < now => Err("the certificate has expired".to_owned()),
        Some(own) if now < own.not_before_unix_s => {
            Err("the certificate is not valid yet".to_owned())
        }
        Some(_) => Ok(()),
    }
}

/// Reads the MSP folder anew and hands it over if its signer is a living identity of its own MSP.
fn reload_identity(config: &NodeConfig, node: &dyn Renewable) -> Outcome<()> {
    let at = &config.msp_dir;
    check_regular(at)?;
    check_lists(&at.join(REVOCATION_LISTS))?;
    let signer = keystore::load_signing_identity(at, &config.msp_id)
        .map_err(|error| refused(at, error.to_string()))?;
    let msp = local_msp(config)?;
    let judged =
        msp.identity(&signer.serialized()).map_err(|error| refused(at, error.to_string()))?;
    judged.validate().map_err(|error| refused(at, error.to_string()))?;
    let now = now_unix_s();
    if judged.has_expired(now) {
        return Err(refused(at, "the signing certificate has expired".to_owned()));
    }
    if now < judged.not_before() {
        return Err(refused(at, "the signing certificate is not valid yet".to_owned()));
    }
    node.take_identity(Arc::new(signer), Arc::new(msp));
    Ok(())
}

/// The MSP of the node's own organisation, as its folder describes it.
pub(super) fn local_msp(config: &NodeConfig) -> Outcome<Msp> {
    keystore::load_msp_config(&config.msp_dir, &config.msp_id)
        .and_then(|msp| Msp::new(&msp, MspVersion::V3_0))
        .map_err(|error| unusable(&config.msp_dir, &error))
}

fn refused(path: &Path, cause: String) -> Failure {
    Failure::new(Code::Reload, cause).at(path.display())
}

fn tls_shape(config: &NodeConfig, beside: &[ListenerTls]) -> Shape {
    let (tls, next) = (&config.tls, config.tls.next());
    let mut files = vec![tls.certificate.clone(), tls.key.clone(), next.certificate, next.key];
    files.extend(tls.roots.iter().cloned());
    files.extend(beside.iter().flat_map(ListenerTls::roots).cloned());
    files.into_iter().map(shape_of).collect()
}

fn identity_shape(config: &NodeConfig) -> Shape {
    let mut files = Vec::new();
    list(&config.msp_dir, &mut files);
    files.sort();
    files.into_iter().map(shape_of).collect()
}

/// Fails on what can only be waited for, such as a pipe, where an MSP has its files; `crls` and the like are read as well.
fn check_regular(msp_dir: &Path) -> Outcome<()> {
    let mut files = Vec::new();
    list(msp_dir, &mut files);
    let odd =
        files.iter().find(|path| std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()));
    odd.map_or(Ok(()), |path| Err(refused(path, "this is no regular file".to_owned())))
}

/// Fails on a file that is to revoke somebody and is no PEM: an MSP passes over it, as Fabric's, and whoever put it there
/// would believe it in force.
fn check_lists(folder: &Path) -> Outcome<()> {
    let mut files = Vec::new();
    list(folder, &mut files);
    for path in files {
        let text = std::fs::read(&path).map_err(|error| Failure::file(&path, &error))?;
        if !pem::parse_many(&text).is_ok_and(|blocks| !blocks.is_empty()) {
            return Err(refused(&path, "there is no revocation list in this file".to_owned()));
        }
    }
    Ok(())
}

/// The files of an MSP folder and of the folders in it.
fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if files.len() >= MAX_FILES {
            return;
        }
        let path = entry.path();
        if path.is_dir() { list(&path, files) } else { files.push(path) }
    }
}

fn shape_of(path: PathBuf) -> (PathBuf, u64, Option<SystemTime>) {
    let metadata = std::fs::metadata(&path).ok();
    let length = metadata.as_ref().map_or(0, std::fs::Metadata::len);
    (path, length, metadata.and_then(|metadata| metadata.modified().ok()))
}

#[cfg(test)]
mod tests;
