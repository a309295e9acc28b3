//! The client's end of an HTTPS connection, for the operations service of a node.
//!
//! Blocking, because its callers are commands that ask one node after the other.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::Arc,
};

use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use crate::{
    Error, TlsIdentity,
    tls::{HTTP1, HandshakeClock, client_config},
};

/// TLS towards listeners that speak HTTP/1.1.
#[derive(Clone, Debug)]
pub struct HttpsClient {
    config: Arc<ClientConfig>,
}

// === impl HttpsClient ===

impl HttpsClient {
    /// A client that trusts `roots` (PEM texts) and shows `identity` if it has one.
    pub fn new<R: AsRef<[u8]>>(roots: &[R], identity: Option<TlsIdentity>) -> Result<Self, Error> {
        Ok(Self {
            config: Arc::new(client_config(roots, identity, HTTP1, HandshakeClock::default())?),
        })
    }

    /// Puts TLS on `stream`; the server must prove that it is `server_name`.
    pub fn connect(
        &self,
        stream: TcpStream,
        server_name: &str,
    ) -> io::Result<impl Read + Write + use<>> {
        let name = ServerName::try_from(server_name.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let connection =
            ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)?;
        Ok(StreamOwned::new(connection, stream))
    }
}
