//! The operations service: `/metrics`, `/healthz`, `/logspec`, `/version`, over HTTP or HTTPS.
//!
//! Over HTTPS, as in Fabric, `/metrics` and `/logspec` answer only who has shown a client certificate that the
//! listener's TLS trusts; `/healthz` and `/version` answer everybody. What changes something wants an administrator's
//! certificate. Plain HTTP knows nobody and answers everything.

mod addresses;
mod serving;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{Method, StatusCode, header::CONTENT_TYPE},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

pub use serving::serve;

use crate::{Registry, logging::LogSpec};

/// How large the body of a request may be.
const MAX_BODY_BYTES: usize = 64 << 10;

/// What the node runs, as `/version` tells it.
#[derive(Clone, Debug, Serialize)]
pub struct Version {
    /// The revision of the source.
    #[serde(rename = "CommitSHA")]
    pub commit: String,
    /// The released version.
    #[serde(rename = "Version")]
    pub version: String,
}

/// One component's health: `Err` with the reason if it cannot do its work.
pub type HealthCheck = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// A listener's TLS, asked for at each connection, so that it may be exchanged while the listener runs.
pub type TlsSource = Arc<dyn Fn() -> Arc<rustls::ServerConfig> + Send + Sync>;

/// What the service tells and changes.
#[derive(Clone)]
pub struct Operations {
    /// The metrics to show.
    pub registry: Registry,
    /// The log levels to show and change.
    pub logspec: LogSpec,
    /// The components to ask, by name.
    pub health: Vec<(String, HealthCheck)>,
    /// What to tell about the program.
    pub version: Version,
}

/// Who sent a request, as the connection it came by tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Somebody on a listener without TLS, which only trusted hosts may reach.
    Unknown,
    /// Somebody on a TLS listener who has shown no certificate.
    Anonymous,
    /// Somebody whose certificate the listener's TLS has verified.
    Verified,
    /// The same, whose certificate says that it is an administrator's.
    Administrator,
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    time: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_checks: Vec<FailedCheck>,
}

#[derive(Serialize)]
struct FailedCheck {
    component: String,
    reason: String,
}

#[derive(Serialize, Deserialize)]
struct Spec {
    spec: String,
}

#[derive(Serialize)]
struct Refusal {
    error: String,
}

// === impl Operations ===

impl Operations {
    /// The service's routes, for a caller that has more of its own.
    pub fn routes(self) -> Router {
        Router::new()
            .route("/metrics", get(metrics))
            .route("/logspec", get(logspec).put(set_logspec))
            .route_layer(middleware::from_fn(only_administrators_change))
            .route_layer(middleware::from_fn(refuse_anonymous))
            .route("/healthz", get(healthz))
            .route("/version", get(version))
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
            .with_state(Arc::new(self))
    }

    /// Serves until the future is dropped.
    pub async fn serve(self, listener: TcpListener, tls: Option<TlsSource>) {
        serve(listener, tls, self.routes()).await;
    }
}

impl std::fmt::Debug for Operations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operations").field("version", &self.version).finish_non_exhaustive()
    }
}

/// Lets nobody through who could have shown a certificate and has not.
async fn refuse_anonymous(request: Request, next: Next) -> Response {
    match request.extensions().get::<Caller>() {
        Some(Caller::Anonymous) => {
            let error = "a client certificate of the node's organisation is required".to_owned();
            (StatusCode::UNAUTHORIZED, Json(Refusal { error })).into_response()
        }
        Some(Caller::Unknown | Caller::Verified | Caller::Administrator) | None => {
            next.run(request).await
        }
    }
}

/// Lets only administrators change something, where callers are known; whoever got past TLS may look. For listeners whose
/// CA gives certificates to others, too: Fabric takes each of them for an administrator's.
pub async fn only_administrators_change(request: Request, next: Next) -> Response {
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.extensions().get::<Caller>() {
        Some(Caller::Anonymous | Caller::Verified) if !looks => {
            let error = "a TLS client certificate with the unit (OU) admin is required; \
                         carecord cert renew --user Admin makes one"
                .to_owned();
            (StatusCode::FORBIDDEN, Json(Refusal { error })).into_response()
        }
        _ => next.run(request).await,
    }
}

async fn metrics(State(operations): State<Arc<Operations>>) -> Response {
    let content_type = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (content_type, operations.registry.render()).into_response()
}

async fn healthz(State(operations): State<Arc<Operations>>) -> Response {
    let failed_checks: Vec<_> = operations
        .health
        .iter()
        .filter_map(|(component, check)| {
            let reason = check().err()?;
            Some(FailedCheck { component: component.clone(), reason })
        })
        .collect();
    let (code, status) = if failed_checks.is_empty() {
        (StatusCode::OK, "OK")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
    };
    (code, Json(Health { status, time: now(), failed_checks })).into_response()
}

