//! Changing a channel by a configuration update, submitted as a client's would be.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use carecord_proto::common::{ConfigUpdate, ConfigUpdateEnvelope, Envelope, HeaderType, Status};
use carecord_proto::envelope::Opened;
use prost::Message;

use super::answer::{created, error};
use super::form;
use crate::channel::{ChannelHandle, Relation};
use crate::registrar::{Refusal, Registrar};

const PART: &str = "config-update-envelope";
/// How long the update may take to be in a block.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn update(
    State(registrar): State<Arc<Registrar>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let envelope: Envelope = match form::message(&headers, body, PART, "an envelope").await {
        Ok(envelope) => envelope,
        Err(refused) => return refused,
    };
    let name = match channel_of(&envelope) {
        Ok(name) => name,
        Err(cause) => {
            let text = format!("invalid config update envelope: {cause}");
            return error(StatusCode::BAD_REQUEST, text);
        }
    };
    let channel = match registrar.channel(&name) {
        Ok(channel) => channel,
        Err(refusal) => return refused(&refusal),
    };
    if channel.state().relation() == Relation::Follower {
        let text = "cannot update: channel is not ready, he is a follower";
        return error(StatusCode::FORBIDDEN, text);
    }
    match submit(&channel, envelope).await {
        Ok(()) => match registrar.info(&name) {
            Ok(info) => created(info),
            Err(refusal) => refused(&refusal),
        },
        Err(cause) => {
            let text = format!("cannot update: failed update config of channel {name}: {cause}");
            error(StatusCode::BAD_REQUEST, text)
        }
    }
}

async fn submit(channel: &ChannelHandle, envelope: Envelope) -> Result<(), String> {
    let answer = channel.submit(envelope).await.map_err(|rejection| rejection.info)?;
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok((Status::Success, _)) => Ok(()),
        Ok((status, info)) => Err(format!("{}: {info}", status.as_str_name())),
        Err(_) => Err(format!("no block within {} s", PATIENCE.as_secs())),
    }
}

/// The channel that an update is for; Fabric's checks and words (`channelparticipation/validator.go`).
fn channel_of(envelope: &Envelope) -> Result<String, String> {
    let opened = Opened::open(envelope).map_err(|cause| format!("bad payload: {cause}"))?;
    if opened.channel_header.r#type != HeaderType::ConfigUpdate as i32 {
        return Err("bad type".to_owned());
    }
    if opened.channel_header.channel_id.is_empty() {
        return Err("empty channel id".to_owned());
    }
    let update = ConfigUpdateEnvelope::decode(opened.payload.data)
        .and_then(|update| ConfigUpdate::decode(update.config_update))
        .map_err(|cause| format!("bad config update: {cause}"))?;
    Ok(update.channel_id)
}

fn refused(refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::Unknown => StatusCode::METHOD_NOT_ALLOWED,
        Refusal::PendingRemoval => StatusCode::CONFLICT,
        Refusal::RemovalFailure => StatusCode::INTERNAL_SERVER_ERROR,
        Refusal::Exists | Refusal::Failed(_) => StatusCode::BAD_REQUEST,
    };
    error(status, format_args!("cannot update: {refusal}"))
}
