//! The one form in which peers show each other identities.

use crate::signature::Ecdsa;
use crate::x509::Certificate;
use crate::{Error, msp, pem_block};

const KIND: &str = "CERTIFICATE";

/// The extra check of a transaction's creator and endorsers that comes from strangers: one PEM block of type
/// CERTIFICATE, nothing behind it, and a canonically encoded signature inside.
pub fn is_well_formed(serialized: &[u8]) -> Result<(), Error> {
    let message = msp::decode_serialized(serialized)?;
    let Some(block) = pem_block::decode(&message.id_bytes) else {
        return Err(Error::NotWellFormed("PEM decoding resulted in an empty block".into()));
    };
    let identity = || {
        let shown = String::from_utf8_lossy(&message.id_bytes);
        format!("identity {shown} for MSP {}", message.mspid)
    };
    if !block.rest.is_empty() {
        return Err(Error::NotWellFormed(format!("{} has trailing bytes", identity())));
    }
    if !matches!(block.kind.as_str(), KIND | "") {
        return Err(Error::NotWellFormed(format!(
            "pem type is {}, should be 'CERTIFICATE' or missing",
            block.kind
        )));
    }
    let certificate = Certificate::read(&block.bytes)?;
    if certificate.algorithm.is_ecdsa()
        && Ecdsa::from_der(&certificate.signature)?.to_der() != certificate.signature
    {
        return Err(Error::NotWellFormed(format!("{} has a non canonical signature", identity())));
    }
    Ok(())
}
