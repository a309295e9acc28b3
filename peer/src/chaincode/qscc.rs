//! `qscc`: queries of a channel's ledger, as explorers make them.

use std::sync::Arc;

use bytes::Bytes;
use carecord_chaincode::Response;
use prost::Message;

use super::{Call, text};
use crate::{acl, channel::Channel};

/// Answers one query.
pub(super) fn invoke(call: &Call<'_>, args: &[Bytes]) -> Response {
    answer(call, args).map_or_else(Response::error, Response::success)
}

fn answer(call: &Call<'_>, args: &[Bytes]) -> Result<Vec<u8>, String> {
    if args.len() < 2 {
        return Err(format!("Incorrect number of arguments, {}", args.len()));
    }
    let (function, channel_id) = (text(args, 0), text(args, 1));
    if function != "GetChainInfo" && args.len() < 3 {
        return Err(format!("missing 3rd argument for {function}"));
    }
    let channel =
        call.peer.channel(&channel_id).ok_or_else(|| format!("Invalid chain ID, {channel_id}"))?;
    let signed = call.signed_data();
    acl::check_signed(&channel.bundle(), &format!("qscc/{function}"), signed)
        .map_err(|reason| format!("access denied for [{function}][{channel_id}]: [{reason}]"))?;
    match function.as_str() {
        "GetChainInfo" => Ok(channel.ledger().info().encode_to_vec()),
        "GetBlockByNumber" => block_by_number(&channel, &text(args, 2)),
        "GetBlockByHash" => block_by_hash(&channel, &args[2]),
        "GetTransactionByID" => transaction_by_id(&channel, &text(args, 2)),
        "GetBlockByTxID" => block_by_tx_id(&channel, &text(args, 2)),
        _ => Err(format!("Requested function {function} not found.")),
    }
}

fn block_by_number(channel: &Arc<Channel>, number: &str) -> Result<Vec<u8>, String> {
    let number: u64 = number
        .parse()
        .map_err(|error| format!("Failed to parse block number with error {error}"))?;
    // Fabric's word for the newest block.
    let number = if number == u64::MAX { channel.ledger().height() - 1 } else { number };
    found(channel.ledger().block(number))
        .map_err(|reason| format!("Failed to get block number {number}, error {reason}"))
}

fn block_by_hash(channel: &Arc<Channel>, hash: &[u8]) -> Result<Vec<u8>, String> {
    found(channel.ledger().block_by_hash(hash))
        .map_err(|reason| format!("Failed to get block hash {}, error {reason}", hex::encode(hash)))
}

fn transaction_by_id(channel: &Arc<Channel>, tx_id: &str) -> Result<Vec<u8>, String> {
    found(channel.ledger().transaction(tx_id))
        .map_err(|reason| format!("Failed to get transaction with id {tx_id}, error {reason}"))
}

fn block_by_tx_id(channel: &Arc<Channel>, tx_id: &str) -> Result<Vec<u8>, String> {
    found(channel.ledger().block_by_tx(tx_id))
        .map_err(|reason| format!("Failed to get block for txID {tx_id}, error {reason}"))
}

fn found<M: Message>(result: Result<Option<M>, carecord_ledger::Error>) -> Result<Vec<u8>, String> {
    let message = result.map_err(|error| error.to_string())?;
    message
        .map(|message| message.encode_to_vec())
        .ok_or_else(|| "no such entry in the index".to_owned())
}
