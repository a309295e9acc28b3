//! An identity that an MSP has read: certificate, parsed key, and its verdicts, each found once.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use carecord_proto::common::MspPrincipal;
use carecord_proto::common::msp_role::MspRoleType;

use crate::member::Member;
use crate::msp::Core;
use crate::signature::{self, Ecdsa};
use crate::x509::key::PublicKey;
use crate::{Error, attributes, principal};

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
    core: Arc<Core>,
    member: Member,
    serialized: Bytes,
}

/// How much of a signature's encoding may differ from the canonical one.
#[derive(Clone, Copy)]
enum Encoding {
    AsGoReadsIt,
    Canonical,
}

impl Identity {
    pub(crate) fn new(core: Arc<Core>, member: Member, serialized: Bytes) -> Self {
        Identity { core, member, serialized }
    }

    /// The organisation's MSP id.
    pub fn msp_id(&self) -> &str {
        &self.core.name
    }

    /// The bytes that this identity was read from.
    pub fn serialized(&self) -> &Bytes {
        &self.serialized
    }

    /// Hex hash of the sanitised certificate: with the MSP id it says whether two identities are one.
    pub fn identifier(&self) -> &str {
        &self.member.identifier
    }

    /// Whether the MSP vouches for the identity: chain, revocation, organisational units.
    pub fn validate(&self) -> Result<(), Error> {
        self.member.validate(&self.core)
    }

    /// Checks a signature as a Fabric validator does (trailing bytes after the DER are let through).
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        self.verify_encoded(message, signature, Encoding::AsGoReadsIt)
    }

    /// Checks a signature and refuses every encoding but the one canonical DER; for our own ingress.
    pub fn verify_strict(&self, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        self.verify_encoded(message, signature, Encoding::Canonical)
    }

    fn verify_encoded(
        &self,
        message: &[u8],
        signature: &[u8],
        encoding: Encoding,
    ) -> Result<(), Error> {
        let key = &self.member.certificate.key;
        let good = match key {
            PublicKey::Ed25519(key) => {
                check_not_empty(signature, message)?;
                key.verify_sig(message, signature).is_ok()
            }
            PublicKey::Ecdsa(key) => {
                let digest = self.digest(message)?;
                check_not_empty(signature, &digest)?;
                let numbers = match encoding {
                    Encoding::AsGoReadsIt => Ecdsa::from_der(signature)?,
                    Encoding::Canonical => Ecdsa::from_strict_der(signature)?,
                };
                if !numbers.is_low_s(key.curve) {
                    return Err(signature::Error::HighS.into());
                }
                key.verify_digest(&digest, &numbers)
            }
            PublicKey::Rsa(_) | PublicKey::Unknown => {
                return Err(signature::Error::UnsupportedKey(key.algorithm()).into());
            }
        };
        if good { Ok(()) } else { Err(signature::Error::Invalid.into()) }
    }

    fn digest(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let hasher = &self.core.signature_hash;
        let unknown = || signature::Error::HashFamily(hasher.name().into());
        Ok(hasher.hash([message]).ok_or_else(unknown)?)
    }

    /// Whether the identity satisfies a principal of a policy.
    pub fn satisfies(&self, principal: &MspPrincipal) -> Result<(), Error> {
        principal::satisfies(&self.core, &self.member, principal)
    }

    /// Last second of the certificate's life (Unix seconds).
    pub fn expires_at(&self) -> i64 {
        self.member.certificate.not_after
    }

    /// First second of the certificate's life (Unix seconds).
    pub fn not_before(&self) -> i64 {
        self.member.certificate.not_before
    }

    /// Whether the certificate's life is over at `now` (Unix seconds); validity never asks this.
    pub fn has_expired(&self, now: i64) -> bool {
        now > self.expires_at()
    }

    /// The certificate, its signature in low-S form.
    pub fn certificate_der(&self) -> &[u8] {
        &self.member.certificate.raw
    }

    /// The attributes that a Fabric CA put into the certificate.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        attributes::of(&self.member.certificate)
    }

    /// The organisational units of the subject; none if the chain does not hold.
    pub fn ous(&self) -> &[OrganizationalUnit] {
        self.member.ous(&self.core)
    }

    /// Whether it is a node of its organisation, a peer or an orderer, and not a person.
    pub fn is_node(&self) -> bool {
        let has = |role| self.core.has_validated_role(&self.member, role).is_ok();
        has(MspRoleType::Peer) || has(MspRoleType::Orderer)
    }

    /// The subject as one line, for logs and screens.
    pub fn subject(&self) -> String {
        self.member.certificate.subject.to_string()
    }

    /// The last common name of the subject.
    pub fn common_name(&self) -> &str {
        self.member.certificate.subject.common_name()
    }
}

fn check_not_empty(signature: &[u8], message: &[u8]) -> Result<(), signature::Error> {
    if signature.is_empty() {
        return Err(signature::Error::EmptySignature);
    }
    if message.is_empty() {
        return Err(signature::Error::EmptyMessage);
    }
    Ok(())
}
