//! Dialling: a channel that connects when first used and again after each loss.

use std::{io, sync::Arc};

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{codegen::http::Uri, transport::Channel};
use tower::service_fn;

use crate::{ClientTls, Error, limits};

/// Where and how to reach a node.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// `host:port`, with or without a `grpcs://` or `grpc://` before it.
    pub address: String,
    /// TLS, unless the node speaks plain text.
    pub tls: Option<ClientTls>,
    /// The name that the node's certificate must carry, if not the host of `address`.
    pub server_name: Option<String>,
}

/// A channel to `endpoint`. Nothing is sent yet; a call fails with `Unavailable` while the node cannot be reached.
pub fn dial(endpoint: &Endpoint) -> Result<Channel, Error> {
    let address = host_and_port(&endpoint.address)?;
    let scheme = if endpoint.tls.is_some() { "https" } else { "http" };
    let bad_address = |_| Error::Address(endpoint.address.clone());
    let origin: Uri = format!("{scheme}://{address}").parse().map_err(bad_address)?;
    let host = origin.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let name = endpoint.server_name.clone().unwrap_or(host);
    let name = ServerName::try_from(name).map_err(|_| Error::Address(endpoint.address.clone()))?;

    let tls = endpoint.tls.clone();
    let target: Arc<str> = address.into();
    let connector = service_fn(move |_: Uri| {
        let (target, tls, name) = (Arc::clone(&target), tls.clone(), name.clone());
        async move {
            tokio::time::timeout(limits::CONNECT_TIMEOUT, connect(&target, tls, name))
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                .map(TokioIo::new)
        }
    });
    // The URI given here only names the transport; TLS is the connector's, so the scheme must be plain.
    let channel = Channel::builder(Uri::from_static("http://carecord.invalid"))
        .origin(origin)
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .http2_keep_alive_interval(limits::CLIENT_PING_INTERVAL)
        .keep_alive_timeout(limits::PING_TIMEOUT)
        .keep_alive_while_idle(true)
        .connect_with_connector_lazy(connector);
    Ok(channel)
}

/// What a connection is made of: plain, or under TLS.
type Io = tokio_util::either::Either<TcpStream, TlsStream<TcpStream>>;

async fn connect(
    target: &str,
    tls: Option<ClientTls>,
    name: ServerName<'static>,
) -> io::Result<Io> {
    let stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    match tls {
        None => Ok(Io::Left(stream)),
        Some(tls) => {
            let stream = TlsConnector::from(tls.config()).connect(name, stream).await?;
            Ok(Io::Right(stream))
        }
    }
}

fn host_and_port(address: &str) -> Result<&str, Error> {
    let bare = address.split_once("://").map_or(address, |(_, rest)| rest);
    let bare = bare.trim_start_matches('/');
    match bare.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(bare),
        _ => Err(Error::Address(address.to_owned())),
    }
}
