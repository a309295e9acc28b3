//! New certificates of people: the signing key stays, because what a person may do is registered under it.

use std::path::Path;

use carecord_ca::client::Credential;
use carecord_ca::{Attribute, Content, Issued, Issuing, NodeRole, Person, Purpose, Validity};
use carecord_msp::{Msp, MspVersion, keystore};

use super::at_ca::{self, Asked};
use super::{DAYS, Issuer, Renewed, failed, organisation, replaced, until};
use crate::bringup::now_unix_s;
use crate::certificates::Certificate;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::pairs;
use crate::session::Session;
use crate::state::{UserEntry, read_credential, read_text};

/// Attributes that a CA sets by itself begin so.
const RESERVED: &str = "hf.";

/// Gives a person a new signing certificate for the key they have, and a new TLS certificate: of the organisation's CA if
/// that runs, else made with the CA's keys in the folder.
pub async fn user(session: &Session, user: &UserEntry, days: Option<u32>) -> Outcome<Renewed> {
    let old = Old::read(session, user)?;
    let (certificate_pem, tls, from) = match at_ca::required(session, &user.organisation)? {
        Some(ca) => {
            at_ca::refuse_days(&ca, &user.name, days)?;
            let asked = old.asked();
            let (signing, tls) = at_ca::apart(move || asked.both(&ca)).await?;
            (signing.certificate_pem, tls, Issuer::Ca)
        }
        None => {
            let (pem, tls) = with_keys(session, user, &old, days.unwrap_or(DAYS))?;
            (pem, tls, Issuer::Keys)
        }
    };
    replaced::keep(user, &old.certificate, &old.credential.certificate_pem)?;
    pairs::write_public(&user.certificate_file, &certificate_pem)?;
    pairs::put(&user.tls_certificate_file, &user.tls_key_file, &tls)?;
    Ok(Renewed { unix_s: until(&certificate_pem), from })
}

/// What a person has now.
struct Old {
    credential: Credential,
    certificate: Certificate,
    attributes: std::collections::BTreeMap<String, String>,
}

// === impl Old ===

impl Old {
    fn read(session: &Session, user: &UserEntry) -> Outcome<Self> {
        let unusable = |cause: String| Failure::new(Code::Renew, cause).at(&user.name);
        let pem = read_credential(&user.certificate_file)?;
        let certificate = Certificate::of_pem(&pem).into_iter().next();
        let certificate = certificate
            .ok_or_else(|| unusable("there is no certificate in the file".to_owned()))?;
        let msp_dir = user.certificate_file.ancestors().nth(2).unwrap_or(Path::new("."));
        let msp = keystore::load_msp_config(msp_dir, &user.msp_id)
            .and_then(|config| Msp::new(&config, MspVersion::V3_0))
            .map_err(|error| unusable(error.to_string()))?;
        let serialized = session.signer(user)?.serialized();
        let identity = msp.identity(&serialized).map_err(|error| unusable(error.to_string()))?;
        let credential = Credential {
            certificate_pem: String::from_utf8_lossy(&pem).into_owned(),
            key_pem: read_text(&user.key_file)?.into(),
        };
        Ok(Self { credential, certificate, attributes: identity.attributes() })
    }

    /// As the CA shall know them if it does not yet: what their certificate says.
    fn asked(&self) -> Asked {
        let kinds = [NodeRole::Client, NodeRole::Admin].map(NodeRole::ou);
        let kind = self.certificate.units.iter().find(|unit| kinds.contains(&unit.as_str()));
        let own = self.attributes.iter().filter(|(name, _)| !name.starts_with(RESERVED));
        Asked {
            id: self.certificate.common_name.clone(),
            kind: kind.cloned().unwrap_or_else(|| NodeRole::Client.ou().to_owned()),
            attributes: own
                .map(|(name, value)| Attribute { ecert: true, ..Attribute::new(name, value) })
                .collect(),
            current: Some(self.credential.clone()),
            hosts: Vec::new(),
            keep_key: true,
        }
    }
}

/// Signing certificate and TLS pair, made with the keys of the organisation's CAs.
fn with_keys(
    session: &Session,
    user: &UserEntry,
    old: &Old,
    days: u32,
) -> Outcome<(String, Issued)> {
    let (_, authority) = organisation(session, &user.organisation)?;
    let validity = Validity::days_from(now_unix_s(), days);
    let ca = authority.ca();
    let issuing = Issuing::new(ca.certificate_pem(), "", ca.key_pem()).map_err(failed)?;
    let person = Person {
        name: user.name.clone(),
        role: user.role.clone(),
        admin: user.admin,
        key: Default::default(),
    };
    let unreadable = || Failure::new(Code::Renew, "its key is unreadable").at(&user.name);
    let signed = issuing
        .sign(&Content {
            common_name: old.certificate.common_name.clone(),
            units: old.certificate.units.clone(),
            anonymous: person.is_patient(),
            public_key: public_key(&old.credential.certificate_pem).ok_or_else(unreadable)?,
            hosts: Vec::new(),
            attributes: (!old.attributes.is_empty()).then(|| old.attributes.clone()),
            purpose: Purpose::Signing,
            validity,
        })
        .map_err(failed)?;
    let common_name = &old.certificate.common_name;
    let tls = authority.person_tls(&person, common_name, validity).map_err(failed)?;
    Ok((signed.pem, tls))
}

/// The key of a certificate with its algorithm, DER.
fn public_key(certificate_pem: &str) -> Option<Vec<u8>> {
    let block = pem::parse(certificate_pem).ok()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(block.contents()).ok()?;
    Some(parsed.public_key().raw.to_vec())
}
