//! Looking at identities, changing and removing them.

use serde::Deserialize;

use super::register::{add_fixed, allowed_enrollments};
use super::{Ca, Caller, RevokeRequest};
use crate::refusal::{Code, Refusal};
use crate::rules::{registrar, reserved, roles};
use crate::store::{Attribute, Change, Identity};

/// Stands for the root, since an empty affiliation means no change.
const ROOT: &str = ".";
/// Stands for no enrolments at all, since 0 means no change.
const NO_ENROLLMENTS: i64 = -2;

/// Body of a change; what is left out or empty stays.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ModifyRequest {
    /// New type.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// New affiliation.
    #[serde(default)]
    pub affiliation: Option<String>,
    /// Attributes to set; an empty value takes one away.
    #[serde(default)]
    pub attrs: Option<Vec<Attribute>>,
    /// New number of enrolments; -2 for none.
    #[serde(default)]
    pub max_enrollments: Option<i64>,
    /// New secret; it also unlocks an identity.
    #[serde(default)]
    pub secret: Option<String>,
}

// === impl Ca ===

impl Ca {
    /// The identities that the caller may act on.
    pub fn identities(&self, caller: &Caller) -> Result<Vec<Identity>, Refusal> {
        if caller.identity.attribute(reserved::ROLES).is_none_or(str::is_empty) {
            let why = "Caller is not a registrar";
            return Err(Refusal::authorization(Code::MissingRegistrar, why));
        }
        let mut visible = Vec::new();
        for identity in self.store.identities() {
            let identity = identity?;
            if registrar::check_manages(&caller.identity, &identity).is_ok() {
                visible.push(identity);
            }
        }
        Ok(visible)
    }

    /// One identity.
    pub fn identity(&self, caller: &Caller, id: &str) -> Result<Identity, Refusal> {
        let identity = self.found(id)?;
        registrar::check_manages(&caller.identity, &identity)?;
        Ok(identity)
    }

    /// Changes an identity; certificates that it has stay as they are.
    pub fn modify(
        &self,
        caller: &Caller,
        id: &str,
        request: ModifyRequest,
    ) -> Result<Identity, Refusal> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let secret = given(request.secret);
        if let Some(secret) = &secret {
            crate::rules::names::check_secret(secret)
                .map_err(|why| Refusal::new(400, Code::ModifyIdentity, why))?;
        }
        let hashed = secret.map(|secret| self.secrets.hash(&secret)).transpose()?;
        let writer = self.store.writer();
        let mut identity = self.found(id)?;
        registrar::check_controls(&caller.identity, &identity)?;
        if let Some(affiliation) = given(request.affiliation) {
            identity.affiliation = self.new_affiliation(caller, affiliation)?;
        }
        if let Some(kind) = given(request.kind) {
            registrar::check_type(&caller.identity, &kind)?;
            identity.kind = kind;
        }
        let attributes = request.attrs.unwrap_or_default();
        registrar::check_attributes(&caller.identity, &attributes, Some(&identity))?;
        roles::check_role(&attributes, &self.roles)?;
        for mut attribute in attributes {
            attribute.ecert |= attribute.name == crate::attributes::ROLE;
            identity.set(attribute);
        }
        add_fixed(&mut identity);
        match request.max_enrollments {
            None | Some(0) => {}
            Some(NO_ENROLLMENTS) => identity.max_enrollments = 0,
            Some(asked) => {
                identity.max_enrollments = allowed_enrollments(asked, self.limits.max_enrollments)?;
            }
        }
        if let Some(hashed) = hashed {
            identity.secret = hashed;
            identity.failed_attempts = 0;
        }
        roles::check_fields(&identity)?;
        roles::check_patient(&identity)?;
        let mut change = Change::default();
        self.spend(caller, &mut change)?;
        change.put_identity(&identity);
        writer.apply(change)?;
        Ok(identity)
    }

    /// Removes an identity; its certificates are revoked.
    pub fn remove(&self, caller: &Caller, id: &str, force: bool) -> Result<Identity, Refusal> {
        if !self.limits.allow_remove_identities {
            let why = "Identity removal is disabled";
            return Err(Refusal::new(403, Code::RemoveIdentity, why));
        }
        if caller.identity.id == id && !force {
            let why = "Need to use 'force' option to delete your own identity";
            return Err(Refusal::new(403, Code::RemoveIdentity, why));
        }
        let writer = self.store.writer();
        let identity = self.found(id)?;
        registrar::check_controls(&caller.identity, &identity)?;
        let mut change = Change::default();
        self.spend(caller, &mut change)?;
        self.forget(&identity, &mut change)?;
        writer.apply(change)?;
        Ok(identity)
    }

    /// Puts the removal of `identity` and the revocation of its certificates into `change`.
    pub(super) fn forget(&self, identity: &Identity, change: &mut Change) -> Result<(), Refusal> {
        let why = RevokeRequest {
            reason: Some("cessationofoperation".to_owned()),
            ..RevokeRequest::default()
        };
        self.take_back(self.store.certificates_of(&identity.id)?, &why, change);
        change.delete_identity(&identity.id);
        Ok(())
    }

    fn new_affiliation(&self, caller: &Caller, affiliation: String) -> Result<String, Refusal> {
        let affiliation = if affiliation == ROOT { String::new() } else { affiliation };
        if !affiliation.is_empty() && !self.store.has_affiliation(&affiliation)? {
            let why = format!("Affiliation '{affiliation}' is not supported");
            return Err(Refusal::new(400, Code::ModifyIdentity, why));
        }
        registrar::check_affiliation(&caller.identity, &affiliation)?;
        Ok(affiliation)
    }

    fn found(&self, id: &str) -> Result<Identity, Refusal> {
        self.store.identity(id)?.ok_or_else(|| {
            Refusal::new(404, Code::DatabaseGet, "Failed to get User: there is no such identity")
        })
    }
}