async fn logspec(State(operations): State<Arc<Operations>>) -> Json<Spec> {
    Json(Spec { spec: operations.logspec.get() })
}

async fn set_logspec(State(operations): State<Arc<Operations>>, body: String) -> Response {
    let result = serde_json::from_str::<Spec>(&body)
        .map_err(|error| error.to_string())
        .and_then(|wanted| operations.logspec.set(&wanted.spec).map_err(|error| error.to_string()));
    match result {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, Json(Refusal { error })).into_response(),
    }
}

async fn version(State(operations): State<Arc<Operations>>) -> Json<Version> {
    Json(operations.version.clone())
}

fn now() -> String {
    let now = time::OffsetDateTime::now_utc();
    now.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tower::ServiceExt;

    use super::*;

    async fn ask(request: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("bound");
        let sick: HealthCheck = Arc::new(|| Err("disk full".to_owned()));
        let operations = Operations {
            registry: Registry::new(),
            logspec: LogSpec::detached("info").expect("valid"),
            health: vec![("ledger".to_owned(), sick)],
            version: Version { commit: "abc".to_owned(), version: "1.2.3".to_owned() },
        };
        let server = tokio::spawn(operations.serve(listener, None));
        let mut stream = TcpStream::connect(address).await.expect("served");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answered");
        server.abort();
        answer
    }

    fn request(method: &str, path: &str, body: &str) -> String {
        let length = body.len();
        format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    }

    #[tokio::test]
    async fn metrics_and_version_are_shown() {
        let answer = ask(&request("GET", "/metrics", "")).await;
        assert!(answer.contains("fabric_version{version=\"3.1.5\"} 1"), "{answer}");
        let answer = ask(&request("GET", "/version", "")).await;
        assert!(answer.ends_with(r#"{"CommitSHA":"abc","Version":"1.2.3"}"#), "{answer}");
    }

    #[tokio::test]
    async fn who_shows_no_certificate_learns_of_health_and_version_alone() {
        let operations = Operations {
            registry: Registry::new(),
            logspec: LogSpec::detached("info").expect("valid"),
            health: Vec::new(),
            version: Version { commit: "abc".to_owned(), version: "1.2.3".to_owned() },
        };
        let status = async |path: &str, caller: Caller| {
            let mut request = Request::new(axum::body::Body::empty());
            *request.uri_mut() = path.parse().expect("a path");
            request.extensions_mut().insert(caller);
            let answer = operations.clone().routes().oneshot(request).await;
            answer.expect("routes do not fail").status().as_u16()
        };
        for (path, anonymous) in
            [("/metrics", 401), ("/logspec", 401), ("/healthz", 200), ("/version", 200)]
        {
            assert_eq!(status(path, Caller::Anonymous).await, anonymous, "{path}");
            assert_eq!(status(path, Caller::Verified).await, 200, "{path}");
            assert_eq!(status(path, Caller::Unknown).await, 200, "{path}");
        }
        assert_eq!(status("/nothing", Caller::Anonymous).await, 404);
    }

    #[tokio::test]
    async fn log_levels_are_changed_by_administrators_alone_where_callers_are_known() {
        let operations = Operations {
            registry: Registry::new(),
            logspec: LogSpec::detached("info").expect("valid"),
            health: Vec::new(),
            version: Version { commit: "abc".to_owned(), version: "1.2.3".to_owned() },
        };
        for (caller, expected) in [
            (Caller::Anonymous, 401),
            (Caller::Verified, 403),
            (Caller::Administrator, 204),
            (Caller::Unknown, 204),
        ] {
            let mut request = Request::new(axum::body::Body::from(r#"{"spec":"debug"}"#));
            *request.uri_mut() = "/logspec".parse().expect("a path");
            *request.method_mut() = Method::PUT;
            request.extensions_mut().insert(caller);
            let answer = operations.clone().routes().oneshot(request).await;
            let status = answer.expect("routes do not fail").status().as_u16();
            assert_eq!(status, expected, "{caller:?}");
        }
    }

    #[tokio::test]
    async fn a_sick_component_is_named() {
        let answer = ask(&request("GET", "/healthz", "")).await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains(r#"{"component":"ledger","reason":"disk full"}"#), "{answer}");
    }

    #[tokio::test]
    async fn log_levels_can_be_changed_but_not_to_nonsense() {
        let answer = ask(&request("PUT", "/logspec", r#"{"spec":"debug"}"#)).await;
        assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
        let answer = ask(&request("PUT", "/logspec", r#"{"spec":"loud"}"#)).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(answer.contains("bad segment 'loud'"), "{answer}");
    }
}
