//! The parts of an organisation.

use serde::Serialize;

use super::register::add_fixed;
use super::{Ca, Caller};
use crate::refusal::{Code, Refusal};
use crate::rules::{affiliation, names, registrar, reserved};
use crate::store::{Change, Identity};

/// Most affiliations in one answer: with more the caller must ask for one further down, as Fabric-CA's answer has no pages.
const AFFILIATIONS_MAX: usize = 5_000;

/// An affiliation with those below it, and whom a change concerned.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Tree {
    /// Its whole path.
    pub name: String,
    /// Those right below.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub affiliations: Vec<Tree>,
    /// Identities that belong to it and were changed or removed.
    #[serde(skip)]
    pub identities: Vec<Identity>,
}

// === impl Ca ===

impl Ca {
    /// What the caller may see: its own affiliation and everything below.
    pub fn affiliations(&self, caller: &Caller) -> Result<Tree, Refusal> {
        check_manager(caller)?;
        let all = self.store.affiliations()?;
        let root = &caller.identity.affiliation;
        if all.is_empty() {
            let why = "No affiliations are configured on the CA";
            return Err(Refusal::new(404, Code::GettingAffiliation, why));
        }
        shown(root, &all)
    }

    /// One affiliation and those below it.
    pub fn affiliation(&self, caller: &Caller, name: &str) -> Result<Tree, Refusal> {
        check_manager(caller)?;
        registrar::check_affiliation(&caller.identity, name)?;
        self.must_exist(name)?;
        shown(name, &self.store.affiliations()?)
    }

    /// Adds an affiliation; with `force` also those above it that are missing.
    pub fn add_affiliation(
        &self,
        caller: &Caller,
        name: &str,
        force: bool,
    ) -> Result<Tree, Refusal> {
        check_manager(caller)?;
        check_name(name)?;
        registrar::check_affiliation(&caller.identity, name)?;
        let writer = self.store.writer();
        if self.store.has_affiliation(name)? {
            let why = "Affiliation already exists";
            return Err(Refusal::new(409, Code::AddAffiliation, why));
        }
        let mut change = Change::default();
        let mut above = affiliation::parent(name).filter(|parent| !parent.is_empty());
        while let Some(parent) = above {
            if !self.store.has_affiliation(parent)? {
                if !force {
                    let why = "Parent affiliation does not exist, 'force' option required on request to add affiliation";
                    return Err(Refusal::new(400, Code::AddAffiliation, why));
                }
                change.put_affiliation(parent);
            }
            above = affiliation::parent(parent).filter(|parent| !parent.is_empty());
        }
        self.spend(caller, &mut change)?;
        change.put_affiliation(name);
        writer.apply(change)?;
        Ok(Tree { name: name.to_owned(), ..Tree::default() })
    }

    /// Gives an affiliation, with those below it, another name; with `force` also the identities in it.
    pub fn rename_affiliation(
        &self,
        caller: &Caller,
        name: &str,
        new: &str,
        force: bool,
    ) -> Result<Tree, Refusal> {
        check_manager(caller)?;
        check_name(new)?;
        registrar::check_affiliation(&caller.identity, name)?;
        registrar::check_affiliation(&caller.identity, new)?;
        check_not_own(caller, name, Code::ModifyAffiliation)?;
        check_not_below(name, new)?;
        let writer = self.store.writer();
        self.must_exist(name)?;
        if self.store.has_affiliation(new)? {
            let why = format!("Affiliation '{new}' already exists");
            return Err(Refusal::new(400, Code::ModifyAffiliation, why));
        }
        let members = self.members(name)?;
        if !members.is_empty() && !force {
            let why = format!(
                "The request to modify affiliation '{name}' concerns identities. Need to use 'force' to modify them"
            );
            return Err(Refusal::new(400, Code::ModifyAffiliation, why));
        }
        let moved = |old: &str| format!("{new}{}", old.strip_prefix(name).unwrap_or_default());
        let mut change = Change::default();
        self.spend(caller, &mut change)?;
        for old in self.store.affiliations()?.iter().filter(|old| affiliation::contains(name, old))
        {
            change.delete_affiliation(old);
            change.put_affiliation(&moved(old));
        }
        let mut identities = Vec::new();
        for mut identity in members {
            registrar::check_controls(&caller.identity, &identity)?;
            identity.affiliation = moved(&identity.affiliation);
            add_fixed(&mut identity);
            change.put_identity(&identity);
            identities.push(identity);
        }
        writer.apply(change)?;
        Ok(Tree { identities, ..tree(new, &self.store.affiliations()?) })
    }

