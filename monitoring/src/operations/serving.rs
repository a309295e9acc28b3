//! Serving HTTP to strangers: every step of a connection has a deadline, and no address holds all places.

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};
use tower::ServiceExt;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Caller, TlsSource, addresses::Addresses};

/// What a listener grants to those whom it does not know.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Connections that are served at once; further ones wait.
    connections: usize,
    /// How many of them one address may hold; further ones are closed.
    per_address: usize,
    /// How long a TLS handshake or a request's header may take.
    header: Duration,
    /// How long a request's body may take from the header on, whatever its size.
    body: Duration,
    /// How long a connection is kept before it is told to end with the request at work.
    life: Duration,
    /// How long that request may take then, its answer's reading included.
    farewell: Duration,
}

/// The unit (OU) of administrators' certificates, to the letter, as MSPs with node OUs have it.
const ADMINISTRATORS: &str = "admin";

const BOUNDS: Bounds = Bounds {
    connections: 256,
    per_address: 64,
    header: Duration::from_secs(10),
    body: Duration::from_secs(30),
    life: Duration::from_secs(300),
    farewell: Duration::from_secs(60),
};

/// Serves `routes` over HTTP/1.1, with TLS if given, until the future is dropped.
pub async fn serve(listener: TcpListener, tls: Option<TlsSource>, routes: Router) {
    serve_within(BOUNDS, listener, tls, routes).await;
}

async fn serve_within(
    bounds: Bounds,
    listener: TcpListener,
    tls: Option<TlsSource>,
    routes: Router,
) {
    let permits = Arc::new(Semaphore::new(bounds.connections));
    let addresses = Addresses::new(bounds.per_address);
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Some(place) = addresses.place(address.ip()) else {
            tracing::debug!(%address, "connection closed: its address has its share");
            continue;
        };
        let tls = tls.as_ref().map(|in_force| in_force());
        let routes = routes.clone();
        connections.spawn(async move {
            connection(bounds, stream, address, tls, routes).await;
            drop((place, permit));
        });
    }
}

async fn connection(
    bounds: Bounds,
    stream: TcpStream,
    address: SocketAddr,
    tls: Option<Arc<rustls::ServerConfig>>,
    routes: Router,
) {
    let ended = match tls {
        None => requests(bounds, stream, Caller::Unknown, routes).await,
        Some(config) => {
            let acceptor = tokio_rustls::TlsAcceptor::from(config);
            match timeout(bounds.header, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let shown = stream.get_ref().1.peer_certificates();
                    let caller = shown.map_or(Caller::Anonymous, caller_of);
                    requests(bounds, stream, caller, routes).await
                }
                Ok(Err(error)) => {
                    tracing::info!(%address, %error, "operations handshake failed");
                    return;
                }
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%address, %error, "operations connection ended");
    }
}

/// Serves what comes by one connection, as long as it lives.
async fn requests(
    bounds: Bounds,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    caller: Caller,
    routes: Router,
) -> hyper::Result<()> {
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(bounds.header);
    let service = service_fn(answering(bounds.body, routes, caller));
    let mut serving = pin!(http.serve_connection(TokioIo::new(stream), service));
    if let Ok(ended) = timeout(bounds.life, serving.as_mut()).await {
        return ended;
    }
    serving.as_mut().graceful_shutdown();
    timeout(bounds.farewell, serving).await.unwrap_or(Ok(()))
}

/// Who has shown these certificates, the first of them their own.
fn caller_of(shown: &[rustls::pki_types::CertificateDer<'_>]) -> Caller {
    let own = shown.first().and_then(|own| X509Certificate::from_der(own).ok());
    let is_administrator = own.is_some_and(|(_, own)| {
        let mut units = own.subject().iter_organizational_unit();
        units.any(|unit| unit.as_str().is_ok_and(|unit| unit == ADMINISTRATORS))
    });
    if is_administrator { Caller::Administrator } else { Caller::Verified }
}

/// The service of one connection, whose requests all come from `caller`.
fn answering(
    patience: Duration,
    routes: Router,
    caller: Caller,
) -> impl Fn(hyper::Request<hyper::body::Incoming>) -> Answering {
    move |request| {
        let deadline = Instant::now() + patience;
        let mut request = request.map(|body| until(deadline, Body::new(body)));
        request.extensions_mut().insert(caller);
        let routes = routes.clone();
        Box::pin(async move { Ok(routes.oneshot(request).await.into_response()) })
    }
}

type Answering = std::pin::Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// `body`, which fails if its end has not come by `deadline`.
fn until(deadline: Instant, body: Body) -> Body {
    let pieces = stream::unfold(Some(body.into_data_stream()), move |open| async move {
        let mut open = open?;
        match timeout_at(deadline, open.next()).await {
            Ok(piece) => Some((piece?, Some(open))),
            Err(late) => Some((Err(axum::Error::new(late)), None)),
        }
    });
    // Who looks whether more has come asks once more behind the end.
    Body::from_stream(pieces.fuse())
}

#[cfg(test)]
mod tests;
