//! New certificates of people: the signing key stays, because what a person may do is registered under it.

use carecord_ca::{Content, Issued, Issuing, Person, Purpose, Validity};
use carecord_msp::{Msp, MspVersion, keystore};

use super::{failed, files, organisation};
use crate::bringup::now_unix_s;
use crate::certificates::Certificate;
use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::session::Session;
use crate::state::UserEntry;

/// Gives a person a new signing certificate for the key they have, and a new TLS certificate; answers the last second.
pub fn user(session: &Session, user: &UserEntry, days: u32) -> Outcome<i64> {
    let (folder, authority) = organisation(session, &user.organisation)?;
    let member = folder.user(&user.name).map_err(failed)?;
    let validity = Validity::days_from(now_unix_s(), days);
    let unusable = |cause: String| Failure::new(Code::Renew, cause).at(&user.name);
    let pem = crate::state::read_credential(&member.certificate())?;
    let old = Certificate::of_pem(&pem).into_iter().next();
    let old = old.ok_or_else(|| unusable("there is no certificate in the file".to_owned()))?;
    let ca = authority.ca();
    let issuing = Issuing::new(ca.certificate_pem(), "", ca.key_pem()).map_err(failed)?;

    let msp = keystore::load_msp_config(&member.msp(), &user.msp_id)
        .and_then(|config| Msp::new(&config, MspVersion::V3_0))
        .map_err(|error| unusable(error.to_string()))?;
    let signer = session.signer(user)?;
    let identity =
        msp.identity(&signer.serialized()).map_err(|error| unusable(error.to_string()))?;
    let attributes = identity.attributes();
    let person = Person {
        name: user.name.clone(),
        role: user.role.clone(),
        admin: user.admin,
        key: Default::default(),
    };
    let signed = issuing
        .sign(&Content {
            common_name: old.common_name.clone(),
            units: old.units.clone(),
            anonymous: person.is_patient(),
            public_key: public_key(&pem).ok_or_else(|| unusable("its key is unreadable".into()))?,
            hosts: Vec::new(),
            attributes: (!attributes.is_empty()).then_some(attributes),
            purpose: Purpose::Signing,
            validity,
        })
        .map_err(failed)?;
    let tls = authority.person_tls(&person, &old.common_name, validity).map_err(failed)?;
    let key_pem = crate::state::read_text(&member.key())?;
    let issued = Issued { certificate_pem: signed.pem, key_pem: key_pem.into() };
    let until = Certificate::of_pem(issued.certificate_pem.as_bytes());
    files::signing(&member, &issued)?;
    files::pair(&member.tls_certificate(), &member.tls_key(), &tls)?;
    Ok(until.first().map(|certificate| certificate.not_after_unix_s).unwrap_or_default())
}

/// The key of a certificate with its algorithm, DER.
fn public_key(certificate_pem: &[u8]) -> Option<Vec<u8>> {
    let block = pem::parse(certificate_pem).ok()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(block.contents()).ok()?;
    Some(parsed.public_key().raw.to_vec())
}