    /// Removes an affiliation; with `force` also those below it and the identities in them.
    pub fn remove_affiliation(
        &self,
        caller: &Caller,
        name: &str,
        force: bool,
    ) -> Result<Tree, Refusal> {
        check_manager(caller)?;
        let forbidden = |why: String| Err(Refusal::authorization(Code::RemoveAffiliation, why));
        if !self.limits.allow_remove_affiliations {
            return forbidden("Affiliation removal is disabled".to_owned());
        }
        check_not_own(caller, name, Code::RemoveAffiliation)?;
        registrar::check_affiliation(&caller.identity, name)?;
        let writer = self.store.writer();
        self.must_exist(name)?;
        let members = self.members(name)?;
        let mut removed = tree(name, &self.store.affiliations()?);
        if !(force || members.is_empty() && removed.affiliations.is_empty()) {
            let why = format!(
                "Cannot delete affiliation '{name}': it has sub-affiliations or identities. Need to use 'force' to remove them, too"
            );
            return Err(Refusal::new(400, Code::RemoveAffiliation, why));
        }
        if !members.is_empty() && !self.limits.allow_remove_identities {
            return forbidden("Identity removal is disabled".to_owned());
        }
        let mut change = Change::default();
        self.spend(caller, &mut change)?;
        for old in self.store.affiliations()?.iter().filter(|old| affiliation::contains(name, old))
        {
            change.delete_affiliation(old);
        }
        for identity in &members {
            registrar::check_controls(&caller.identity, identity)?;
            self.forget(identity, &mut change)?;
        }
        writer.apply(change)?;
        removed.identities = members;
        Ok(removed)
    }

    fn members(&self, name: &str) -> Result<Vec<Identity>, Refusal> {
        let mut members = Vec::new();
        for identity in self.store.identities() {
            let identity = identity?;
            if affiliation::contains(name, &identity.affiliation) {
                members.push(identity);
            }
        }
        Ok(members)
    }

    fn must_exist(&self, name: &str) -> Result<(), Refusal> {
        if name.is_empty() || self.store.has_affiliation(name)? {
            return Ok(());
        }
        let why = "Failed to get Affiliation: there is no such affiliation";
        Err(Refusal::new(404, Code::DatabaseGet, why))
    }
}

fn check_manager(caller: &Caller) -> Result<(), Refusal> {
    if registrar::has(&caller.identity, reserved::AFFILIATION_MANAGER) {
        return Ok(());
    }
    let why = format!("Caller does not have '{}'", reserved::AFFILIATION_MANAGER);
    Err(Refusal::authorization(Code::MissingRole, why))
}

/// Nobody takes the ground away from under themselves.
fn check_not_own(caller: &Caller, name: &str, code: Code) -> Result<(), Refusal> {
    if caller.identity.affiliation != name {
        return Ok(());
    }
    Err(Refusal::authorization(code, format!("'{name}' is the caller's own affiliation")))
}

/// An affiliation moved below itself would have no parent.
fn check_not_below(name: &str, new: &str) -> Result<(), Refusal> {
    if !affiliation::contains(name, new) {
        return Ok(());
    }
    let why = format!("'{new}' lies below '{name}', which would be gone");
    Err(Refusal::new(400, Code::ModifyAffiliation, why))
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let refuse = |why: String| Refusal::new(400, Code::AddAffiliation, why);
    if name.is_empty() {
        return Err(refuse("an affiliation needs a name".to_owned()));
    }
    names::check_affiliation(name).map_err(refuse)
}

/// The same for an answer, if it is not too large for one.
fn shown(name: &str, all: &[String]) -> Result<Tree, Refusal> {
    if all.iter().filter(|other| affiliation::contains(name, other)).count() > AFFILIATIONS_MAX {
        let why = format!(
            "more than {AFFILIATIONS_MAX} affiliations; ask for one below, at affiliations/<name>"
        );
        return Err(Refusal::new(400, Code::GettingAffiliation, why));
    }
    Ok(tree(name, all))
}

/// `name` with those of `all` that lie below it.
fn tree(name: &str, all: &[String]) -> Tree {
    let below = all.iter().filter(|other| affiliation::parent(other) == Some(name));
    Tree {
        name: name.to_owned(),
        affiliations: below.map(|other| tree(other, all)).collect(),
        identities: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_so_many_affiliations_and_more_are_asked_for_further_down() {
        let mut all: Vec<String> = (0..AFFILIATIONS_MAX).map(|n| format!("ward.r{n}")).collect();
        assert!(shown("ward", &all).is_ok());
        all.push("ward".to_owned());
        let refusal = shown("ward", &all).unwrap_err();
        assert_eq!((refusal.status, refusal.code), (400, Code::GettingAffiliation));
        assert_eq!(shown("ward.r7", &all).unwrap().name, "ward.r7");
    }
}
