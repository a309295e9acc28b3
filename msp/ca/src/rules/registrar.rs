//! What a registrar may register and give.

use super::affiliation;
use super::reserved::{
    self, DELEGATE_ROLES, Kind, PREFIX, REGISTRAR_ATTRIBUTES, ROLES, list, parse_bool,
};
use crate::refusal::{Code, Refusal};
use crate::store::{Attribute, Identity};

const ANY: &str = "*";
/// What a missing type stands for.
const DEFAULT_TYPE: &str = "client";

/// Whether `caller` may act on identities of type `kind`.
pub fn check_type(caller: &Identity, kind: &str) -> Result<(), Refusal> {
    let Some(types) = caller.attribute(ROLES) else {
        let why = format!("'{}' is not allowed to manage users", caller.id);
        return Err(Refusal::authorization(Code::AttributeAuthority, why));
    };
    let kind = if kind.is_empty() { DEFAULT_TYPE } else { kind };
    // To the letter, as an MSP compares units: `CLIENT` is no client to it.
    if list(types).any(|own| own == ANY || own == kind) {
        return Ok(());
    }
    let why = format!("Registrar does not have authority to act on type '{kind}'");
    Err(Refusal::authorization(Code::CallerNotAffiliated, why))
}

/// Whether `caller` may act on what belongs to `affiliation`.
pub fn check_affiliation(caller: &Identity, affiliation: &str) -> Result<(), Refusal> {
    if affiliation::contains(&caller.affiliation, affiliation) {
        return Ok(());
    }
    let why = format!("Caller does not have authority to act on affiliation '{affiliation}'");
    Err(Refusal::authorization(Code::CallerNotAffiliated, why))
}

/// Whether `caller` may act on `identity`.
pub fn check_manages(caller: &Identity, identity: &Identity) -> Result<(), Refusal> {
    check_affiliation(caller, &identity.affiliation)?;
    check_type(caller, &identity.kind)
}

/// Whether `caller` may change, rename or remove `identity`: who gets its secret gets its rights, so the caller must have
/// every reserved right that it has, and no smaller list.
pub fn check_controls(caller: &Identity, identity: &Identity) -> Result<(), Refusal> {
    check_manages(caller, identity)?;
    identity.attributes.iter().try_for_each(|right| check_holds(caller, right)).map_err(|why| {
        let why = format!("'{}' may not act on '{}': {why}", caller.id, identity.id);
        Refusal::authorization(Code::AttributeAuthority, why)
    })
}

/// Whether `caller` has at least what `right` gives; what is not reserved gives nothing here.
fn check_holds(caller: &Identity, right: &Attribute) -> Result<(), String> {
    let Some(kind) = reserved::kind(&right.name) else { return Ok(()) };
    let own = caller.attribute(&right.name).unwrap_or_default();
    match kind {
        Kind::Fixed => Ok(()),
        Kind::Boolean if parse_bool(&right.value) != Some(true) || has(caller, &right.name) => {
            Ok(())
        }
        Kind::Boolean => Err(format!("it has '{}'", right.name)),
        Kind::List if right.name == REGISTRAR_ATTRIBUTES => {
            list(&right.value).try_for_each(|name| check_listed(name, own))
        }
        Kind::List => check_subset(&right.value, own),
    }
}

/// Whether the boolean attribute `name` of `caller` is true.
pub fn has(caller: &Identity, name: &str) -> bool {
    caller.attribute(name).and_then(parse_bool) == Some(true)
}

/// Whether `caller` may give `requested`, to `existing` if that is an identity that is there already.
pub fn check_attributes(
    caller: &Identity,
    requested: &[Attribute],
    existing: Option<&Identity>,
) -> Result<(), Refusal> {
    for attribute in requested {
        check_attribute(caller, attribute, requested, existing).map_err(|why| {
            Refusal::authorization(
                Code::AttributeAuthority,
                format!("Failed to register attribute: {why}"),
            )
        })?;
    }
    Ok(())
}

fn check_attribute(
    caller: &Identity,
    attribute: &Attribute,
    all: &[Attribute],
    existing: Option<&Identity>,
) -> Result<(), String> {
    let own = caller.attribute(REGISTRAR_ATTRIBUTES).unwrap_or_default();
    if own.is_empty() {
        return Err(format!("Registrar does not have any values for '{REGISTRAR_ATTRIBUTES}'"));
    }
    check_listed(&attribute.name, own)?;
    let Some(kind) = reserved::kind(&attribute.name) else {
        return match attribute.name.starts_with(PREFIX) {
            true => Err(format!("'{}' is not a supported reserved attribute", attribute.name)),
            false => Ok(()),
        };
    };
    let owned = || {
        caller.attribute(&attribute.name).ok_or_else(|| {
            format!(
                "Attribute '{}' requires ownership but the caller does not own it",
                attribute.name
            )
        })
    };
    match kind {
        Kind::Fixed => Err(format!("Cannot register fixed value attribute '{}'", attribute.name)),
        Kind::Boolean => check_boolean(attribute, owned()?),
        Kind::List => check_list(attribute, owned()?, all, existing),
    }
}

