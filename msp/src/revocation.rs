//! Whether the issuer of a certificate has taken it back.
//!
//! A list counts if its authority key identifier is the issuer's and the issuer signed it; the date of revocation is
//! not looked at, and neither is the age of the list. A list that nobody of the MSP signed is passed over.

use crate::Error;
use crate::msp::Core;
use crate::x509::{Certificate, Chain};

/// Refuses a certificate that its issuer, the second of the chain, has revoked.
pub(crate) fn check(core: &Core, certificate: &Certificate, chain: &Chain) -> Result<(), Error> {
    let Some(issuer) = chain.get(1) else { return Ok(()) };
    let own_id = issuer.subject_key_id().ok_or_else(|| {
        Error::Identity("subjectKeyIdentifier not found in certificate".into())
            .within("could not obtain Subject Key Identifier for signer cert")
    })?;
    for list in &core.revocation_lists {
        let unusable = |why: Error| why.within("could not obtain Authority Key Identifier for crl");
        let issuer_id = match list.authority_key_id() {
            Some(Ok(id)) => id,
            Some(Err(why)) => return Err(unusable(why.clone().into())),
            None => {
                let why = Error::Identity("authorityKeyIdentifier not found in certificate".into());
                return Err(unusable(why));
            }
        };
        let counts = issuer_id == own_id
            && list.names(&certificate.serial)
            && list.is_signed_by(issuer).is_ok();
        if counts {
            return Err(Error::Identity("The certificate has been revoked".into()));
        }
    }
    Ok(())
}
