//! A deliver request: the envelope's own checks, before anybody looks at a channel.

use bytes::Bytes;
use carecord_proto::common::{Envelope, Status};
use carecord_proto::orderer::SeekInfo;
use carecord_proto::{Malformed, decode, envelope};
use prost_types::Timestamp;

/// How far a request's timestamp may be from the server's clock, either way.
pub const TIME_WINDOW_MS: i64 = 15 * 60 * 1000;

/// A request that is answered with a status; the reason goes into the log and the stream's trailers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// What the client is told.
    pub status: Status,
    /// What the server logs and tells in the trailers.
    pub reason: String,
}

// === impl Refusal ===

impl Refusal {
    /// The answer to a request for a channel that is not here.
    pub fn unknown_channel(channel_id: &str) -> Self {
        Self::new(Status::NotFound, format!("channel {channel_id} not found"))
    }

    /// The answer to a request for a block that lies before the snapshot that a peer began with.
    pub fn before_snapshot(number: u64, first: u64) -> Self {
        let reason = format!(
            "cannot serve block [{number}]. The ledger is bootstrapped from a snapshot. \
             First available block = [{first}]"
        );
        Self::new(Status::NotFound, reason)
    }

    /// The answer where a block cannot be read that the node once stored, as Fabric's: another node may have it.
    pub fn unreadable(number: u64) -> Self {
        let reason = format!("block {number} cannot be read from this node's block log");
        Self::new(Status::ServiceUnavailable, reason)
    }

    pub(super) fn new(status: Status, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }
}

/// What a server knows about the TLS connection that a request came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding<'a> {
    /// The server asks for no client certificates, so there is nothing to bind to.
    Off,
    /// SHA-256 of the client's certificate; `None` if it showed none.
    Certificate(Option<&'a [u8]>),
}

/// A request whose envelope is in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The channel whose blocks are wanted.
    pub channel_id: String,
    /// The requester's serialised identity.
    pub creator: Bytes,
    /// What the signature covers.
    pub payload: Bytes,
    /// The requester's signature; whether it is good is the policy's question.
    pub signature: Bytes,
    pub(super) seek: Result<SeekInfo, Malformed>,
}

// === impl Request ===

impl Request {
    /// Opens an envelope; every refusal here is a BAD_REQUEST.
    pub fn open(
        envelope: &Envelope,
        now_unix_ms: i64,
        binding: Binding<'_>,
    ) -> Result<Self, Refusal> {
        let bad = |reason: String| Refusal::new(Status::BadRequest, reason);
        let opened = envelope::Opened::open(envelope).map_err(|error| bad(error.to_string()))?;
        check_time(opened.channel_header.timestamp.as_ref(), now_unix_ms).map_err(bad)?;
        check_binding(&opened.channel_header.tls_cert_hash, binding).map_err(bad)?;
        Ok(Self {
            channel_id: opened.channel_header.channel_id,
            creator: opened.signature_header.creator,
            payload: envelope.payload.clone(),
            signature: envelope.signature.clone(),
            seek: decode("SeekInfo", &opened.payload.data),
        })
    }
}

fn check_time(timestamp: Option<&Timestamp>, now_unix_ms: i64) -> Result<(), String> {
    let Some(timestamp) = timestamp else {
        return Err("channel header in envelope must contain timestamp".to_owned());
    };
    let sent_nanos = i128::from(timestamp.seconds) * 1_000_000_000 + i128::from(timestamp.nanos);
    let now_nanos = i128::from(now_unix_ms) * 1_000_000;
    if (now_nanos - sent_nanos).abs() <= i128::from(TIME_WINDOW_MS) * 1_000_000 {
        return Ok(());
    }
    Err(format!(
        "envelope timestamp {}s is more than 15m0s apart from current server time {}s",
        timestamp.seconds,
        now_unix_ms / 1000
    ))
}

fn check_binding(claimed: &[u8], binding: Binding<'_>) -> Result<(), String> {
    let Binding::Certificate(actual) = binding else { return Ok(()) };
    if claimed.is_empty() {
        return Err("client didn't include its TLS cert hash".to_owned());
    }
    match actual {
        None => Err("client didn't send a TLS certificate".to_owned()),
        Some(actual) if actual == claimed => Ok(()),
        Some(actual) => Err(format!(
            "claimed TLS cert hash is {} but actual TLS cert hash is {}",
            hex::encode(claimed),
            hex::encode(actual)
        )),
    }
}
