//! Serving: accept, TLS handshake, HTTP/2, one task per connection, bounded everywhere.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use carecord_monitoring::GrpcMetrics;
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;
use tonic::{codegen::http, service::Routes};

use crate::{
    Error, Limits, ServerTls,
    call::Calls,
    fairness::{Activity, Addresses, Connection, ConnectionShare},
    limits,
};

/// The certificate that the other end of a connection proved to own; a request extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    der: Bytes,
    hash: [u8; 32],
}

/// Where the other end of a connection is; a request extension.
#[derive(Clone, Copy, Debug)]
struct PeerAddress(SocketAddr);

/// A gRPC server to be.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// TLS, unless clients speak plain text.
    pub tls: Option<ServerTls>,
    /// What is accepted.
    pub limits: Limits,
    /// Where calls are counted, if they are.
    pub metrics: Option<GrpcMetrics>,
}

/// A running server; dropping it stops it at once.
#[derive(Debug)]
pub struct ServerHandle {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// What every connection of a server shares.
struct Shared {
    tls: Option<ServerTls>,
    limits: Limits,
    addresses: Arc<Addresses>,
    calls: Arc<Calls>,
    http: http2::Builder<TokioExecutor>,
}

// === impl PeerCertificate ===

impl PeerCertificate {
    fn new(der: Bytes) -> Self {
        Self { hash: Sha256::digest(&der).into(), der }
    }

    /// The certificate itself.
    pub fn der(&self) -> &Bytes {
        &self.der
    }

    /// Its SHA-256, which binds a deliver request to its connection.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}

/// The certificate of a request's sender; `None` without TLS or if it sent none.
pub fn peer_certificate<T>(request: &tonic::Request<T>) -> Option<&PeerCertificate> {
    request.extensions().get()
}

/// The address of a request's sender, for log lines.
pub fn peer_address<T>(request: &tonic::Request<T>) -> Option<SocketAddr> {
    request.extensions().get::<PeerAddress>().map(|address| address.0)
}

/// The connection of a request; `None` outside a server of this crate.
pub fn peer_connection<T>(request: &tonic::Request<T>) -> Option<Connection> {
    request.extensions().get().cloned()
}

/// The time until which a request's sender waits, if it said so (`grpc-timeout`).
pub fn deadline<T>(request: &tonic::Request<T>) -> Option<Instant> {
    let text = request.metadata().get("grpc-timeout")?.to_str().ok()?;
    Instant::now().checked_add(grpc_timeout(text)?)
}

fn grpc_timeout(text: &str) -> Option<Duration> {
    const MAX_DIGITS: usize = 8;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > MAX_DIGITS {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

// === impl Server ===

impl Server {
    /// Binds `address` and serves `routes` there.
    pub async fn bind(self, address: &str, routes: Routes) -> Result<ServerHandle, Error> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| Error::Listen { address: address.to_owned(), source })?;
        self.serve(listener, routes)
    }

    /// Serves `routes` on a bound listener, on tasks of the current runtime.
    pub fn serve(self, listener: TcpListener, routes: Routes) -> Result<ServerHandle, Error> {
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let calls = Calls::new(routes.prepare(), &self.limits, self.metrics);
        let http = http_builder(&self.limits);
        let addresses = Addresses::new(self.limits.connections_per_address);
        let calls = Arc::new(calls);
        let shared = Shared { tls: self.tls, limits: self.limits, addresses, calls, http };
        let task = tokio::spawn(accept(listener, Arc::new(shared), stopped));
        Ok(ServerHandle { address, stop, task })
    }
}

// === impl ServerHandle ===

impl ServerHandle {
    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets calls end within `grace`, then cuts what is left.
    pub async fn stop(mut self, grace: Duration) {
        let _ = self.stop.send(true);
        if tokio::time::timeout(grace, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === accepting ===

async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let permits = Arc::new(Semaphore::new(shared.limits.connections));
    let mut connections = JoinSet::new();
    while !*stopped.borrow() {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            _ = stopped.changed() => break,
            accepted = next(&listener, &permits) => accepted,
        };
        match accepted {
            Ok((stream, address, permit)) => {
                let Some(place) = shared.addresses.place(address.ip()) else {
                    tracing::info!(%address, "too many connections from one address");
                    continue;
                };
                let connection = connection(stream, address, Arc::clone(&shared), stopped.clone());
                connections.spawn(async move {
                    connection.await;
                    drop((place, permit));
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: give connections the time to end.
                tracing::warn!(%error, "connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn next(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, address, permit))
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    shared: Arc<Shared>,
    stopped: watch::Receiver<bool>,
) {
    let Some(tls) = &shared.tls else {
        return converse(stream, address, None, &shared, stopped).await;
    };
    let handshake = TlsAcceptor::from(tls.config()).accept(stream);
    match tokio::time::timeout(shared.limits.handshake_timeout, handshake).await {
        Ok(Ok(stream)) => {
            let (_, session) = stream.get_ref();
            let certificate = session
                .peer_certificates()
                .and_then(|chain| chain.first())
                .map(|leaf| PeerCertificate::new(Bytes::copy_from_slice(leaf)));
            converse(stream, address, certificate, &shared, stopped).await;
        }
        Ok(Err(error)) => tracing::info!(%address, %error, "TLS handshake failed"),
        Err(_) => tracing::info!(%address, "TLS handshake timed out"),
    }
}

async fn converse<S>(
    stream: S,
    address: SocketAddr,
    certificate: Option<PeerCertificate>,
    shared: &Shared,
    mut stopped: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let calls = &shared.calls;
    let share = Arc::new(ConnectionShare::new(&shared.limits));
    let service = service_fn(|mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(PeerAddress(address));
        request.extensions_mut().insert(Connection(Arc::clone(&share.activity)));
        if let Some(certificate) = &certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        let (calls, share) = (Arc::clone(calls), Arc::clone(&share));
        async move { Ok::<_, Infallible>(calls.answer(request, &share).await) }
    });
    let _open = calls.connection();
    let activity = Arc::clone(&share.activity);
    let connection = shared.http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => Some(ended),
        () = stopping(&mut stopped) => None,
        () = activity.cut() => {
            tracing::info!(%address, "connection is cut: what was sent is not read");
            return;
        }
        () = activity.quiet(&shared.limits) => {
            tracing::debug!(%address, "connection without calls is closed");
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = &mut connection => Some(ended),
                () = unused(&activity) => return,
            }
        }
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%address, %error, "connection ended");
    }
}

/// Returns when a connection that was asked to close has had its grace and has no call.
async fn unused(activity: &Activity) {
    tokio::time::sleep(limits::CLOSE_GRACE).await;
    while activity.is_in_use() {
        tokio::time::sleep(limits::CLOSE_GRACE).await;
    }
}

async fn stopping(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

fn http_builder(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(limits.calls_per_connection)
        .max_header_list_size(limits::MAX_HEADER_BYTES)
        .keep_alive_interval(limits::SERVER_PING_INTERVAL)
        .keep_alive_timeout(limits::PING_TIMEOUT)
        .auto_date_header(false);
    http
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_timeouts_are_read_in_every_unit() {
        assert_eq!(grpc_timeout("5S"), Some(Duration::from_secs(5)));
        assert_eq!(grpc_timeout("2M"), Some(Duration::from_secs(120)));
        assert_eq!(grpc_timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(grpc_timeout("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        for bad in ["", "S", "-1S", "123456789S", "5x", "5é"] {
            assert_eq!(grpc_timeout(bad), None, "{bad}");
        }
    }
}
