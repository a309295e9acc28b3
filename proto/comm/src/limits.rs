//! Every limit of a connection, named, in one place.

use std::time::Duration;

/// The largest message in either direction, as in Fabric.
pub const MAX_MESSAGE_BYTES: usize = 100 << 20;
/// Bytes of one stream that may be under way before the receiver has taken them.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 4 << 20;
/// The same for all streams of a connection together.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// The largest set of headers.
pub(crate) const MAX_HEADER_BYTES: u32 = 64 << 10;
/// How often a server asks whether a silent client is still there, and how long it waits.
pub(crate) const SERVER_PING_INTERVAL: Duration = Duration::from_secs(2 * 60 * 60);
/// How long either side waits for the answer to a ping.
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a client asks; Fabric's peers drop a client that asks more often.
pub(crate) const CLIENT_PING_INTERVAL: Duration = Duration::from_secs(60);
/// How long setting up a connection may take, TLS included.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How many methods get series of their own; a caller that makes names up lands in `unknown`.
pub(crate) const MAX_COUNTED_METHODS: usize = 64;

/// What one server accepts.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Calls at once on one connection.
    pub calls_per_connection: u32,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// Calls at once of one service, by its full name; a call above it is refused.
    pub calls_per_service: Vec<(&'static str, usize)>,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            calls_per_connection: 4096,
            handshake_timeout: Duration::from_secs(10),
            calls_per_service: Vec::new(),
        }
    }
}

impl Limits {
    /// A peer's limits, with Fabric's defaults.
    pub fn peer() -> Self {
        let calls_per_service =
            vec![("protos.Endorser", 2500), ("protos.Deliver", 2500), ("gateway.Gateway", 500)];
        Self { calls_per_service, ..Self::default() }
    }

    /// The same with another limit for one service.
    pub fn with_service(mut self, service: &'static str, calls: usize) -> Self {
        self.calls_per_service.retain(|(name, _)| *name != service);
        self.calls_per_service.push((service, calls));
        self
    }
}
