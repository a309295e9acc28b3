//! Whether an MSP vouches for a certificate: its one chain, its revocation, its organisational units.

use std::sync::Arc;

use crate::member::Member;
use crate::msp::{Core, MspVersion};
use crate::x509::key::PublicKey;
use crate::x509::verify::Search;
use crate::x509::{CertPool, Certificate, Chain};
use crate::{CertificateError, Error, OrganizationalUnit, nodeou, revocation};

const SUBJECT_ALTERNATIVE_NAME: u8 = 17;
const NAME_CONSTRAINTS: u8 = 30;
/// Chains are looked at this long after a certificate's birth, never now: a verdict must not change with time.
const SECONDS_AFTER_BIRTH: i64 = 1;

impl Core {
    /// The one chain from `certificate` to a root of this MSP.
    pub(crate) fn unique_chain(&self, certificate: &Arc<Certificate>) -> Result<Chain, Error> {
        self.unique_chain_among(certificate, &self.roots, &self.intermediates)
    }

    /// The one chain from `certificate` to one of `roots`.
    pub(crate) fn unique_chain_among(
        &self,
        certificate: &Arc<Certificate>,
        roots: &CertPool,
        intermediates: &CertPool,
    ) -> Result<Chain, Error> {
        let not_valid =
            |why: CertificateError| Error::from(why).within("the supplied identity is not valid");
        let at = certificate.not_before.saturating_add(SECONDS_AFTER_BIRTH);
        let search = Search { roots, intermediates, at };
        let mut chains = search.chains(certificate).map_err(not_valid)?;
        match chains.pop() {
            Some(chain) if chains.is_empty() => {
                check_legacy_name_constraints(&chain).map_err(not_valid)?;
                Ok(chain)
            }
            _ => Err(Error::Identity(format!(
                "this MSP only supports a single validation chain, got {}",
                chains.len() + 1
            ))),
        }
    }

    /// Checks a chain's length and that nobody is issued by a CA that has a CA below itself.
    pub(crate) fn check_tree(&self, chain: &Chain, of_intermediate: bool) -> Result<(), Error> {
        if chain.len() < 2 {
            return Err(Error::Identity(format!(
                "expected a chain of length at least 2, got {}",
                chain.len()
            )));
        }
        let parent = &chain[usize::from(!of_intermediate)];
        if self.internal_nodes.contains(&parent.raw) {
            return Err(Error::Identity(format!(
                "invalid validation chain. Parent certificate should be a leaf of the certification \
                 tree [{}]",
                chain[0].subject
            )));
        }
        Ok(())
    }

    /// Hashes bytes with the function for identifiers.
    pub(crate) fn identifier_digest<'a>(
        &self,
        parts: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Vec<u8>, Error> {
        self.identifier_hash.hash(parts).ok_or_else(|| {
            Error::Setup(format!(
                "failed getting hash function options: hash function not recognized [{}]",
                self.identifier_hash.name()
            ))
        })
    }

    fn supports(&self, key: &PublicKey) -> bool {
        match key {
            PublicKey::Ecdsa(_) => true,
            PublicKey::Ed25519(_) => self.version >= MspVersion::V3_0,
            PublicKey::Rsa(_) | PublicKey::Unknown => false,
        }
    }
}

/// The whole verdict about a member.
pub(crate) fn validate(core: &Core, member: &Member) -> Result<(), Error> {
    let key = &member.certificate.key;
    if !core.supports(key) {
        let why = Error::Identity(format!("{} is not supported", key.algorithm()));
        return Err(why.within("could not validate identity's public key algorithm"));
    }
    let chain = certification_chain(core, member)
        .map_err(|why| why.within("could not obtain certification chain"))?;
    revocation::check(core, &member.certificate, chain)
        .map_err(|why| why.within("could not validate identity against certification chain"))?;
    nodeou::check(core, member.ous(core))
        .map_err(|why| why.within("could not validate identity's OUs"))
}

/// The chain of a member that may be an identity.
fn certification_chain<'a>(core: &Core, member: &'a Member) -> Result<&'a Chain, Error> {
    if member.certificate.is_ca() {
        return Err(Error::Identity(
            "An X509 certificate with Basic Constraint: Certificate Authority equals true cannot be \
             used as an identity"
                .into(),
        ));
    }
    let chain =
        member.unique_chain(core).map_err(|why| why.within("failed getting validation chain"))?;
    core.check_tree(chain, false)?;
    Ok(chain)
}

/// The OUs of the subject, each with the hash of the CAs above the member.
pub(crate) fn ous(core: &Core, member: &Member) -> Result<Vec<OrganizationalUnit>, Error> {
    let chain = certification_chain(core, member)?;
    let certifiers = core.identifier_digest(chain[1..].iter().map(|c| &c.raw[..]))?;
    Ok(member
        .certificate
        .subject
        .organizational_units()
        .map(|name| OrganizationalUnit {
            name: name.into(),
            certifiers_identifier: certifiers.clone(),
        })
        .collect())
}

/// Go 1.14's rule, which Fabric keeps: below a CA with name constraints, a leaf whose common name looks like a host
/// needs alternative names.
fn check_legacy_name_constraints(chain: &Chain) -> Result<(), CertificateError> {
    let [leaf, above @ ..] = &chain[..] else { return Ok(()) };
    let constrained = above.iter().any(|c| c.extensions.standard(NAME_CONSTRAINTS).is_some());
    let named = leaf.extensions.standard(SUBJECT_ALTERNATIVE_NAME).is_some();
    if constrained && !named && looks_like_host(leaf.subject.common_name()) {
        return Err(CertificateError::NameConstraintsWithoutSans);
    }
    Ok(())
}

fn looks_like_host(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let label_fits = |(i, label): (usize, &str)| {
        let mut bytes = label.bytes().enumerate();
        !label.is_empty()
            && ((i == 0 && label == "*")
                || bytes.all(|(j, b)| {
                    b.is_ascii_alphanumeric() || (b == b'-' && j != 0) || b == b'_' || b == b':'
                }))
    };
    !name.is_empty() && name.split('.').enumerate().all(label_fits)
}

#[cfg(test)]
mod tests {
    use super::looks_like_host;

    #[test]
    fn hosts_are_told_from_other_common_names() {
        for (name, expected) in [
            ("peer0.org1.example.com", true),
            ("peer0.", true),
            ("*.example.com", true),
            ("User1@org1", false),
            ("-a", false),
            ("a b", false),
            ("a..b", false),
            ("", false),
            (".", false),
        ] {
            assert_eq!(looks_like_host(name), expected, "{name:?}");
        }
    }
}