/// The names in `hf.Registrar.Attributes` may end in a star.
fn check_listed(name: &str, own: &str) -> Result<(), String> {
    let matches = |entry: &str| match entry.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => entry == name,
    };
    if list(own).any(matches) {
        return Ok(());
    }
    Err(format!("Attribute '{name}' is not part of caller's '{own}' attribute list"))
}

fn check_boolean(attribute: &Attribute, owned: &str) -> Result<(), String> {
    if parse_bool(owned) != Some(true) {
        return Err(format!("Caller does not have '{}' as true", attribute.name));
    }
    // An empty value takes the attribute away.
    if attribute.value.is_empty() || parse_bool(&attribute.value).is_some() {
        return Ok(());
    }
    Err(format!("'{}' is not a boolean", attribute.value))
}

fn check_list(
    attribute: &Attribute,
    owned: &str,
    all: &[Attribute],
    existing: Option<&Identity>,
) -> Result<(), String> {
    if attribute.value.is_empty() {
        return Ok(());
    }
    if attribute.name == REGISTRAR_ATTRIBUTES {
        return check_delegated_attributes(attribute, owned, all, existing);
    }
    check_subset(&attribute.value, owned)?;
    if attribute.name == DELEGATE_ROLES {
        let roles = all
            .iter()
            .find(|other| other.name == ROLES)
            .map(|roles| roles.value.as_str())
            .or_else(|| existing.and_then(|identity| identity.attribute(ROLES)))
            .unwrap_or_default();
        return check_subset(&attribute.value, roles)
            .map_err(|_| "The delegateRoles field is a superset of roles".to_owned());
    }
    Ok(())
}

/// Whoever may give a reserved attribute must have it, too.
fn check_delegated_attributes(
    attribute: &Attribute,
    owned: &str,
    all: &[Attribute],
    existing: Option<&Identity>,
) -> Result<(), String> {
    for name in list(&attribute.value) {
        check_listed(name, owned)?;
        let has = all.iter().any(|other| other.name == name)
            || existing.is_some_and(|identity| identity.attribute(name).is_some());
        if name.starts_with(PREFIX) && !has {
            return Err(format!("'{name}' in {REGISTRAR_ATTRIBUTES} is not owned by the identity"));
        }
    }
    Ok(())
}

fn check_subset(small: &str, big: &str) -> Result<(), String> {
    if list(big).any(|entry| entry == ANY) {
        return Ok(());
    }
    match list(small).find(|entry| !list(big).any(|own| own == *entry)) {
        Some(entry) => Err(format!("'{entry}' is not a member of '{big}'")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registrar(attributes: &[(&str, &str)]) -> Identity {
        let attributes =
            attributes.iter().map(|(name, value)| Attribute::new(name, value)).collect();
        Identity { attributes, affiliation: "ward".into(), ..Identity::named("reg", "client") }
    }

    #[test]
    fn types_are_compared_to_the_letter_and_a_star_is_all() {
        let some = registrar(&[(ROLES, "client, peer")]);
        assert!(check_type(&some, "peer").is_ok() && check_type(&some, "").is_ok());
        assert!(check_type(&some, "PEER").is_err() && check_type(&some, "Client").is_err());
        assert_eq!(check_type(&some, "admin").unwrap_err().inner_code, Code::CallerNotAffiliated);
        assert!(check_type(&registrar(&[(ROLES, "*")]), "admin").is_ok());
        assert_eq!(
            check_type(&registrar(&[]), "client").unwrap_err().inner_code,
            Code::AttributeAuthority
        );
    }

    #[test]
    fn attributes_are_given_by_who_owns_them() {
        let all = [
            (ROLES, "client,peer"),
            (REGISTRAR_ATTRIBUTES, "carecord.*,hf.Revoker,hf.GenCRL,hf.Registrar.*,hf.Type,hf.New"),
            ("hf.Revoker", "true"),
            ("hf.GenCRL", "false"),
            (DELEGATE_ROLES, "client"),
        ];
        let registrar = registrar(&all);
        for (name, value, expected) in [
            ("carecord.role", "patient", true),
            ("other", "x", false),
            ("hf.Revoker", "true", true),
            ("hf.Revoker", "perhaps", false),
            ("hf.GenCRL", "true", false),
            ("hf.Type", "admin", false),
            ("hf.New", "1", false),
            (ROLES, "client", true),
            (ROLES, "client,orderer", false),
            (REGISTRAR_ATTRIBUTES, "carecord.ward", true),
            (REGISTRAR_ATTRIBUTES, "hf.Revoker", false),
            (REGISTRAR_ATTRIBUTES, "*", false),
        ] {
            let asked = [Attribute::new(name, value)];
            let answer = check_attributes(&registrar, &asked, None);
            assert_eq!(answer.is_ok(), expected, "{name}={value}: {answer:?}");
        }
        let both = [Attribute::new(ROLES, "peer"), Attribute::new(DELEGATE_ROLES, "client")];
        assert!(check_attributes(&registrar, &both, None).is_err());
    }
}
