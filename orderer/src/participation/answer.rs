//! The answers' form: JSON with a line's end, as Go writes it.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::url;
use crate::registrar::ChannelInfo;

/// What is told of one channel.
#[derive(Serialize)]
pub(super) struct Info {
    name: String,
    url: String,
    #[serde(rename = "consensusRelation")]
    consensus_relation: &'static str,
    status: &'static str,
    height: u64,
}

#[derive(Serialize)]
struct Problem {
    error: String,
}

// === impl Info ===

impl Info {
    pub(super) fn of(info: ChannelInfo) -> Self {
        Self {
            url: url(&info.name),
            name: info.name,
            consensus_relation: info.relation.word(),
            status: info.standing.word(),
            height: info.height,
        }
    }
}

pub(super) fn json(status: StatusCode, content: &impl Serialize) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    match serde_json::to_string(content) {
        Ok(text) => (status, headers, text + "\n").into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// A channel was joined or changed.
pub(super) fn created(info: ChannelInfo) -> Response {
    let info = Info::of(info);
    let location = [(header::LOCATION, info.url.clone())];
    (location, json(StatusCode::CREATED, &info)).into_response()
}

pub(super) fn error(status: StatusCode, cause: impl std::fmt::Display) -> Response {
    json(status, &Problem { error: cause.to_string() })
}

pub(super) fn not_allowed(cause: impl std::fmt::Display, allow: &'static str) -> Response {
    ([(header::ALLOW, allow)], error(StatusCode::METHOD_NOT_ALLOWED, cause)).into_response()
}
