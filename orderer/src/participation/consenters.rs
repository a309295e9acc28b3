//! Ours beyond Fabric: who orders a channel and how they fare, and moving leadership.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use carecord_consensus::{ConsenterStatus, NodeId, TransferError};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::answer::{error, json};
use super::checked;
use crate::channel::{ChannelHandle, State as Fares};
use crate::registrar::Registrar;

/// How long a transfer of leadership may take; a refusal whose cause may pass is followed by another try.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who orders a channel, as `GET …/consenters` answers; the command line reads the same type.
#[derive(Debug, Serialize, Deserialize)]
pub struct Consenters {
    /// Nothing while nobody leads that this node knows of.
    pub leader: Option<NodeId>,
    /// All that the configuration names.
    pub consenters: Vec<ConsenterView>,
}

/// One consenter and how it fares.
#[derive(Debug, Serialize, Deserialize)]
pub struct ConsenterView {
    /// Its Raft id.
    pub raft_id: NodeId,
    /// Where the others reach it.
    pub host: String,
    /// Where the others reach it.
    pub port: u16,
    /// `voter` or `learner`.
    pub role: String,
    /// Whether it leads.
    pub leads: bool,
    /// Whether the answering node hears of it.
    pub alive: bool,
    /// Up to where its log is known to agree; the leader alone knows.
    pub matched: Option<u64>,
    /// How far that is behind the furthest; the leader alone knows.
    pub lag: Option<u64>,
    /// When its TLS certificates expire, in seconds since 1970; the earlier one.
    pub certificate_expires_unix_s: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct Transfer {
    to: NodeId,
}

pub(super) async fn show(
    State(registrar): State<Arc<Registrar>>,
    Path(name): Path<String>,
) -> Response {
    match channel(&registrar, &name) {
        Ok(channel) => json(StatusCode::OK, &consenters(&channel)),
        Err(refused) => refused,
    }
}

pub(super) async fn lead(
    State(registrar): State<Arc<Registrar>>,
    Path(name): Path<String>,
    body: Result<Json<Transfer>, JsonRejection>,
) -> Response {
    let channel = match channel(&registrar, &name) {
        Ok(channel) => channel,
        Err(refused) => return refused,
    };
    let Json(Transfer { to }) = match body {
        Ok(transfer) => transfer,
        Err(cause) => return error(StatusCode::BAD_REQUEST, cause),
    };
    if channel.members().get(to).is_none() {
        let text = format!("raft id {to} is not a consenter of channel {name}");
        return error(StatusCode::BAD_REQUEST, text);
    }
    if !matches!(channel.state(), Fares::Active { is_self: true, .. }) {
        let text = "this node does not lead; ask the leader, which GET .../consenters names";
        return error(StatusCode::CONFLICT, text);
    }
    match channel.transfer_leadership(to, Instant::now() + PATIENCE).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err((refused, asked)) => {
            let status = match refused {
                TransferError::NotLeader | TransferError::Elsewhere(_) => StatusCode::CONFLICT,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            let text = format!(
                "consenter {to} does not lead: {refused} (asked {asked} times, up to {PATIENCE:?})"
            );
            error(status, text)
        }
    }
}

fn channel(registrar: &Registrar, name: &str) -> Result<ChannelHandle, Response> {
    checked(name)?;
    registrar.channel(name).map_err(|refusal| error(StatusCode::NOT_FOUND, refusal))
}

fn consenters(channel: &ChannelHandle) -> Consenters {
    let (members, statuses) = (channel.members(), channel.consenters());
    let furthest = statuses.iter().filter_map(|status| status.matched).max();
    let one = |member: &crate::cluster::Member| {
        let status = statuses.iter().find(|status| status.id == member.id);
        let is = |what: fn(&ConsenterStatus) -> bool| status.is_some_and(what);
        let matched = status.and_then(|status| status.matched);
        let (host, port) = member.address.rsplit_once(':').unwrap_or((&member.address, ""));
        ConsenterView {
            raft_id: member.id,
            host: host.to_owned(),
            port: port.parse().unwrap_or_default(),
            role: if is(|status| status.votes) { "voter" } else { "learner" }.to_owned(),
            leads: is(|status| status.leads),
            alive: is(|status| status.alive),
            matched,
            lag: matched.and_then(|matched| Some(furthest? - matched)),
            certificate_expires_unix_s: member.certificate_expires_at(),
        }
    };
    let leader = match channel.state() {
        Fares::Active { leader, .. } => leader,
        _ => None,
    };
    Consenters { leader, consenters: members.iter().map(one).collect() }
}
