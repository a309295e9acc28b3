//! Fetching one block: its bytes, as the log holds them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use carecord_proto::block;
use carecord_proto::common::Block;
use prost::Message;

use super::answer::error;
use super::checked;
use crate::Error;
use crate::channel::ChannelHandle;
use crate::registrar::Registrar;

/// Which block is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Oldest,
    Newest,
    Config,
    Number(u64),
}

pub(super) async fn fetch(
    State(registrar): State<Arc<Registrar>>,
    Path((name, block)): Path<(String, String)>,
) -> Response {
    if let Err(refused) = checked(&name) {
        return refused;
    }
    let wanted = match Wanted::parse(&block) {
        Ok(wanted) => wanted,
        Err(cause) => {
            return error(StatusCode::BAD_REQUEST, format_args!("invalid block ID: {cause}"));
        }
    };
    let channel = match registrar.channel(&name) {
        Ok(channel) => channel,
        Err(refusal) => return error(StatusCode::NOT_FOUND, refusal),
    };
    match tokio::task::spawn_blocking(move || read(&channel, wanted)).await {
        Ok(Ok(bytes)) => octets(bytes),
        Ok(Err(cause)) => error(StatusCode::NOT_FOUND, cause),
        Err(cause) => error(StatusCode::INTERNAL_SERVER_ERROR, cause),
    }
}

fn octets(bytes: Bytes) -> Response {
    let kind = "application/octet-stream";
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")];
    (headers, bytes).into_response()
}

fn read(channel: &ChannelHandle, wanted: Wanted) -> Result<Bytes, Error> {
    let height = *channel.height().borrow();
    let newest = height.checked_sub(1).ok_or(Error::NoBlock(0))?;
    let number = match wanted {
        Wanted::Oldest => 0,
        Wanted::Newest => newest,
        Wanted::Config => {
            let bytes = channel.log().block(newest)?.ok_or(Error::NoBlock(newest))?;
            block::last_config(&Block::decode(bytes)?)?
        }
        Wanted::Number(number) => number,
    };
    let committed = number < height;
    let bytes = if committed { channel.log().block(number)? } else { None };
    bytes.ok_or(Error::NoBlock(number))
}

// === impl Wanted ===

impl Wanted {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("block ID illegal, cannot be empty".to_owned()),
            "oldest" => Ok(Self::Oldest),
            "newest" => Ok(Self::Newest),
            "config" => Ok(Self::Config),
            _ => match text.parse() {
                Ok(number) => Ok(Self::Number(number)),
                Err(_) => Err(format!("'{text}' not equal <newest|oldest|config|(number)>")),
            },
        }
    }
}
