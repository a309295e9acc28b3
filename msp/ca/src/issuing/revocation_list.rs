//! Revocation lists as an MSP wants them: version 2, with the authority key identifier by which the issuer is found.

use x509_cert::certificate::Version;
use x509_cert::crl::{CertificateList, RevokedCert, TbsCertList};
use x509_cert::der::asn1::Uint;
use x509_cert::der::{Encode, Error as DerError};
use x509_cert::ext::pkix::{CrlNumber, CrlReason};
use x509_cert::serial_number::SerialNumber;

use super::{Issuing, algorithm, extensions, time};
use crate::Error;
use crate::store::Issued;

const LABEL: &str = "X509 CRL";

/// When a list was made and until when the next is due, with its number.
#[derive(Debug, Clone, Copy)]
pub struct Edition {
    /// Greater than that of every list before.
    pub number: u64,
    /// Seconds since 1970.
    pub made_at: i64,
    /// Seconds since 1970.
    pub next_at: i64,
}

// === impl Issuing ===

impl Issuing {
    /// A list, PEM, of the certificates in `revoked`; those that are not revoked are left out.
    ///
    /// Expired certificates stay: an MSP does not look at expiry, so dropping them would bring them back.
    pub fn revocation_list(&self, revoked: &[Issued], edition: Edition) -> Result<String, Error> {
        let failed = |error: DerError| Error::Authority {
            name: "revocation list".to_owned(),
            reason: error.to_string(),
        };
        let entries = revoked.iter().filter_map(entry).collect::<Result<Vec<_>, Error>>()?;
        let number = CrlNumber(Uint::new(&edition.number.to_be_bytes()).map_err(failed)?);
        let tbs = TbsCertList {
            version: Version::V2,
            signature: algorithm(),
            issuer: self.name.clone(),
            this_update: time(edition.made_at)?,
            next_update: Some(time(edition.next_at)?),
            revoked_certificates: (!entries.is_empty()).then_some(entries),
            crl_extensions: Some(vec![
                extensions::authority_key_id(&self.key_id).map_err(failed)?,
                extensions::extension(&number, false).map_err(failed)?,
            ]),
        };
        let signature = self.signature(&tbs.to_der().map_err(failed)?)?;
        let list =
            CertificateList { tbs_cert_list: tbs, signature_algorithm: algorithm(), signature };
        Ok(pem::encode(&pem::Pem::new(LABEL, list.to_der().map_err(failed)?)))
    }
}

fn entry(issued: &Issued) -> Option<Result<RevokedCert, Error>> {
    let revocation = issued.revoked?;
    let unusable = |reason: String| Error::Authority {
        name: format!("certificate {}", issued.serial),
        reason,
    };
    let make = || {
        let padded =
            format!("{:0>width$}", issued.serial, width = issued.serial.len().next_multiple_of(2));
        let bytes = hex::decode(padded).map_err(|error| unusable(error.to_string()))?;
        // RFC 5280: an unspecified reason is left out.
        let reason = match reason(revocation.reason) {
            None => None,
            Some(reason) => {
                let made = extensions::extension(&reason, false);
                Some(vec![made.map_err(|error| unusable(error.to_string()))?])
            }
        };
        Ok(RevokedCert {
            serial_number: SerialNumber::new(&bytes)
                .map_err(|error| unusable(error.to_string()))?,
            revocation_date: time(revocation.at)?,
            crl_entry_extensions: reason,
        })
    };
    Some(make())
}

fn reason(code: u8) -> Option<CrlReason> {
    Some(match code {
        1 => CrlReason::KeyCompromise,
        2 => CrlReason::CaCompromise,
        3 => CrlReason::AffiliationChanged,
        4 => CrlReason::Superseded,
        5 => CrlReason::CessationOfOperation,
        6 => CrlReason::CertificateHold,
        8 => CrlReason::RemoveFromCRL,
        9 => CrlReason::PrivilegeWithdrawn,
        10 => CrlReason::AaCompromise,
        _ => return None,
    })
}
