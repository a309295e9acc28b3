//! What a certificate says about its owner: units and attributes come from the record, never from the request.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::affiliation;
use super::roles::is_patient;
use crate::attributes::ROLE;
use crate::store::Identity;

/// Most bytes of attributes in one certificate, as JSON: a token holds the certificate, twice in Base64, and
/// [`crate::token`] takes 16 KiB.
const ATTRIBUTES_BYTES_MAX: usize = 6 << 10;

/// One attribute that an enrolment asks for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AttributeRequest {
    /// Its name.
    pub name: String,
    /// Whether the enrolment goes on if the identity has none.
    #[serde(default)]
    pub optional: bool,
}

/// The organizational units of `identity`: its type, then its affiliation from the top down; a patient's say no more
/// than the type.
pub fn units(identity: &Identity) -> Vec<String> {
    let mut units = vec![identity.kind.clone()];
    if !is_patient(&identity.attributes) {
        units.extend(affiliation::units(&identity.affiliation).map(str::to_owned));
    }
    units
}

/// The attributes for the certificate: those asked for, or those marked for certificates if nothing is asked for.
///
/// The error names what was asked for and is missing.
pub fn attributes(
    identity: &Identity,
    asked: Option<&[AttributeRequest]>,
) -> Result<BTreeMap<String, String>, String> {
    let Some(asked) = asked else { return Ok(defaults(identity)) };
    let mut chosen = BTreeMap::new();
    let mut missing = Vec::new();
    for request in asked {
        match identity.attribute(&request.name) {
            Some(value) => {
                chosen.insert(request.name.clone(), value.to_owned());
            }
            None if request.optional => {}
            None => missing.push(request.name.as_str()),
        }
    }
    if missing.is_empty() {
        return Ok(chosen);
    }
    Err(format!("The following required attributes are missing: [{}]", missing.join(" ")))
}

/// Whether a certificate with `attributes` still fits the tokens that are made with it.
pub fn check_size(attributes: Option<&BTreeMap<String, String>>) -> Result<(), String> {
    let length = attributes.map(serde_json::to_vec).and_then(Result::ok).map_or(0, |j| j.len());
    if length <= ATTRIBUTES_BYTES_MAX {
        return Ok(());
    }
    Err(format!(
        "the certificate would hold {length} bytes of attributes, {ATTRIBUTES_BYTES_MAX} are possible; ask for fewer (attr_reqs)"
    ))
}

fn defaults(identity: &Identity) -> BTreeMap<String, String> {
    let patient = is_patient(&identity.attributes);
    let wanted = |name: &str, ecert: bool| if patient { name == ROLE } else { ecert };
    identity
        .attributes
        .iter()
        .filter(|attribute| wanted(&attribute.name, attribute.ecert))
        .map(|attribute| (attribute.name.clone(), attribute.value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Attribute;

    fn person(role: &str) -> Identity {
        let mut identity = Identity::named("ann", "client");
        identity.affiliation = "hospital.ward".into();
        identity.attributes = vec![
            Attribute { ecert: true, ..Attribute::new("hf.EnrollmentID", "ann") },
            Attribute { ecert: true, ..Attribute::new(ROLE, role) },
            Attribute::new("phone", "7"),
        ];
        identity
    }

    #[test]
    fn units_are_type_and_affiliation_and_a_patients_only_the_type() {
        assert_eq!(units(&person("practitioner")), ["client", "hospital", "ward"]);
        assert_eq!(units(&person("patient")), ["client"]);
    }

    #[test]
    fn what_is_asked_for_must_be_there_unless_it_is_optional() {
        let ask = |name: &str, optional| AttributeRequest { name: name.into(), optional };
        let person = person("practitioner");
        let names = |asked: Option<&[AttributeRequest]>| {
            attributes(&person, asked).map(|found| found.into_keys().collect::<Vec<_>>())
        };
        assert_eq!(names(None).unwrap(), [ROLE, "hf.EnrollmentID"]);
        assert_eq!(names(Some(&[ask("phone", false), ask("fax", true)])).unwrap(), ["phone"]);
        assert_eq!(names(Some(&[])).unwrap(), Vec::<String>::new());
        assert!(names(Some(&[ask("fax", false)])).unwrap_err().ends_with("[fax]"));
    }

    #[test]
    fn a_patients_certificate_has_the_role_and_nothing_else() {
        let found = attributes(&person("patient"), None).unwrap();
        assert_eq!(found.into_keys().collect::<Vec<_>>(), [ROLE]);
    }
}
