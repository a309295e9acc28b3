//! Every limit of a connection, named, in one place.
//!
//! Besides the totals there are shares and deadlines, so that nobody can close a server to others by taking places
//! and doing nothing: a unary request must arrive whole in time, one connection gets half of a service's places,
//! one address a quarter of the connections, and a connection without calls is closed.

use std::time::Duration;

/// The largest message in either direction, as in Fabric.
pub const MAX_MESSAGE_BYTES: usize = 100 << 20;
/// The largest request of a deliver stream: a position and an identity.
pub(crate) const MAX_SEEK_BYTES: usize = 1 << 20;
/// Bytes of one stream that may be under way before the receiver has taken them.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 2 << 20;
/// The same for all streams of a connection together.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
/// A request message up to this size needs no place in the budget of unfinished messages.
pub(crate) const UNCOUNTED_MESSAGE_BYTES: usize = 16 << 10;
/// Bytes of unfinished request messages of one connection at a time: one of the largest.
pub(crate) const CONNECTION_INBOUND_BYTES: usize = MAX_MESSAGE_BYTES + (4 << 20);
/// The same for all connections of a server together.
pub(crate) const SERVER_INBOUND_BYTES: usize = 256 << 20;
/// How long a message may wait for its place in that budget.
pub(crate) const INBOUND_WAIT: Duration = Duration::from_secs(2);
/// The slowest that a large message of a request stream may arrive, in bytes a second.
pub(crate) const MIN_INBOUND_RATE: u64 = 1 << 20;
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
/// How long a quiet connection may take to close before it is cut, if no call came meanwhile.
pub(crate) const CLOSE_GRACE: Duration = Duration::from_secs(5);
/// One connection gets one part in this many of a service's places, rounded up.
pub(crate) const CONNECTION_SHARE_DIVISOR: usize = 2;
/// One address gets one part in this many of a server's connections, ...
const ADDRESS_SHARE_DIVISOR: usize = 4;
/// ... but at least this many: several nodes and clients may share a host.
const MIN_CONNECTIONS_PER_ADDRESS: usize = 64;
/// Connections of a server at once.
const CONNECTIONS: usize = 4096;
/// How many methods get series of their own; a caller that makes names up lands in `unknown`.
pub(crate) const MAX_COUNTED_METHODS: usize = 64;

/// What one server accepts.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Connections at once from one IP address (of IPv6: one /64 network); further ones are closed at once.
    pub connections_per_address: usize,
    /// Calls at once on one connection.
    pub calls_per_connection: u32,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long a connection may be without any call after its handshake; then it is closed.
    pub first_call_timeout: Duration,
    /// How long it may be without an open call after its last one; then it is closed.
    pub idle_timeout: Duration,
    /// How long the request of a call may take to arrive whole; in a stream of requests each message that was begun.
    pub request_timeout: Duration,
    /// Calls at once of one service, by its full name; a call above it is refused, and so is one by
    /// which a single connection would have more than half.
    pub calls_per_service: Vec<(&'static str, usize)>,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS,
            connections_per_address: (CONNECTIONS / ADDRESS_SHARE_DIVISOR)
                .max(MIN_CONNECTIONS_PER_ADDRESS),
            calls_per_connection: 4096,
            handshake_timeout: Duration::from_secs(10),
            first_call_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(15 * 60),
            request_timeout: Duration::from_secs(15),
            calls_per_service: Vec::new(),
        }
    }
}

impl Limits {
    /// A peer's limits: Fabric's defaults, but more for the gateway, since one connection gets only a share and clients
    /// that wait for a commit hold a place for as long as they wait.
    pub fn peer() -> Self {
        let calls_per_service =
            vec![("protos.Endorser", 2500), ("protos.Deliver", 2500), ("gateway.Gateway", 2000)];
        Self { calls_per_service, ..Self::default() }
    }

    /// The same with another limit for one service.
    pub fn with_service(mut self, service: &'static str, calls: usize) -> Self {
        self.calls_per_service.retain(|(name, _)| *name != service);
        self.calls_per_service.push((service, calls));
        self
    }
}
