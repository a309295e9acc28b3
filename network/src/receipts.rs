//! What peers say under their signature about a private key: that nothing of it is there any more, or what is.
//!
//! Place in the flow: `carecord private` calls in here; so does the acceptance run. Asking needs the peers, checking needs
//! nothing but the receipt, a configuration block of the channel and, if wanted, the block that has the purge.

use carecord_channel::Bundle;
use carecord_channel::policy::dsl;
use carecord_comm::privdata::private_data_client::PrivateDataClient;
use carecord_proto::carecord::privdata::{
    Header, Receipt, RemovalRequest, SignedReceipt, SignedRequest,
};
use carecord_proto::common::{Block, msp_role::MspRoleType};
use carecord_proto::protos::TxValidationCode;
use carecord_proto::rwset::{TxRwSet, hashed_write_is_delete};
use carecord_proto::{block, transaction};
use prost::Message;

use crate::bringup::now_unix_s;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::session::{Session, unreachable};
use crate::state::{NodeEntry, UserEntry};

/// The version of receipts that is understood.
const VERSION: u32 = 1;

/// A private key, as receipts name it.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// The channel.
    pub channel: &'a str,
    /// The chaincode.
    pub chaincode: &'a str,
    /// The collection.
    pub collection: &'a str,
    /// SHA-256 of the key.
    pub key_hash: [u8; 32],
}

/// Asks the peer `node`, as `user`, who must be a reader of the channel.
pub async fn ask(
    session: &Session,
    node: &NodeEntry,
    user: &UserEntry,
    asked: &Asked<'_>,
) -> Outcome<SignedReceipt> {
    let signer = session.signer(user)?;
    let header = Header {
        call: "Removal".to_owned(),
        channel_id: asked.channel.to_owned(),
        identity: signer.serialized(),
        timestamp: now_unix_s(),
        ..Header::default()
    };
    let request = RemovalRequest {
        header: Some(header),
        namespace: asked.chaincode.to_owned(),
        collection: asked.collection.to_owned(),
        key_hash: asked.key_hash.to_vec().into(),
    };
    let request = request.encode_to_vec();
    let signature =
        signer.sign(&request).map_err(|error| Failure::new(Code::Certificate, error))?;
    let signed = SignedRequest { request: request.into(), signature: signature.into() };
    let mut client = PrivateDataClient::new(session.connect(node, user)?);
    let answer = client.removal(signed).await.map_err(|status| unreachable(node, &status))?;
    Ok(answer.into_inner())
}

/// Checks a receipt: its signature, by a peer of a member of the channel of `bundle`; and, if the block is given, that it
/// has the purge that the receipt names.
pub fn verify(
    signed: &SignedReceipt,
    bundle: &Bundle,
    purging: Option<&Block>,
) -> Outcome<Receipt> {
    let wrong = |reason: String| Failure::new(Code::Receipt, reason);
    let receipt = Receipt::decode(signed.receipt.clone())
        .map_err(|error| wrong(format!("it cannot be read: {error}")))?;
    if receipt.version != VERSION {
        return Err(wrong(format!("it has version {}, not {VERSION}", receipt.version)));
    }
    if receipt.channel_id != bundle.channel_id() {
        let (own, given) = (&receipt.channel_id, bundle.channel_id());
        return Err(wrong(format!("it is about channel {own}, the configuration of {given}")));
    }
    let identity = bundle.msps().identity(&receipt.identity);
    let identity = identity.map_err(|error| wrong(format!("its signer is unknown: {error}")))?;
    let peer = dsl::role(identity.msp_id(), MspRoleType::Peer);
    identity
        .validate()
        .and_then(|()| identity.satisfies(&peer))
        .map_err(|error| wrong(format!("its signer is no peer of the channel: {error}")))?;
    identity
        .verify_strict(&signed.receipt, &signed.signature)
        .map_err(|error| wrong(format!("its signature does not hold: {error}")))?;
    if let Some(purging) = purging {
        purge_in(&receipt, purging).map_err(wrong)?;
    }
    Ok(receipt)
}

/// Whether a receipt says that nothing of a purged key is left, in rows or in files.
pub fn says_gone(receipt: &Receipt) -> bool {
    receipt.purge.is_some()
        && receipt.files_rewritten
        && !receipt.value_held
        && receipt.kept_sets == 0
        && receipt.waiting_sets == 0
}

fn purge_in(receipt: &Receipt, purging: &Block) -> Result<(), String> {
    let purge = receipt.purge.as_ref().ok_or("it names no purge")?;
    let header = purging.header.clone().unwrap_or_default();
    let data_hash = purging.data.as_ref().map(block::data_hash).unwrap_or_default();
    if header.data_hash != data_hash[..] {
        return Err("the block's data does not match its header".to_owned());
    }
    if header.number != purge.block || purge.header_hash != block::header_hash(&header)[..] {
        return Err(format!("it names another block than {}", header.number));
    }
    let position = usize::try_from(purge.tx).map_err(|error| error.to_string())?;
    let raw = block::envelopes(purging).get(position).ok_or("the block has no such transaction")?;
    // Blocks of a peer say what became of their transactions; those of an orderer do not.
    let code = block::flags(purging).get(position).copied();
    if code.is_some_and(|code| code != TxValidationCode::Valid as u8) {
        return Err("the purging transaction is not valid".to_owned());
    }
    let envelope = carecord_proto::common::Envelope::decode(raw.clone())
        .map_err(|_| "the purging transaction cannot be read")?;
    let opened = transaction::Opened::open_payload(&envelope.payload)
        .map_err(|_| "the purging transaction cannot be read")?;
    let set = TxRwSet::from_bytes(&opened.action.results)
        .map_err(|_| "the purging transaction cannot be read")?;
    let namespaces = set.namespaces.iter().filter(|ns| ns.namespace == receipt.namespace);
    let collections = namespaces.flat_map(|ns| &ns.collections);
    let mut writes = collections
        .filter(|collection| collection.name == receipt.collection)
        .flat_map(|collection| &collection.hashed.hashed_writes);
    let purges = |write: &carecord_proto::kvrwset::KvWriteHash| {
        write.is_purge && hashed_write_is_delete(write) && write.key_hash == receipt.key_hash
    };
    match writes.any(purges) {
        true => Ok(()),
        false => Err("the transaction that it names does not purge the key".to_owned()),
    }
}
