//! What is wrong with a person's own credentials, as far as the network's folder tells.
//!
//! A peer answers every refusal of an identity with one text, so that nobody learns from it which check failed
//! (row E5 of `docs/threats.md`). Whoever holds the folder may know: this compares the person's certificate with the
//! organisation that it is shown for.

use carecord_msp::{Msp, MspVersion, Signer, SigningIdentity, keystore};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Session;
use crate::state::{UserEntry, read_credential};

impl Session {
    /// Why a node refuses `user` on `channel`, if the folder shows a reason.
    pub fn own_fault(&self, user: &UserEntry, channel: &str) -> Option<String> {
        let msp_id = &user.msp_id;
        let organisations = &self.file().organisations;
        let Some(organisation) = organisations.iter().find(|own| own.msp_id == *msp_id) else {
            let known: Vec<&str> = organisations.iter().map(|own| own.msp_id.as_str()).collect();
            return Some(format!(
                "no organisation of this network has the MSP id {msp_id}; there is {}",
                known.join(", ")
            ));
        };
        let certificate = read_credential(&user.certificate_file).ok()?;
        let config = keystore::load_msp_config(&organisation.msp_dir, msp_id).ok()?;
        let msp = Msp::new(&config, MspVersion::V3_0).ok()?;
        let key = read_credential(&user.key_file).ok()?;
        let signer = SigningIdentity::from_pem(msp_id, &certificate, &key).ok()?;
        let issued = msp.identity(&signer.serialized()).and_then(|identity| identity.validate());
        if let Err(error) = issued {
            let issuer = issuer(&certificate)?;
            return Some(format!(
                "the certificate, issued by {issuer}, is not valid under {msp_id}: {error}"
            ));
        }
        let members = &self.file().channel(Some(channel)).ok()?.organisations;
        let absent = !members.contains(&organisation.name) && organisation.role == "peer";
        if absent {
            return Some(format!("{msp_id} is not a member of channel {channel}"));
        }
        Some(format!(
            "the certificate is of a CA of {msp_id} and fits its key; it may have been revoked on channel {channel}"
        ))
    }
}

/// The name of whoever signed a certificate.
pub(crate) fn issuer(certificate: &[u8]) -> Option<String> {
    let block = pem::parse(certificate).ok()?;
    let (_, certificate) = X509Certificate::from_der(block.contents()).ok()?;
    Some(certificate.issuer().to_string())
}
