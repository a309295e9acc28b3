//! Joining a channel by a configuration block, its first or a later one.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use carecord_channel::Bundle;
use carecord_proto::block;
use carecord_proto::common::Block;

use super::answer::{created, error, not_allowed};
use super::form;
use crate::registrar::{Refusal, Registrar};

const PART: &str = "config-block";

/// Why a block joins no channel, in Fabric's words (`channelparticipation/validator.go`).
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("block is not a config block")]
    NotConfig,
    #[error("invalid block: does not have metadata")]
    NoMetadata,
    #[error("invalid block: does not have a header")]
    NoHeader,
    #[error("invalid block: Header.DataHash is different from Hash(block.Data)")]
    DataHash,
    #[error(transparent)]
    Channel(#[from] carecord_channel::Error),
    #[error("invalid config: contains consortiums: system channel not supported")]
    Consortiums,
    #[error("invalid config: must contain application config")]
    NoApplication,
    #[error(transparent)]
    Raft(#[from] crate::Error),
}

pub(super) async fn join(
    State(registrar): State<Arc<Registrar>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let block: Block = match form::message(&headers, body, PART, "a block").await {
        Ok(block) => block,
        Err(refused) => return refused,
    };
    let channel = match check(&block) {
        Ok(channel) => channel,
        Err(unfit) => {
            return error(StatusCode::BAD_REQUEST, format_args!("invalid join block: {unfit}"));
        }
    };
    match registrar.join(&channel, &block).await {
        Ok(info) => created(info),
        Err(refusal) => refused(&refusal),
    }
}

/// What a join block must be; answers its channel.
fn check(block: &Block) -> Result<String, Unfit> {
    if !block::is_config(block) {
        return Err(Unfit::NotConfig);
    }
    if block.metadata.as_ref().is_none_or(|metadata| metadata.metadata.is_empty()) {
        return Err(Unfit::NoMetadata);
    }
    let header = block.header.as_ref().ok_or(Unfit::NoHeader)?;
    let hash = block.data.as_ref().map(block::data_hash).unwrap_or_default();
    if header.data_hash != hash[..] {
        return Err(Unfit::DataHash);
    }
    let bundle = Bundle::from_block(block)?;
    if bundle.config().channel_group.as_ref().is_some_and(|g| g.groups.contains_key("Consortiums"))
    {
        return Err(Unfit::Consortiums);
    }
    if bundle.application().is_none() {
        return Err(Unfit::NoApplication);
    }
    crate::consenters(&bundle)?;
    Ok(bundle.channel_id().to_owned())
}

fn refused(refusal: &Refusal) -> Response {
    let text = format!("cannot join: {refusal}");
    match refusal {
        Refusal::Exists => not_allowed(text, "GET, DELETE"),
        Refusal::PendingRemoval => error(StatusCode::CONFLICT, text),
        Refusal::RemovalFailure => error(StatusCode::INTERNAL_SERVER_ERROR, text),
        Refusal::Unknown | Refusal::Failed(_) => error(StatusCode::BAD_REQUEST, text),
    }
}
