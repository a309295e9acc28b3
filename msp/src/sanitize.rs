//! Rewriting certificates to a low-S signature, so that one certificate has one identifier.
//!
//! ECDSA gives two signatures for every one. Without this step a holder could show the same certificate under two
//! identifiers and be counted twice in a policy.

use std::sync::Arc;

use crate::Error;
use crate::msp::Core;
use crate::signature::{Curve, Ecdsa};
use crate::x509::der::{self, Reader, tag};
use crate::x509::key::PublicKey;
use crate::x509::{CertPool, Certificate, Chain};

/// The certificate with a low-S signature, and its chain if it had to be found on the way.
///
/// Certificates whose CA signs with RSA or Ed25519 are taken as they are and not checked here.
pub(crate) fn sanitize(
    core: &Core,
    certificate: Arc<Certificate>,
) -> Result<(Arc<Certificate>, Option<Chain>), Error> {
    if !certificate.algorithm.is_ecdsa() {
        return Ok((certificate, None));
    }
    if certificate.is_ca() && certificate.check_signature_from(&certificate).is_ok() {
        let root = rewritten(&certificate, &certificate)?;
        let mut roots = CertPool::default();
        roots.add(root.clone());
        core.unique_chain_among(&root, &roots, &core.intermediates)?;
        return Ok((root, None));
    }
    let chain = core.unique_chain(&certificate)?;
    let [_, parent, ..] = &chain[..] else {
        return Err(Error::Setup(format!(
            "failed to traverse certificate verification chain for leaf or intermediate certificate, \
             with subject {}",
            certificate.subject
        )));
    };
    let sanitized = rewritten(&certificate, parent)?;
    let mut chain = chain.clone();
    chain[0] = sanitized.clone();
    Ok((sanitized, Some(chain)))
}

/// The same certificate with the low one of its two possible signatures under the parent's key.
fn rewritten(
    certificate: &Arc<Certificate>,
    parent: &Certificate,
) -> Result<Arc<Certificate>, Error> {
    let PublicKey::Ecdsa(key) = &parent.key else { return Ok(certificate.clone()) };
    let signature = low_s(&certificate.signature, key.curve)?;
    if signature == certificate.signature {
        return Ok(certificate.clone());
    }
    let mut algorithm = Vec::new();
    der::write(&mut algorithm, tag::SEQUENCE, &[algorithm_fields(&certificate.raw_algorithm)]);
    let mut bits = Vec::new();
    der::write(&mut bits, tag::BIT_STRING, &[&[0], &signature]);
    let mut raw = Vec::with_capacity(certificate.raw.len() + 2);
    der::write(&mut raw, tag::SEQUENCE, &[&certificate.raw_tbs, &algorithm, &bits]);
    Ok(Arc::new(Certificate::read(&raw)?))
}

fn low_s(signature: &[u8], curve: Curve) -> Result<Vec<u8>, Error> {
    Ok(Ecdsa::from_der(signature)?.into_low_s(curve).to_der())
}

/// Object identifier and parameters; anything behind them is dropped, as Go drops it.
fn algorithm_fields(content: &[u8]) -> &[u8] {
    let mut fields = Reader::new(content);
    if fields.oid().is_some() && !fields.is_empty() {
        fields.any();
    }
    &content[..content.len() - fields.rest().len()]
}
