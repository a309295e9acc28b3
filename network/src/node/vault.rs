//! The vault in a peer's process: it believes this peer's ledger.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use carecord_channel::Bundle;
use carecord_comm::MAX_MESSAGE_BYTES;
use carecord_comm::vault::vault_server::VaultServer;
use carecord_msp::Signer;
use carecord_peer::Peer;
use carecord_proto::common::Envelope;
use carecord_proto::envelope;
use carecord_proto::protos::TxValidationCode;
use carecord_proto::transaction;
use carecord_proto::{block, decode, vault_name};
use carecord_vault::limits::REPAIR_PAUSE;
use carecord_vault::{Committed, Contents, Ledger, Limits, Neighbour, Store, VaultService};

use super::config::{NodeConfig, VaultConfig};
use crate::bringup::now_unix_s;
use crate::codes::Code;
use crate::error::{Failure, Outcome};

const CONTENTS: &str = "contents";
const WRAPS: &str = "wraps";
/// The vault only reads; its simulations never become transactions.
const READER: &str = "vault";

/// What the vault asks of the peer.
struct OwnLedger(Arc<Peer>);

/// The vault's service over its stores in `dir`, which hold primary data.
pub(super) fn service(
    config: &NodeConfig,
    peer: &Arc<Peer>,
    dir: &Path,
) -> Outcome<VaultServer<VaultService>> {
    let failed = |error: carecord_vault::Error| Failure::new(Code::Vault, error).at(dir.display());
    let contents = Contents::open(&dir.join(CONTENTS)).map_err(failed)?;
    let store = Store::open(&dir.join(WRAPS), now_unix_s()).map_err(failed)?;
    let settings = config.vault.clone().unwrap_or_default();
    let name = vault_name(&config.msp_id, settings.address.as_ref().unwrap_or(&config.address));
    let ledger = Arc::new(OwnLedger(Arc::clone(peer)));
    let service = VaultService::new(&name, ledger, contents, store, limits(&settings));
    let sweeping = service.clone();
    tokio::spawn(async move { sweeping.keep_clean().await });
    let (copying, pause) = (service.clone(), settings.repair_seconds);
    let pause = pause.map_or(REPAIR_PAUSE, |seconds| Duration::from_secs(seconds.max(1).into()));
    tokio::spawn(async move { copying.keep_copies(pause).await });
    Ok(VaultServer::new(service).max_decoding_message_size(MAX_MESSAGE_BYTES))
}

fn limits(settings: &VaultConfig) -> Limits {
    let Limits {
        wraps_per_version,
        wraps_per_record,
        unnamed_bytes_per_person,
        unnamed_contents_per_person,
        unnamed_bytes_per_organisation,
        unnamed_seconds,
        free_bytes,
    } = Limits::default();
    let mib = |set: Option<u32>, default| set.map_or(default, |mib| u64::from(mib) << 20);
    let count = |set: Option<u32>, default| set.map_or(default, |count| count as usize);
    let contents = settings.unnamed_contents_per_person;
    Limits {
        wraps_per_version: count(settings.wraps_per_version, wraps_per_version),
        wraps_per_record: count(settings.wraps_per_record, wraps_per_record),
        unnamed_bytes_per_person: mib(settings.unnamed_mib_per_person, unnamed_bytes_per_person),
        unnamed_contents_per_person: contents.map_or(unnamed_contents_per_person, u64::from),
        unnamed_bytes_per_organisation: mib(
            settings.unnamed_mib_per_organisation,
            unnamed_bytes_per_organisation,
        ),
        unnamed_seconds: settings
            .unnamed_hours
            .map_or(unnamed_seconds, |hours| 3600 * i64::from(hours)),
        free_bytes: mib(settings.free_mib, free_bytes),
    }
}

// === impl OwnLedger ===

impl Ledger for OwnLedger {
    fn signer(&self) -> Arc<dyn Signer> {
        self.0.signer()
    }

    fn neighbours(&self, channel: &str) -> Vec<Neighbour> {
        let neighbours = self.0.connections(channel).into_iter();
        neighbours
            .map(|(msp_id, address, connection)| Neighbour { msp_id, address, connection })
            .collect()
    }

    fn bundle(&self, channel: &str) -> Option<Arc<Bundle>> {
        Some(self.0.channel(channel)?.bundle())
    }

    fn valid_transaction(&self, channel: &str, tx_id: &str) -> Option<Committed> {
        let transaction = self.0.channel(channel)?.ledger().transaction(tx_id).ok()??;
        if transaction.validation_code != TxValidationCode::Valid as i32 {
            return None;
        }
        let payload = transaction.transaction_envelope?.payload;
        let opened = transaction::Opened::open_payload(&payload).ok()?;
        let event = opened.event().ok()?;
        Some(Committed { creator: opened.envelope.signature_header.creator, event })
    }

    fn health_value(&self, channel: &str, key: &str) -> Option<Vec<u8>> {
        let channel = self.0.channel(channel)?;
        let mut state = channel.ledger().simulator(READER).ok()?;
        Some(state.get(carecord_health::NAME, key).ok()??.to_vec())
    }

    fn time(&self, channel: &str) -> Option<i64> {
        let channel = self.0.channel(channel)?;
        let newest = channel.ledger().height().checked_sub(1)?;
        let newest = channel.ledger().block(newest).ok()??;
        let last = decode::<Envelope>("Envelope", block::envelopes(&newest).last()?).ok()?;
        let opened = envelope::Opened::open(&last).ok()?;
        Some(opened.channel_header.timestamp?.seconds)
    }
}
