//! Channel participation: the REST interface of Fabric's `osnadmin`, with its paths, status codes, JSON and texts
//! (`orderer/common/channelparticipation/restapi.go`), and under `/carecord/v1/` what ours has beyond it.
//!
//! Place in the flow: the node serves these routes over mutual TLS to its own organisation; each request is one step of the
//! [`Registrar`], for administrators alone, or a look at a channel. A name is checked before it becomes a path or a label.

mod answer;
mod blocks;
mod consenters;
mod form;
mod hear_out;
mod join;
mod update;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use carecord_channel::config::names::check_channel_id;
use carecord_monitoring::operations::only_administrators_change;
use serde::Serialize;

use crate::registrar::{Refusal, Registrar};
use answer::{Info, error, json, not_allowed};
pub use consenters::{ConsenterView, Consenters};

const CHANNELS: &str = "/participation/v1/channels";
const OURS: &str = "/carecord/v1/channels";
/// The largest request; Fabric's default is 1 MiB, which a channel of many organisations outgrows.
const MAX_BODY_BYTES: usize = 8 << 20;

/// The routes.
pub(crate) fn routes(registrar: Arc<Registrar>) -> Router {
    let channels = get(list).post(join::join).put(update::update).fallback(wrong_for_channels);
    let channel = get(show).delete(remove).fallback(wrong_for_channel);
    let block = get(blocks::fetch).fallback(wrong_for_block);
    Router::new()
        .route(CHANNELS, channels)
        .route(&format!("{CHANNELS}/{{channel}}"), channel)
        .route(&format!("{CHANNELS}/{{channel}}/blocks/{{block}}"), block)
        .route(&format!("{OURS}/{{channel}}/consenters"), get(consenters::show))
        .route(&format!("{OURS}/{{channel}}/leader"), post(consenters::lead))
        .layer(middleware::from_fn(negotiate))
        .layer(middleware::from_fn(only_administrators_change))
        .route("/participation/v1/", get(redirect))
        .fallback(|| async { (StatusCode::NOT_FOUND, "404 page not found\n") })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(hear_out::hear_out))
        .with_state(registrar)
}

#[derive(Serialize)]
struct List {
    #[serde(rename = "systemChannel")]
    system_channel: Option<Short>,
    channels: Option<Vec<Short>>,
}

#[derive(Serialize)]
struct Short {
    name: String,
    url: String,
}

async fn redirect() -> impl IntoResponse {
    (StatusCode::FOUND, [(header::LOCATION, CHANNELS)])
}

async fn list(State(registrar): State<Arc<Registrar>>) -> Response {
    let short = |name: String| Short { url: url(&name), name };
    let channels: Vec<_> = registrar.registry.names().into_iter().map(short).collect();
    let channels = (!channels.is_empty()).then_some(channels);
    json(StatusCode::OK, &List { system_channel: None, channels })
}

async fn show(State(registrar): State<Arc<Registrar>>, Path(channel): Path<String>) -> Response {
    let info = match checked(&channel) {
        Err(refused) => return refused,
        Ok(()) => registrar.info(&channel),
    };
    match info {
        Ok(info) => json(StatusCode::OK, &Info::of(info)),
        Err(refusal) => error(StatusCode::NOT_FOUND, refusal),
    }
}

async fn remove(State(registrar): State<Arc<Registrar>>, Path(channel): Path<String>) -> Response {
    if let Err(refused) = checked(&channel) {
        return refused;
    }
    let Err(refusal) = registrar.remove(&channel).await else {
        return StatusCode::NO_CONTENT.into_response();
    };
    let status = match refusal {
        Refusal::Unknown => StatusCode::NOT_FOUND,
        Refusal::PendingRemoval => StatusCode::CONFLICT,
        _ => StatusCode::BAD_REQUEST,
    };
    error(status, format_args!("cannot remove: {refusal}"))
}

async fn wrong_for_channels(method: Method) -> Response {
    not_allowed(format_args!("invalid request method: {method}"), "GET, POST, PUT")
}

async fn wrong_for_channel(method: Method) -> Response {
    not_allowed(format_args!("invalid request method: {method}"), "GET, DELETE")
}

async fn wrong_for_block(method: Method) -> Response {
    not_allowed(format_args!("invalid request method: {method}"), "GET")
}

/// Answers are JSON; who takes none gets none.
async fn negotiate(request: Request, next: Next) -> Response {
    let accept = request.headers().get(header::ACCEPT).map(|accept| accept.to_str());
    let takes = |accept: &str| {
        let kinds = ["application/json", "application/*", "*/*"];
        accept.is_empty() || kinds.iter().any(|kind| accept.contains(kind))
    };
    if accept.is_none_or(|accept| accept.is_ok_and(takes)) {
        return next.run(request).await;
    }
    error(StatusCode::NOT_ACCEPTABLE, "response Content-Type is application/json only")
}

fn url(channel: &str) -> String {
    format!("{CHANNELS}/{channel}")
}

/// Refuses a name that no channel can have.
fn checked(channel: &str) -> Result<(), Response> {
    check_channel_id(channel).map_err(|cause| {
        let text = cause.to_string();
        let text = text.strip_prefix("bad channel ID: ").unwrap_or(&text);
        error(StatusCode::BAD_REQUEST, format_args!("invalid channel ID: {text}"))
    })
}
