//! Admission with a clock and a key: what of it the core's pure rules cannot do themselves.

use std::sync::Arc;

use bytes::Bytes;
use carecord_consensus::{Admitted, Rejection, Submission, is_config_update, propose};
use carecord_msp::Signer;
use carecord_proto::common::{Envelope, SignatureHeader, Status};
use prost::Message;

use super::{Input, Shared, now};
use crate::Error;

/// Random bytes in a signature header.
const NONCE_BYTES: usize = 24;

/// Decides over an envelope; of a configuration update it makes and signs the configuration.
pub(super) fn admit(shared: &Shared, envelope: &Envelope) -> Result<Admitted, Rejection> {
    // The bundle first: consenters are published before it, so they are never older than it.
    let bundle = shared.bundle.load_full();
    if !is_config_update(envelope) {
        return carecord_consensus::admit(envelope, &bundle, now());
    }
    let ids: Vec<_> = shared.members.load().iter().map(|member| member.id).collect();
    let proposed = propose(envelope, &bundle, &ids, now())?;
    let signer = shared.signer.get();
    let payload = proposed.payload(&signature_header(&*signer), now());
    let signature = signer.sign(&payload).map_err(|error| Rejection {
        status: Status::InternalServerError,
        info: format!("the configuration could not be signed: {error}"),
    })?;
    proposed.signed(payload, signature.into())
}

/// Decides again over envelopes that wait since before a configuration block, off the owner's task.
pub(super) fn readmit(shared: &Arc<Shared>, submissions: Vec<Submission>) {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        for submission in submissions {
            let shared = Arc::clone(&shared);
            let inbox = shared.inbox.clone();
            let decide = move || {
                let envelope = Envelope::decode(submission.admitted.submitted().clone());
                let verdict = admit(&shared, &envelope.unwrap_or_default());
                Input::Readmitted { submission, verdict }
            };
            match tokio::task::spawn_blocking(decide).await {
                Ok(input) => inbox.send(input).await,
                Err(_) => return, // the node stops
            }
        }
    });
}

/// Who signs and a nonce never used before.
pub(super) fn signature_header(signer: &dyn Signer) -> SignatureHeader {
    let mut nonce = [0; NONCE_BYTES];
    rand::RngCore::fill_bytes(&mut rand::rng(), &mut nonce);
    SignatureHeader { creator: signer.serialized(), nonce: nonce.to_vec().into() }
}

/// The signature over `bytes` with its header.
pub(super) fn sign_block(
    signer: &dyn Signer,
    metadata_value: &[u8],
    header: &[u8],
) -> Result<(Bytes, Bytes), Error> {
    let signature_header = Bytes::from(signature_header(signer).encode_to_vec());
    let signed = [metadata_value, &signature_header, header].concat();
    Ok((signature_header, signer.sign(&signed)?.into()))
}
