//! The health roles that an organisation gives, and what goes with being a patient.

use super::names;
use crate::attributes::{PATIENT, ROLE, ROLES};
use crate::refusal::{Code, Refusal};
use crate::store::{Attribute, Identity};

/// Hexadecimal digits of a pseudonym.
const PSEUDONYM_DIGITS: usize = 32;
/// Patients are persons; nothing else of the network is.
const PATIENT_TYPE: &str = "client";

/// Whether an identity with `attributes` may come from an organisation that gives `allowed`.
pub fn check_role(attributes: &[Attribute], allowed: &[String]) -> Result<(), Refusal> {
    for attribute in attributes.iter().filter(|attribute| attribute.name == ROLE) {
        let role = attribute.value.as_str();
        if role.is_empty() || allowed.iter().any(|own| own == role) && ROLES.contains(&role) {
            continue;
        }
        let known =
            if ROLES.contains(&role) { "may not be given by this CA" } else { "does not exist" };
        let mut refusal =
            Refusal::authorization(Code::AttributeAuthority, format!("role {role:?} {known}"));
        // No secret is told by this, and without it the registrar would not know what to ask for.
        refusal.message = format!(
            "Authorization failure: {ROLE} {role:?} {known}; it gives {}",
            allowed.join(", ")
        );
        return Err(refusal);
    }
    Ok(())
}

/// Whether these are a patient's attributes.
pub fn is_patient(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.name == ROLE && attribute.value == PATIENT)
}

/// Whether `id` is a pseudonym: nothing that a person could be known by.
pub fn is_pseudonym(id: &str) -> bool {
    id.len() == PSEUDONYM_DIGITS
        && id.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
}

/// What must hold of a patient's record, so that no certificate says who they are.
pub fn check_patient(identity: &Identity) -> Result<(), Refusal> {
    if !is_patient(&identity.attributes) {
        return Ok(());
    }
    let refuse = |why: &str| Err(Refusal::new(400, Code::RegisteringIdentity, why));
    if !is_pseudonym(&identity.id) {
        return refuse(
            "a patient's enrollment id must be a pseudonym of 32 hexadecimal digits; leave it out to get one",
        );
    }
    if identity.kind != PATIENT_TYPE {
        return refuse("a patient's type must be client");
    }
    Ok(())
}

/// Whether the fields of a new or changed record can be kept at all.
pub fn check_fields(identity: &Identity) -> Result<(), Refusal> {
    let refuse = |why: String| Refusal::new(400, Code::RegisteringIdentity, why);
    names::check_id(&identity.id).map_err(refuse)?;
    check_units(identity)?;
    if identity.attributes.len() > names::ATTRIBUTES_MAX {
        return Err(refuse(format!(
            "an identity has at most {} attributes",
            names::ATTRIBUTES_MAX
        )));
    }
    for attribute in &identity.attributes {
        names::check_attribute(&attribute.name, &attribute.value).map_err(refuse)?;
    }
    Ok(())
}

/// Whether what becomes units of certificates gives no right but the type's own.
pub fn check_units(identity: &Identity) -> Result<(), Refusal> {
    names::check_type(&identity.kind)
        .and_then(|()| names::check_affiliation(&identity.affiliation))
        .map_err(|why| Refusal::new(400, Code::RegisteringIdentity, why))
}
