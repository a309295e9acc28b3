//! Who proposes, when, and whether it is the first time.

use std::sync::Arc;

use carecord_channel::acl::PEER_PROPOSE;
use carecord_msp::{Identity, MAX_INGRESS_IDENTITY_BYTES};
use carecord_proto::{proposal::Opened, protos::SignedProposal};

use super::Refusal;
use crate::{acl, chaincode::is_system, channel::Channel, clock, peer::Peer};

/// All checks before simulation; gives the creator, whose signature is good.
pub(super) fn check(
    peer: &Peer,
    channel: Option<&Arc<Channel>>,
    opened: &Opened,
    signed: &SignedProposal,
) -> Result<Arc<Identity>, Refusal> {
    let metrics = &peer.config().metrics.endorser;
    check_time(peer, opened)?;
    let identity = check_creator(peer, channel, opened, signed)
        .inspect_err(|_| metrics.proposal_validation_failures.inc())?;
    let Some(channel) = channel else { return Ok(identity) };
    let labels = [channel.id(), opened.chaincode.as_str()];
    check_first(channel, opened)
        .inspect_err(|_| metrics.duplicate_transaction_failures.with_label_values(&labels).inc())?;
    if !is_system(&opened.chaincode) {
        check_served(channel)?;
        acl::check_identity(&channel.bundle(), PEER_PROPOSE, &identity)
            .map_err(Refusal::last)
            .inspect_err(|_| metrics.proposal_acl_failures.with_label_values(&labels).inc())?;
    }
    Ok(identity)
}

/// Fails while the channel's orderers refuse this peer: it knows neither what is in force nor who may ask.
fn check_served(channel: &Channel) -> Result<(), Refusal> {
    if !channel.is_shut_out() {
        return Ok(());
    }
    Err(Refusal::last(format!(
        "access denied: channel [{}] every orderer refuses this peer: its organisation is no member of the channel any \
         more, or its certificate is revoked",
        channel.id()
    )))
}

fn check_time(peer: &Peer, opened: &Opened) -> Result<(), Refusal> {
    let window = peer.config().timeouts.time_window;
    let sent = opened.channel_header.timestamp.unwrap_or_default().seconds;
    let now = clock::unix_s();
    if sent.abs_diff(now) <= window.as_secs() {
        return Ok(());
    }
    Err(Refusal::filter(format!(
        "request unauthorized due to incorrect timestamp {}, peer time {}, \
         peer.authentication.timewindow {}",
        clock::rfc3339(sent),
        clock::rfc3339(now),
        clock::go_duration(window),
    )))
}

/// One text for every failure of identity and signature, so that nobody learns which it was.
fn check_creator(
    peer: &Peer,
    channel: Option<&Arc<Channel>>,
    opened: &Opened,
    signed: &SignedProposal,
) -> Result<Arc<Identity>, Refusal> {
    let invalid = |reason: String| Refusal::last(format!("error validating proposal: {reason}"));
    opened.check().map_err(|error| invalid(error.to_string()))?;
    if signed.signature.is_empty() {
        return Err(invalid("empty signature bytes".to_owned()));
    }
    let creator = &opened.signature_header.creator;
    if creator.len() > MAX_INGRESS_IDENTITY_BYTES {
        let limit = MAX_INGRESS_IDENTITY_BYTES;
        return Err(invalid(format!(
            "creator has {} bytes, at most {limit} are allowed",
            creator.len()
        )));
    }
    let identity = match channel {
        Some(channel) => channel.bundle().msps().identity(creator),
        None => peer.credentials().local_msp().identity(creator),
    };
    let channel_id = opened.channel_id();
    let identity = identity.map_err(|error| {
        tracing::info!(channel = channel_id, %error, "creator unknown");
        invalid(format!(
            "access denied: channel [{channel_id}] creator org unknown, creator is malformed"
        ))
    })?;
    let now = clock::unix_s();
    if identity.has_expired(now) {
        // Fabric's text, and behind it the two times: the certificate is the caller's own, so this tells nobody more.
        return Err(Refusal::filter(format!(
            "proposal client identity expired: its certificate ended {}, peer time {}",
            clock::rfc3339(identity.expires_at()),
            clock::rfc3339(now)
        )));
    }
    identity
        .validate()
        .and_then(|()| identity.verify_strict(&signed.proposal_bytes, &signed.signature))
        .map_err(|error| {
            let msp_id = identity.msp_id();
            tracing::info!(channel = channel_id, msp_id, %error, "creator refused");
            invalid(format!("access denied: channel [{channel_id}] creator org [{msp_id}]"))
        })?;
    Ok(identity)
}

fn check_first(channel: &Channel, opened: &Opened) -> Result<(), Refusal> {
    let tx_id = opened.tx_id();
    match channel.is_spent(tx_id) {
        Ok(false) => Ok(()),
        Ok(true) => Err(Refusal::last(format!(
            "duplicate transaction found [{tx_id}]. Creator [{}]",
            hex::encode(&opened.signature_header.creator)
        ))),
        Err(error) => Err(Refusal::filter(format!("ledger of channel cannot be read: {error}"))),
    }
}
