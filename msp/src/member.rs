//! A certificate under an MSP: sanitised, identified, and its chain, OUs and verdict found once each.
//!
//! An [`crate::Identity`] is a member together with its MSP; admins are members of an MSP that is being set up.

use std::sync::{Arc, OnceLock};

use crate::msp::Core;
use crate::x509::key::PublicKey;
use crate::x509::{Certificate, Chain};
use crate::{Error, OrganizationalUnit, sanitize, validate};

/// A certificate and what its MSP found out about it.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) certificate: Arc<Certificate>,
    pub(crate) identifier: String,
    chain: OnceLock<Result<Chain, Error>>,
    ous: OnceLock<Vec<OrganizationalUnit>>,
    verdict: OnceLock<Result<(), Error>>,
}

impl Member {
    /// Sanitises and identifies a certificate. One signed with ECDSA must chain to a root already here.
    pub(crate) fn new(core: &Core, certificate: Certificate) -> Result<Member, Error> {
        if matches!(certificate.key, PublicKey::Unknown) {
            return Err(Error::UnknownKey);
        }
        let (certificate, chain) = sanitize::sanitize(core, Arc::new(certificate))?;
        let digest = core.identifier_digest([&certificate.raw[..]])?;
        Ok(Member {
            certificate,
            identifier: hex::encode(digest),
            chain: chain.map_or_else(OnceLock::new, |chain| OnceLock::from(Ok(chain))),
            ous: OnceLock::new(),
            verdict: OnceLock::new(),
        })
    }

    /// The one chain from the certificate to a root.
    pub(crate) fn unique_chain(&self, core: &Core) -> Result<&Chain, Error> {
        self.chain
            .get_or_init(|| core.unique_chain(&self.certificate))
            .as_ref()
            .map_err(Clone::clone)
    }

    /// The organisational units; none if the certificate may not be an identity here.
    pub(crate) fn ous(&self, core: &Core) -> &[OrganizationalUnit] {
        self.ous.get_or_init(|| validate::ous(core, self).unwrap_or_default())
    }

    /// Whether the MSP vouches for the member.
    pub(crate) fn validate(&self, core: &Core) -> Result<(), Error> {
        self.verdict.get_or_init(|| validate::validate(core, self)).clone()
    }
}
