//! An identity that an MSP has read: certificate, parsed key, and its verdicts, each found once.

use std::collections::BTreeMap;

use bytes::Bytes;
use carecord_proto::common::MspPrincipal;

use crate::Error;

/// One organisational unit of the subject, with the hash of the CA chain above the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationalUnit {
    /// The OU's name.
    pub name: String,
    /// Hash over the CA certificates of the chain.
    pub certifiers_identifier: Vec<u8>,
}

/// Somebody of a known organisation; cheap to share, all verdicts are kept.
#[derive(Debug)]
pub struct Identity {
    msp_id: String,
    serialized: Bytes,
    identifier: String,
    certificate: Vec<u8>,
    not_before: i64,
    not_after: i64,
}

impl Identity {
    /// The organisation's MSP id.
    pub fn msp_id(&self) -> &str {
        &self.msp_id
    }
    /// The bytes that this identity was read from.
    pub fn serialized(&self) -> &Bytes {
        &self.serialized
    }
    /// Hex hash of the sanitised certificate: with the MSP id it says whether two identities are one.
    pub fn identifier(&self) -> &str {
        &self.identifier
    }
    /// Whether the MSP vouches for the identity: chain, revocation, organisational units.
    pub fn validate(&self) -> Result<(), Error> {
        Err(Error::Identity("validation is not written yet".into()))
    }
    /// Checks a signature as a Fabric validator does (trailing bytes after the DER are let through).
    pub fn verify(&self, _message: &[u8], _signature: &[u8]) -> Result<(), Error> {
        Err(crate::signature::Error::Invalid.into())
    }
    /// Checks a signature and refuses every encoding but the one canonical DER; for our own ingress.
    pub fn verify_strict(&self, _message: &[u8], _signature: &[u8]) -> Result<(), Error> {
        Err(crate::signature::Error::Invalid.into())
    }
    /// Whether the identity satisfies a principal of a policy.
    pub fn satisfies(&self, _principal: &MspPrincipal) -> Result<(), Error> {
        Err(Error::Principal("principals are not written yet".into()))
    }
    /// Last second of the certificate's life (Unix seconds).
    pub fn expires_at(&self) -> i64 {
        self.not_after
    }
    /// First second of the certificate's life (Unix seconds).
    pub fn not_before(&self) -> i64 {
        self.not_before
    }
    /// Whether the certificate's life is over at `now` (Unix seconds); validity never asks this.
    pub fn has_expired(&self, now: i64) -> bool {
        now > self.not_after
    }
    /// The certificate, its signature in low-S form.
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }
    /// The attributes that a Fabric CA put into the certificate.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
    /// The organisational units of the subject; none if the chain does not hold.
    pub fn ous(&self) -> &[OrganizationalUnit] {
        &[]
    }
}
