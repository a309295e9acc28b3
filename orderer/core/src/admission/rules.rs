//! The rules, in Fabric's order and with Fabric's texts where Fabric has them.
//!
//! | # | what is wrong | status |
//! |---|---|---|
//! | O1 | no payload | BAD_REQUEST |
//! | O11 | no signature, unknown fields, not the canonical form | BAD_REQUEST |
//! | O4 | headers that cannot be read, another channel | BAD_REQUEST |
//! | O5 | a type that nobody may submit | BAD_REQUEST |
//! | O6 | the channel is in maintenance | SERVICE_UNAVAILABLE |
//! | O2 | too large | BAD_REQUEST |
//! | O12, O13 | an id that is not the hash of nonce and creator, a time far off | BAD_REQUEST |
//! | | the creator's certificate has expired | BAD_REQUEST |
//! | O3 | a forged signature, a creator who may not write | FORBIDDEN |

use std::sync::Arc;

use bytes::Bytes;
use carecord_channel::{Bundle, CHANNEL_WRITERS, ORDERER_WRITERS, OrdererConfig};
use carecord_msp::{Identity, MAX_INGRESS_IDENTITY_BYTES};
use carecord_proto::common::{Envelope, HeaderType, Status};
use carecord_proto::envelope::{self, Opened};
use carecord_proto::msp::SerializedIdentity;
use carecord_proto::wellformed::{self, Fault};
use prost::Message;

use super::{Admitted, Class, Rejection};

/// How far a transaction's time may be off, either way.
pub const TIME_WINDOW_S: u64 = 15 * 60;
/// Characters of a foreign MSP id that an answer repeats.
const MAX_NAME_CHARS: usize = 64;

/// Decides over an envelope whose bytes a decoder has already read; what goes into the block is its canonical form.
pub fn admit(envelope: &Envelope, bundle: &Bundle, now_unix_s: i64) -> Result<Admitted, Rejection> {
    wellformed::check_parsed(envelope).map_err(|fault| malformed(&fault))?;
    let canonical = envelope::canonical(envelope.payload.clone(), envelope.signature.clone());
    admit_canonical(canonical, envelope, bundle, now_unix_s)
}

/// Decides over an envelope's raw bytes, which must be in canonical form.
pub fn admit_bytes(raw: &Bytes, bundle: &Bundle, now_unix_s: i64) -> Result<Admitted, Rejection> {
    let envelope = wellformed::check_envelope(raw).map_err(|fault| malformed(&fault))?;
    admit_canonical(raw.clone(), &envelope, bundle, now_unix_s)
}

fn admit_canonical(
    canonical: Bytes,
    envelope: &Envelope,
    bundle: &Bundle,
    now: i64,
) -> Result<Admitted, Rejection> {
    let opened = Opened::open(envelope)
        .map_err(|error| bad_request(format!("could not determine channel ID: {error}")))?;
    if opened.channel_header.channel_id != bundle.channel_id() {
        return Err(bad_request("channel does not exist"));
    }
    if opened.kind() == Some(HeaderType::ConfigUpdate) {
        return Err(bad_request("a configuration update must be proposed, not admitted"));
    }
    check_type(&opened)?;
    let orderer = bundle.orderer().ok_or_else(|| bad_request("channel has no orderer group"))?;
    check_maintenance(orderer)?;
    let size = check_size(envelope, orderer)?;
    check_tx_id(&opened)?;
    check_time(&opened, now)?;
    check_writer(envelope, &opened, bundle, CHANNEL_WRITERS, now)?;
    let config_seq = bundle.sequence();
    Ok(Admitted { envelope: canonical, size, config_seq, class: Class::Normal })
}

/// What is asked of a configuration update before anybody looks into it. In maintenance the orderers' writers may send
/// one, otherwise the channel's.
pub(super) fn check_update(
    envelope: &Envelope,
    bundle: &Bundle,
    now: i64,
) -> Result<(), Rejection> {
    let opened = Opened::open(envelope)
        .map_err(|error| bad_request(format!("could not determine channel ID: {error}")))?;
    if opened.channel_header.channel_id != bundle.channel_id() {
        return Err(bad_request("channel does not exist"));
    }
    let orderer = bundle.orderer().ok_or_else(|| bad_request("channel has no orderer group"))?;
    check_size(envelope, orderer)?;
    check_tx_id(&opened)?;
    let policy = if orderer.maintenance { ORDERER_WRITERS } else { CHANNEL_WRITERS };
    check_writer(envelope, &opened, bundle, policy, now)
}

