//! HTTP around the server: bodies are capped, and what waits for the disk runs on threads of its own.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use futures::StreamExt;
use tokio::sync::Semaphore;

use super::{Answer, Call, Server};
use crate::refusal::{Code, Refusal};

/// Longest body that is read: requests are a certificate request and some attributes.
pub const BODY_BYTES_MAX: usize = 256 << 10;
/// How much of a longer body is let pass, so that its sender reads the answer.
const BODY_BYTES_DRAINED: usize = 32 << 20;
/// Requests at work at a time; each hash of a secret takes its memory.
const WORKING_MAX: usize = 4;

#[derive(Clone)]
struct Shared {
    server: Arc<Server>,
    places: Arc<Semaphore>,
}

// === impl Server ===

impl Server {
    /// The interface's routes.
    pub fn routes(self: Arc<Self>) -> Router {
        let shared = Shared { server: self, places: Arc::new(Semaphore::new(WORKING_MAX)) };
        Router::new().fallback(handle).with_state(shared)
    }
}

async fn handle(State(shared): State<Shared>, request: Request) -> Response {
    let is_head = request.method() == Method::HEAD;
    let answer = match read(request).await {
        Ok(call) => shared.work(call).await,
        Err(refusal) => Answer::of(200, Err(refusal)),
    };
    response(&answer, is_head)
}

// === impl Shared ===

impl Shared {
    async fn work(self, call: Call) -> Answer {
        let failed = |why: &str| Answer::of(200, Err(Refusal::internal(why)));
        let Ok(_place) = self.places.acquire().await else { return failed("the server ends") };
        let server = Arc::clone(&self.server);
        let done = tokio::task::spawn_blocking(move || server.answer(&call)).await;
        done.unwrap_or_else(|error| failed(&format!("a request's thread ended: {error}")))
    }
}

async fn read(request: Request) -> Result<Call, Refusal> {
    let (parts, body) = request.into_parts();
    let authorization = parts
        .headers
        .get(AUTHORIZATION)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    Ok(Call {
        method: parts.method.as_str().to_owned(),
        uri: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        authorization,
        body: read_body(body.into_data_stream()).await?,
    })
}

async fn read_body(mut stream: BodyDataStream) -> Result<Vec<u8>, Refusal> {
    let mut body = Vec::new();
    let mut seen = 0;
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|_| refused("Failed reading request body"))?;
        seen += piece.len();
        if seen <= BODY_BYTES_MAX {
            body.extend_from_slice(&piece);
        } else if seen > BODY_BYTES_DRAINED {
            break;
        }
    }
    if seen > BODY_BYTES_MAX {
        let why = format!("Failed reading request body: it has more than {BODY_BYTES_MAX} bytes");
        return Err(refused(&why));
    }
    Ok(body)
}

fn refused(why: &str) -> Refusal {
    Refusal::new(400, Code::ReadingBody, why)
}

fn response(answer: &Answer, is_head: bool) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() =
        StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Some(Ok(location)) = answer.location.as_deref().map(HeaderValue::from_str) {
        headers.insert(LOCATION, location);
    }
    if !is_head {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *response.body_mut() = Body::from(answer.body());
    }
    response
}
