//! Signed requests: made by this peer, and heard from others.

use std::sync::Arc;

use carecord_channel::policy::dsl;
use carecord_comm::PeerCertificate;
use carecord_msp::{Identity, MAX_INGRESS_IDENTITY_BYTES};
use carecord_proto::{
    carecord::privdata::{Header, PullRequest, PushRequest, RemovalRequest, SignedRequest},
    common::msp_role::MspRoleType,
};
use prost::Message;
use tonic::Status;

use crate::{channel::Channel, clock, peer::Peer};

/// A request of the service.
pub(super) trait Asked: Message + Default {
    /// The method that it is for.
    const CALL: &str;
    /// Whether the request must come over the connection that its header names.
    const BOUND: bool;
    fn header(&mut self) -> Option<Header>;
}

/// Who asks, on which channel.
pub(super) struct Caller {
    pub(super) channel: Arc<Channel>,
    pub(super) identity: Arc<Identity>,
}

/// The header of a request that this peer makes.
pub(super) fn header<A: Asked>(peer: &Peer, channel_id: &str) -> Header {
    Header {
        call: A::CALL.to_owned(),
        channel_id: channel_id.to_owned(),
        identity: peer.credentials().signer().serialized(),
        timestamp: clock::unix_s(),
        tls_cert_hash: peer.credentials().certificate_hash(),
    }
}

pub(super) fn sign(peer: &Peer, asked: &impl Asked) -> Result<SignedRequest, String> {
    let request = asked.encode_to_vec();
    let signature =
        peer.credentials().signer().sign(&request).map_err(|error| error.to_string())?;
    Ok(SignedRequest { request: request.into(), signature: signature.into() })
}

/// Checks call, time, connection, identity and signature; what the caller may have is the method's to decide.
pub(super) fn hear<A: Asked>(
    peer: &Peer,
    signed: &SignedRequest,
    certificate: Option<&PeerCertificate>,
) -> Result<(A, Caller), Status> {
    let mut asked = A::decode(signed.request.clone())
        .map_err(|_| Status::invalid_argument("the request cannot be read"))?;
    let header = asked.header().ok_or_else(|| Status::invalid_argument("it has no header"))?;
    if header.call != A::CALL {
        return Err(Status::invalid_argument(format!(
            "the request is signed for '{}', not for '{}'",
            header.call,
            A::CALL
        )));
    }
    let window = peer.config().timeouts.time_window;
    if clock::unix_s().abs_diff(header.timestamp) > window.as_secs() {
        return Err(Status::unauthenticated(format!(
            "the request's time {} is more than {} from the peer's {}",
            clock::rfc3339(header.timestamp),
            clock::go_duration(window),
            clock::rfc3339(clock::unix_s())
        )));
    }
    if A::BOUND && peer.credentials().tls().is_some() {
        check_connection(&header, certificate)?;
    }
    let caller = caller(peer, &header, signed)?;
    Ok((asked, caller))
}

fn check_connection(header: &Header, certificate: Option<&PeerCertificate>) -> Result<(), Status> {
    let Some(certificate) = certificate else {
        return Err(Status::unauthenticated(
            "peers talk about private data with client certificates, and this connection has none",
        ));
    };
    if header.tls_cert_hash == certificate.hash()[..] {
        return Ok(());
    }
    Err(Status::unauthenticated("the request is signed for a connection with another certificate"))
}

/// One text for everything that is wrong with an identity; the reason goes to the log.
fn caller(peer: &Peer, header: &Header, signed: &SignedRequest) -> Result<Caller, Status> {
    let refused = |reason: String| {
        tracing::info!(channel = header.channel_id, reason, "request about private data refused");
        Status::unauthenticated("the caller's identity or signature does not hold on the channel")
    };
    if header.identity.len() > MAX_INGRESS_IDENTITY_BYTES {
        return Err(refused("the identity is too long".to_owned()));
    }
    let channel = peer.channel(&header.channel_id);
    let channel = channel.ok_or_else(|| refused("the channel is unknown".to_owned()))?;
    let identity = channel.bundle().msps().identity(&header.identity);
    let identity = identity.map_err(|error| refused(error.to_string()))?;
    if identity.has_expired(clock::unix_s()) {
        return Err(refused("the certificate has expired".to_owned()));
    }
    identity
        .validate()
        .and_then(|()| identity.verify_strict(&signed.request, &signed.signature))
        .map_err(|error| refused(error.to_string()))?;
    Ok(Caller { channel, identity })
}

// === impl Caller ===

impl Caller {
    /// Refuses whoever is not a peer of an organisation: people and orderers get nothing.
    pub(super) fn must_be_peer(&self) -> Result<(), Status> {
        let role = dsl::role(self.identity.msp_id(), MspRoleType::Peer);
        let bundle = self.channel.bundle();
        let is_member = bundle.application().is_some_and(|application| {
            let mut organizations = application.organizations.values();
            organizations.any(|organization| organization.msp_id == self.identity.msp_id())
        });
        if is_member && self.identity.satisfies(&role).is_ok() {
            return Ok(());
        }
        Err(Status::permission_denied("private data goes between peers of the channel only"))
    }
}

macro_rules! asked {
    ($($name:ident = $call:literal, $bound:literal;)*) => {$(
        impl Asked for $name {
            const CALL: &str = $call;
            const BOUND: bool = $bound;
            fn header(&mut self) -> Option<Header> {
                self.header.take()
            }
        }
    )*};
}

asked! {
    PushRequest = "Push", true;
    PullRequest = "Pull", true;
    RemovalRequest = "Removal", false;
}