pub(super) fn malformed(fault: &Fault) -> Rejection {
    match fault {
        Fault::NoPayload => bad_request("Message was empty"),
        fault => bad_request(format!("envelope {fault}")),
    }
}

fn check_type(opened: &Opened) -> Result<(), Rejection> {
    match opened.kind() {
        Some(HeaderType::Config) => {
            Err(bad_request("message is of type that cannot be processed directly"))
        }
        Some(HeaderType::OrdererTransaction) => {
            Err(bad_request("message is of type that is no longer supported"))
        }
        _ => Ok(()),
    }
}

fn check_maintenance(orderer: &OrdererConfig) -> Result<(), Rejection> {
    if orderer.maintenance {
        return Err(Rejection {
            status: Status::ServiceUnavailable,
            info: "normal transactions are rejected: maintenance mode".to_owned(),
        });
    }
    Ok(())
}

fn check_size(envelope: &Envelope, orderer: &OrdererConfig) -> Result<usize, Rejection> {
    let size = envelope.payload.len() + envelope.signature.len();
    check_bytes(size, orderer.batch_size.absolute_max_bytes)
}

pub(super) fn check_bytes(size: usize, limit: u32) -> Result<usize, Rejection> {
    if size > limit as usize {
        return Err(bad_request(format!(
            "message payload is {size} bytes and exceeds maximum allowed {limit} bytes"
        )));
    }
    Ok(size)
}

/// An endorsed transaction must carry its id; another message may leave it out, but not claim somebody else's.
fn check_tx_id(opened: &Opened) -> Result<(), Rejection> {
    let claimed = &opened.channel_header.tx_id;
    let endorsed = opened.kind() == Some(HeaderType::EndorserTransaction);
    let expected = opened.expected_tx_id();
    if *claimed == expected || claimed.is_empty() && !endorsed {
        return Ok(());
    }
    Err(bad_request(format!("incorrectly computed txid '{claimed}' -- expected '{expected}'")))
}

/// An endorsed transaction must be recent, so that nobody holds one back for days.
fn check_time(opened: &Opened, now: i64) -> Result<(), Rejection> {
    let endorsed = opened.kind() == Some(HeaderType::EndorserTransaction);
    match &opened.channel_header.timestamp {
        None if endorsed => Err(bad_request("channel header in envelope must contain timestamp")),
        Some(time) if endorsed && time.seconds.abs_diff(now) > TIME_WINDOW_S => {
            Err(bad_request(format!(
                "envelope timestamp {} is more than 15m0s apart from current server time {now}",
                time.seconds
            )))
        }
        _ => Ok(()),
    }
}

fn check_writer(
    envelope: &Envelope,
    opened: &Opened,
    bundle: &Bundle,
    policy: &str,
    now: i64,
) -> Result<(), Rejection> {
    let creator = &opened.signature_header.creator;
    if creator.len() > MAX_INGRESS_IDENTITY_BYTES {
        let (size, limit) = (creator.len(), MAX_INGRESS_IDENTITY_BYTES);
        return Err(bad_request(format!("creator has {size} bytes, at most {limit} are allowed")));
    }
    let identity = bundle.msps().identity(creator).ok();
    if identity.as_ref().is_some_and(|identity| identity.has_expired(now)) {
        return Err(bad_request("broadcast client identity expired"));
    }
    // Somebody unknown or a forged signature counts as nobody, so the refusal does not tell which it was.
    let signer: Vec<Arc<Identity>> = identity
        .into_iter()
        .filter(|who| who.verify_strict(&envelope.payload, &envelope.signature).is_ok())
        .collect();
    bundle.evaluate_identities(policy, &signer).map_err(|error| Rejection {
        status: Status::Forbidden,
        info: format!("{}: {error}: permission denied", signed_by(creator, !signer.is_empty())),
    })
}

/// Who signed, or that nobody did whom the channel knows; Fabric's text follows.
fn signed_by(creator: &Bytes, is_good: bool) -> String {
    let claimed = SerializedIdentity::decode(creator.clone()).unwrap_or_default().mspid;
    let msp_id: String =
        claimed.chars().take(MAX_NAME_CHARS).flat_map(char::escape_default).collect();
    match is_good {
        true => format!("the envelope is signed by a member of {msp_id}"),
        false => format!("the envelope has no valid signature of a member of {msp_id}"),
    }
}

pub(super) fn bad_request(info: impl Into<String>) -> Rejection {
    Rejection { status: Status::BadRequest, info: info.into() }
}
