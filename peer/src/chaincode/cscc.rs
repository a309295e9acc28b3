//! `cscc`: the channels of this peer and their configuration.

use bytes::Bytes;
use carecord_chaincode::Response;
use carecord_channel::acl as resources;
use carecord_proto::{
    block,
    common::Block,
    protos::{ChannelInfo, ChannelQueryResponse},
};
use prost::Message;

use super::{Call, text};
use crate::{Error, acl, snapshot};

/// Answers one call.
pub(super) fn invoke(call: &Call<'_>, args: &[Bytes]) -> Response {
    answer(call, args).map_or_else(Response::error, Response::success)
}

fn answer(call: &Call<'_>, args: &[Bytes]) -> Result<Vec<u8>, String> {
    let function = text(args, 0);
    if args.is_empty()
        || (!matches!(function.as_str(), "GetChannels" | "JoinBySnapshotStatus") && args.len() < 2)
    {
        return Err(format!("Incorrect number of arguments, {}", args.len()));
    }
    match function.as_str() {
        "JoinChain" => join(call, &args[1]),
        "JoinChainBySnapshot" => {
            local(call, &function).map_err(|reason| denied(&function, None, &reason))?;
            snapshot::begin_join(call.peer, text(args, 1)).map(|()| Vec::new())
        }
        "JoinBySnapshotStatus" => {
            local(call, &function).map_err(|reason| denied(&function, None, &reason))?;
            call.peer.joining_by_snapshot().status().map(|status| status.encode_to_vec())
        }
        "GetChannels" => {
            local(call, &function).map_err(|reason| denied(&function, None, &reason))?;
            let channels = call.peer.channels();
            let channels =
                channels.iter().map(|channel| ChannelInfo { channel_id: channel.id().to_owned() });
            Ok(ChannelQueryResponse { channels: channels.collect() }.encode_to_vec())
        }
        "GetConfigBlock" => config_block(call, &text(args, 1)),
        "GetChannelConfig" => channel_config(call, &text(args, 1)),
        _ => Err(format!("Requested function {function} not found.")),
    }
}

fn join(call: &Call<'_>, bytes: &Bytes) -> Result<Vec<u8>, String> {
    if bytes.is_empty() {
        return Err("Cannot join the channel <nil> configuration block provided".to_owned());
    }
    let block = Block::decode(bytes.clone())
        .map_err(|error| format!("Failed to reconstruct the genesis block, {error}"))?;
    let channel_id = block::channel_id(&block).map_err(|error| {
        format!(
            "\"JoinChain\" request failed to extract channel id from the block due to [{error}]"
        )
    })?;
    local(call, "JoinChain").map_err(|reason| denied("JoinChain", Some(&channel_id), &reason))?;
    call.peer.join(&block).map_err(|error| match error {
        Error::JoinBlock(reason) => format!(
            "\"JoinChain\" for channelID = {channel_id} failed because of validation of configuration \
             block, because of {reason}"
        ),
        error => error.to_string(),
    })?;
    Ok(Vec::new())
}

fn config_block(call: &Call<'_>, channel_id: &str) -> Result<Vec<u8>, String> {
    let Some(channel) = call.peer.channel(channel_id) else {
        return Err(denied(
            "GetConfigBlock",
            Some(channel_id),
            &format!("Failed to get policy manager for channel [{channel_id}]"),
        ));
    };
    acl::check_signed(&channel.bundle(), "cscc/GetConfigBlock", call.signed_data())
        .map_err(|reason| denied("GetConfigBlock", Some(channel_id), &reason))?;
    let ledger = channel.ledger();
    let read = |number| {
        let block = ledger.block(number).map_err(|error| error.to_string())?;
        block.ok_or_else(|| format!("block [{number}] is not in the ledger"))
    };
    let newest = read(ledger.height() - 1)?;
    let config = block::last_config(&newest).map_err(|error| error.to_string())?;
    Ok(read(config)?.encode_to_vec())
}

fn channel_config(call: &Call<'_>, channel_id: &str) -> Result<Vec<u8>, String> {
    if channel_id.is_empty() {
        return Err("empty channel name provided".to_owned());
    }
    let Some(channel) = call.peer.channel(channel_id) else {
        return Err(denied(
            "GetChannelConfig",
            Some(channel_id),
            &format!("Failed to get policy manager for channel [{channel_id}]"),
        ));
    };
    let bundle = channel.bundle();
    acl::check_signed(&bundle, "cscc/GetChannelConfig", call.signed_data())
        .map_err(|reason| denied("GetChannelConfig", Some(channel_id), &reason))?;
    Ok(bundle.config().encode_to_vec())
}

/// Whether the peer's own organisation lets the caller do this.
fn local(call: &Call<'_>, function: &str) -> Result<(), String> {
    let resource = format!("cscc/{function}");
    let policy =
        resources::local(&resource).ok_or_else(|| format!("Unmapped policy for {resource}"))?;
    let creator = &call.opened.signature_header.creator;
    acl::check_local(&call.peer.credentials().local_msp(), policy, creator, call.signed)
}

/// The reason stands in brackets where Fabric puts it there, for those who match on its texts.
fn denied(function: &str, channel_id: Option<&str>, reason: &str) -> String {
    let channel = channel_id.map(|channel_id| format!("[{channel_id}]")).unwrap_or_default();
    match function.starts_with("JoinChain") {
        true => format!("access denied for [{function}]{channel}: [{reason}]"),
        false => format!("access denied for [{function}]{channel}: {reason}"),
    }
}
