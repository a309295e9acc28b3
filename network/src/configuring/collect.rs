//! Signatures under an update, each made where its key is, and the envelope that holds them.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use carecord_msp::Signer;
use carecord_proto::common::{ConfigSignature, ConfigUpdateEnvelope, Envelope, SignatureHeader};
use carecord_proto::envelope::config_update_payload;
use prost::Message;

use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::state::UserEntry;

/// Fabric's length of a nonce.
const NONCE_BYTES: usize = 24;

/// The signature of one administrator over an update: over its own header and the update's bytes as they are.
pub fn sign(signer: &dyn Signer, update: &Bytes) -> Outcome<ConfigSignature> {
    let signature_header: Bytes = header(signer)?.encode_to_vec().into();
    let signed = [&signature_header[..], &update[..]].concat();
    Ok(ConfigSignature { signature_header, signature: seal(signer, &signed)? })
}

/// The envelope in which an update goes to an orderer, signed by whoever sends it.
pub fn envelope(
    channel: &str,
    sender: &dyn Signer,
    update: Bytes,
    signatures: Vec<ConfigSignature>,
) -> Outcome<Envelope> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let timestamp = prost_types::Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since.subsec_nanos()).unwrap_or_default(),
    };
    let update = ConfigUpdateEnvelope { config_update: update, signatures };
    let payload = config_update_payload(channel, &update, &header(sender)?, timestamp);
    let signature = seal(sender, &payload)?;
    Ok(Envelope { payload, signature })
}

/// MSP id of the organisation that `user` signs for.
pub fn signer_of(user: &UserEntry) -> String {
    user.msp_id.clone()
}

fn header(signer: &dyn Signer) -> Outcome<SignatureHeader> {
    let mut nonce = vec![0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|error| Failure::new(Code::Certificate, error))?;
    Ok(SignatureHeader { creator: signer.serialized(), nonce: nonce.into() })
}

fn seal(signer: &dyn Signer, bytes: &[u8]) -> Outcome<Bytes> {
    let signature = signer.sign(bytes).map_err(|error| Failure::new(Code::Certificate, error))?;
    Ok(signature.into())
}
