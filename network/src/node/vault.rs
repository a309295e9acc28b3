//! The vault in a peer's process: it believes this peer's ledger.

use std::path::Path;
use std::sync::Arc;

use carecord_channel::Bundle;
use carecord_comm::MAX_MESSAGE_BYTES;
use carecord_comm::vault::vault_server::VaultServer;
use carecord_peer::Peer;
use carecord_proto::protos::TxValidationCode;
use carecord_proto::transaction;
use carecord_vault::{Committed, Contents, Ledger, VaultService, Wraps};

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
pub(super) fn service(peer: &Arc<Peer>, dir: &Path) -> Outcome<VaultServer<VaultService>> {
    let failed = |error: carecord_vault::Error| Failure::new(Code::Vault, error).at(dir.display());
    let contents = Contents::open(&dir.join(CONTENTS)).map_err(failed)?;
    let wraps = Wraps::open(&dir.join(WRAPS), now_unix_s()).map_err(failed)?;
    let service = VaultService::new(Arc::new(OwnLedger(Arc::clone(peer))), contents, wraps);
    Ok(VaultServer::new(service).max_decoding_message_size(MAX_MESSAGE_BYTES))
}

// === impl OwnLedger ===

impl Ledger for OwnLedger {
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
}
