//! Registration: a registrar makes somebody known, with a secret to enrol by.

use serde::Deserialize;

use super::{Ca, Caller};
use crate::pseudonym::pseudonym;
use crate::refusal::{Code, Refusal};
use crate::rules::{names, registrar, reserved, roles};
use crate::secret;
use crate::store::{Attribute, Change, Identity};

/// Stands for the root, since an empty affiliation means the registrar's.
const ROOT: &str = ".";

/// Body of a registration.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct RegisterRequest {
    /// Enrolment id; may be left out for a patient, who gets a pseudonym.
    #[serde(default)]
    pub id: Option<String>,
    /// Type; the registrar's if empty.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// Secret; a random one if empty.
    #[serde(default)]
    pub secret: Option<String>,
    /// How often the secret serves; 0 for what the CA allows.
    #[serde(default)]
    pub max_enrollments: Option<i64>,
    /// Affiliation; the registrar's if empty.
    #[serde(default)]
    pub affiliation: Option<String>,
    /// Attributes.
    #[serde(default)]
    pub attrs: Option<Vec<Attribute>>,
}

/// Somebody who can enrol now.
#[derive(Debug, Clone)]
pub struct Registered {
    /// Their record.
    pub identity: Identity,
    /// The secret, told once.
    pub secret: String,
}

// === impl Ca ===

impl Ca {
    /// Registers somebody new.
    pub fn register(
        &self,
        caller: &Caller,
        request: RegisterRequest,
    ) -> Result<Registered, Refusal> {
        let registrar = &caller.identity;
        let (mut identity, secret) = self.wanted(registrar, request)?;
        self.check_registration(registrar, &identity).map_err(|refusal| match refusal.status {
            // The caller learns no more than that it failed; the log has why.
            403 if refusal.message == "Authorization failure" => Refusal::authorization(
                refusal.inner_code,
                format!("Registration of '{}' failed: {}", identity.id, refusal.inner),
            ),
            _ => refusal,
        })?;
        let max = allowed_enrollments(identity.max_enrollments, self.limits.max_enrollments)?;
        identity.max_enrollments = max;
        identity.secret = self.secrets.hash(&secret)?;
        add_fixed(&mut identity);
        let writer = self.store.writer();
        if self.store.identity(&identity.id)?.is_some() {
            let why = format!(
                "Registration of '{id}' failed: Identity '{id}' is already registered",
                id = identity.id
            );
            return Err(Refusal::new(409, Code::DuplicateIdentity, why));
        }
        let mut change = Change::default();
        self.spend(caller, &mut change)?;
        change.put_identity(&identity);
        writer.apply(change)?;
        Ok(Registered { identity, secret })
    }

    /// The record that is asked for, with what was left out filled in, and its secret.
    fn wanted(
        &self,
        registrar: &Identity,
        request: RegisterRequest,
    ) -> Result<(Identity, String), Refusal> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let mut attributes = request.attrs.unwrap_or_default();
        for attribute in attributes.iter_mut().filter(|a| a.name == crate::attributes::ROLE) {
            // A role is of use in certificates only.
            attribute.ecert = true;
        }
        let id = match given(request.id) {
            Some(id) => id,
            None if roles::is_patient(&attributes) => pseudonym()?,
            None => {
                let why = "Missing 'id' in the registration request; only a patient may go without";
                return Err(Refusal::new(400, Code::AddIdentity, why));
            }
        };
        let secret = match given(request.secret) {
            Some(secret) => secret,
            None => secret::make()?,
        };
        names::check_secret(&secret)
            .map_err(|why| Refusal::new(400, Code::RegisteringIdentity, why))?;
        let kind = given(request.kind).unwrap_or_else(|| registrar.kind.clone());
        let affiliation = match given(request.affiliation) {
            None => registrar.affiliation.clone(),
            Some(root) if root == ROOT => String::new(),
            Some(affiliation) => affiliation,
        };
        let identity = Identity {
            affiliation,
            attributes,
            max_enrollments: request.max_enrollments.unwrap_or_default(),
            ..Identity::named(&id, &kind)
        };
        roles::check_fields(&identity)?;
        Ok((identity, secret))
    }

    fn check_registration(&self, registrar: &Identity, wanted: &Identity) -> Result<(), Refusal> {
        registrar::check_type(registrar, &wanted.kind)?;
        registrar::check_affiliation(registrar, &wanted.affiliation)?;
        if !wanted.affiliation.is_empty() && !self.store.has_affiliation(&wanted.affiliation)? {
            // As in Fabric-CA, outward this is one more registration that may not be.
            let why = format!("Failed getting affiliation '{}'", wanted.affiliation);
            return Err(Refusal::authorization(Code::GettingAffiliation, why));
        }
        registrar::check_attributes(registrar, &wanted.attributes, None)?;
        let mut seen = std::collections::BTreeSet::new();
        if !wanted.attributes.iter().all(|attribute| seen.insert(&attribute.name)) {
            let why = "an attribute is given twice";
            return Err(Refusal::new(400, Code::RegisteringIdentity, why));
        }
        roles::check_role(&wanted.attributes, &self.roles)?;
        roles::check_patient(wanted)
    }
}

/// Sets the attributes that repeat what the record says.
pub(super) fn add_fixed(identity: &mut Identity) {
    let fixed = [
        (reserved::ENROLLMENT_ID, identity.id.clone()),
        (reserved::TYPE, identity.kind.clone()),
        (reserved::AFFILIATION, identity.affiliation.clone()),
    ];
    for (name, value) in fixed {
        identity.set(Attribute { name: name.to_owned(), value, ecert: true });
    }
}

/// How often a secret may serve if `asked` is wanted and `ca` is the CA's limit; 0 asks for the limit.
pub(super) fn allowed_enrollments(asked: i64, ca: i64) -> Result<i64, Refusal> {
    let refuse = |why: String| Err(Refusal::new(400, Code::InvalidMaxEnrollments, why));
    match (asked, ca) {
        (..-1, _) => refuse(format!(
            "Max enrollment in registration request may not be less than -1, but was {asked}"
        )),
        (_, 0) => refuse("Registration is disabled".to_owned()),
        (0, _) => Ok(ca),
        (_, -1) => Ok(asked),
        (-1, _) => refuse("Registration for infinite enrollments is not allowed".to_owned()),
        _ if asked > ca => refuse(format!(
            "Requested enrollments ({asked}) exceeds maximum allowable enrollments ({ca})"
        )),
        _ => Ok(asked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enrolments_are_limited_by_the_ca() {
        for (asked, ca, expected) in [
            (0, -1, Some(-1)),
            (5, -1, Some(5)),
            (-1, -1, Some(-1)),
            (-2, -1, None),
            (1, 0, None),
            (0, 3, Some(3)),
            (2, 3, Some(2)),
            (4, 3, None),
            (-1, 3, None),
        ] {
            assert_eq!(allowed_enrollments(asked, ca).ok(), expected, "{asked} of {ca}");
        }
    }
}
