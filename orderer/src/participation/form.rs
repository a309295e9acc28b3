//! The one file in a multipart form, and nothing besides it.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use multer::{Constraints, Multipart, SizeLimit};
use prost::Message;

use super::MAX_BODY_BYTES;
use super::answer::error;

/// Parts that are looked at; one is right, and the rest only matters for what the refusal says.
const MAX_PARTS: usize = 8;

/// The message in the part `key`, or the refusal; `what` names it in the text, with its article.
pub(super) async fn message<M: Message + Default>(
    headers: &HeaderMap,
    body: Body,
    key: &str,
    what: &str,
) -> Result<M, Response> {
    let bytes = file(headers, body, key).await?;
    M::decode(bytes).map_err(|cause| {
        refuse(format_args!("cannot unmarshal file part {key} into {what}: {cause}"))
    })
}

/// The content of the part `key`, or the refusal.
async fn file(headers: &HeaderMap, body: Body, key: &str) -> Result<Bytes, Response> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let content_type = content_type.unwrap_or_default();
    if !content_type.contains("multipart/form-data") {
        return Err(refuse(format_args!("unsupported Content-Type: [{content_type}]")));
    }
    let boundary = multer::parse_boundary(content_type)
        .map_err(|cause| refuse(format_args!("cannot read form from request body: {cause}")))?;
    let limit = SizeLimit::new().whole_stream(MAX_BODY_BYTES as u64);
    let constraints = Constraints::new().size_limit(limit);
    let mut form = Multipart::with_constraints(body.into_data_stream(), boundary, constraints);
    let (mut found, mut parts) = (None, 0);
    while let Some(part) = form.next_field().await.map_err(|cause| unreadable(&cause))? {
        parts += 1;
        if parts > MAX_PARTS {
            break;
        }
        let wanted = part.name() == Some(key) && part.file_name().is_some();
        let content = part.bytes().await.map_err(|cause| unreadable(&cause))?;
        if wanted {
            found.get_or_insert(content);
        }
    }
    match found {
        None => Err(refuse(format_args!("form does not contains part key: {key}"))),
        Some(_) if parts > 1 => Err(refuse("form contains too many parts")),
        Some(content) => Ok(content),
    }
}

fn unreadable(cause: &multer::Error) -> Response {
    let text = match cause {
        multer::Error::StreamSizeExceeded { .. } => "http: request body too large".to_owned(),
        _ => match std::error::Error::source(cause) {
            Some(source) => format!("{cause}: {source}"),
            None => cause.to_string(),
        },
    };
    refuse(format_args!("cannot read form from request body: {text}"))
}

fn refuse(cause: impl std::fmt::Display) -> Response {
    error(StatusCode::BAD_REQUEST, cause)
}
