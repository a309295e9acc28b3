//! A block as people and programs read it.

use carecord_proto::block;
use carecord_proto::common::{Block, Envelope, HeaderType};
use carecord_proto::envelope;
use carecord_proto::msp::SerializedIdentity;
use carecord_proto::protos::TxValidationCode;
use carecord_proto::transaction;
use prost::Message;
use serde::Serialize;

/// A block, schema `carecord.block/v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlockSummary {
    /// Its number.
    pub number: u64,
    /// Hash of its header, hexadecimal.
    pub header_hash: String,
    /// Hash of the header before it.
    pub previous_hash: String,
    /// Hash of its data.
    pub data_hash: String,
    /// Commit hash; only peers have one.
    pub commit_hash: Option<String>,
    /// Bytes of the whole block.
    pub bytes: usize,
    /// Its transactions.
    pub transactions: Vec<TransactionSummary>,
}

/// A transaction in a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransactionSummary {
    /// Its id; configuration has none.
    pub tx_id: String,
    /// `ENDORSER_TRANSACTION` or `CONFIG`.
    pub kind: String,
    /// When its creator says it was made, in seconds since 1970.
    pub timestamp_unix_s: i64,
    /// MSP id of its creator.
    pub creator_msp_id: String,
    /// Chaincode it called.
    pub chaincode: Option<String>,
    /// MSP ids of its endorsers.
    pub endorser_msp_ids: Vec<String>,
    /// Code that the peer gave it; orderers give none.
    pub validation_code: Option<String>,
}

/// Reads `block` as far as it can be read.
pub fn summary(block: &Block) -> BlockSummary {
    let header = block.header.clone().unwrap_or_default();
    let flags = block::flags(block);
    let transactions = block::envelopes(block)
        .iter()
        .enumerate()
        .map(|(index, bytes)| transaction_summary(bytes, flags.get(index).copied()))
        .collect();
    BlockSummary {
        number: header.number,
        header_hash: hex::encode(block::header_hash(&header)),
        previous_hash: hex::encode(&header.previous_hash),
        data_hash: hex::encode(&header.data_hash),
        commit_hash: block::commit_hash(block).map(hex::encode),
        bytes: block.encoded_len(),
        transactions,
    }
}

fn transaction_summary(bytes: &bytes::Bytes, flag: Option<u8>) -> TransactionSummary {
    let mut summary = TransactionSummary {
        tx_id: String::new(),
        kind: "unreadable".to_owned(),
        timestamp_unix_s: 0,
        creator_msp_id: String::new(),
        chaincode: None,
        endorser_msp_ids: Vec::new(),
        validation_code: flag.map(code_name),
    };
    let Ok(envelope) = Envelope::decode(bytes.clone()) else { return summary };
    let Ok(opened) = envelope::Opened::open(&envelope) else { return summary };
    summary.tx_id.clone_from(&opened.channel_header.tx_id);
    summary.kind = opened.kind().map_or_else(
        || opened.channel_header.r#type.to_string(),
        |kind: HeaderType| kind.as_str_name().to_owned(),
    );
    summary.timestamp_unix_s =
        opened.channel_header.timestamp.as_ref().map_or(0, |timestamp| timestamp.seconds);
    summary.creator_msp_id = msp_id(&opened.signature_header.creator);
    if let Ok(opened) = transaction::Opened::open_payload(&envelope.payload) {
        summary.chaincode = opened.action.chaincode_id.map(|id| id.name);
        summary.endorser_msp_ids =
            opened.endorsed.endorsements.iter().map(|e| msp_id(&e.endorser)).collect();
    }
    summary
}

fn msp_id(identity: &bytes::Bytes) -> String {
    SerializedIdentity::decode(identity.clone()).map(|identity| identity.mspid).unwrap_or_default()
}

fn code_name(flag: u8) -> String {
    TxValidationCode::try_from(i32::from(flag))
        .map_or_else(|_| flag.to_string(), |code| code.as_str_name().to_owned())
}
