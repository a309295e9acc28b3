//! A configuration laid flat: every group, value and policy under its full name.

use carecord_proto::common::{ConfigGroup, ConfigPolicy, ConfigValue};
use std::collections::BTreeMap;

use super::names::{ElementError, check_key};
use crate::bundle::ROOT;

const GROUP: &str = "[Group]  ";
const VALUE: &str = "[Value]  ";
const POLICY: &str = "[Policy] ";

/// Whether the ordering service has capabilities; since then an empty `mod_policy` is mended.
const ORDERER_CAPABILITIES: &str = "[Value]  /Channel/Orderer/Capabilities";
/// What an empty `mod_policy` is mended to.
const MENDED_MOD_POLICY: &str = "Admins";

/// Elements by full name, such as `[Value]  /Channel/Orderer/BatchSize`.
pub(crate) type Elements<'a> = BTreeMap<String, Element<'a>>;

/// One group, value or policy, without what is below it.
#[derive(Debug, Clone)]
pub(crate) struct Element<'a> {
    pub(crate) content: Content<'a>,
    /// The groups, from the one below the root, in which its `mod_policy` is looked up.
    pub(crate) home: Vec<&'a str>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Content<'a> {
    Group(&'a ConfigGroup),
    Value(&'a ConfigValue),
    Policy(&'a ConfigPolicy),
}

// === impl Element ===

impl<'a> Element<'a> {
    pub(crate) fn version(&self) -> u64 {
        match self.content {
            Content::Group(group) => group.version,
            Content::Value(value) => value.version,
            Content::Policy(policy) => policy.version,
        }
    }

    pub(crate) fn mod_policy(&self) -> &'a str {
        match self.content {
            Content::Group(group) => &group.mod_policy,
            Content::Value(value) => &value.mod_policy,
            Content::Policy(policy) => &policy.mod_policy,
        }
    }
}

/// Lays a tree flat; refuses keys that are not allowed.
pub(crate) fn flatten(root: Option<&ConfigGroup>) -> Result<Elements<'_>, ElementError> {
    let mut elements = Elements::new();
    if let Some(root) = root {
        walk(root, &format!("/{ROOT}"), &mut Vec::new(), &mut elements)?;
    }
    Ok(elements)
}

fn walk<'a>(
    group: &'a ConfigGroup,
    path: &str,
    home: &mut Vec<&'a str>,
    elements: &mut Elements<'a>,
) -> Result<(), ElementError> {
    let check = |kind, key: &str| check_key(key).map_err(|reason| ElementError { kind, reason });
    let element = |content, home: &[&'a str]| Element { content, home: home.to_vec() };
    elements.insert(format!("{GROUP}{path}"), element(Content::Group(group), home));
    for (key, value) in &group.values {
        check(VALUE, key)?;
        elements.insert(format!("{VALUE}{path}/{key}"), element(Content::Value(value), home));
    }
    for (key, policy) in &group.policies {
        check(POLICY, key)?;
        elements.insert(format!("{POLICY}{path}/{key}"), element(Content::Policy(policy), home));
    }
    for (key, group) in &group.groups {
        check(GROUP, key)?;
        home.push(key);
        walk(group, &format!("{path}/{key}"), home, elements)?;
        home.pop();
    }
    Ok(())
}

/// Builds the tree again, from the root down along the groups' own lists; what no group lists is left out.
///
/// On an element that is listed but missing: its name.
pub(crate) fn assemble(elements: &Elements<'_>) -> Result<ConfigGroup, String> {
    let mend = elements.contains_key(ORDERER_CAPABILITIES);
    gather(&format!("/{ROOT}"), elements, mend)
}

fn gather(path: &str, elements: &Elements<'_>, mend: bool) -> Result<ConfigGroup, String> {
    let find = |kind: &str, path: &str| {
        let name = format!("{kind}{path}");
        elements.get(&name).map(|element| element.content).ok_or(name)
    };
    let mod_policy = |given: &str| match given {
        "" if mend => MENDED_MOD_POLICY.to_owned(),
        given => given.to_owned(),
    };
    let Content::Group(listed) = find(GROUP, path)? else { return Err(path.to_owned()) };
    let mut group = ConfigGroup {
        version: listed.version,
        mod_policy: mod_policy(&listed.mod_policy),
        ..Default::default()
    };
    for key in listed.groups.keys() {
        group.groups.insert(key.clone(), gather(&format!("{path}/{key}"), elements, mend)?);
    }
    for key in listed.values.keys() {
        if let Content::Value(value) = find(VALUE, &format!("{path}/{key}"))? {
            let value = ConfigValue { mod_policy: mod_policy(&value.mod_policy), ..value.clone() };
            group.values.insert(key.clone(), value);
        }
    }
    for key in listed.policies.keys() {
        if let Content::Policy(policy) = find(POLICY, &format!("{path}/{key}"))? {
            let policy =
                ConfigPolicy { mod_policy: mod_policy(&policy.mod_policy), ..policy.clone() };
            group.policies.insert(key.clone(), policy);
        }
    }
    Ok(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> ConfigGroup {
        let mut inner = ConfigGroup { version: 3, ..Default::default() };
        inner.values.insert("MSP".into(), Default::default());
        let mut root = ConfigGroup::default();
        root.policies.insert("Admins".into(), Default::default());
        root.groups.insert("Application".into(), inner);
        root
    }

    #[test]
    fn elements_have_their_full_names_and_the_tree_comes_back() {
        let tree = tree();
        let elements = flatten(Some(&tree)).expect("legal keys");
        let names: Vec<_> = elements.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "[Group]  /Channel",
                "[Group]  /Channel/Application",
                "[Policy] /Channel/Admins",
                "[Value]  /Channel/Application/MSP",
            ]
        );
        assert_eq!(assemble(&elements), Ok(tree.clone()));
    }

    #[test]
    fn a_bad_key_anywhere_is_found() {
        let mut tree = tree();
        let inner = tree.groups.get_mut("Application").expect("there");
        inner.values.insert("a_b".into(), Default::default());
        assert_eq!(
            flatten(Some(&tree)).expect_err("underscore").to_string(),
            "illegal characters in key: [Value]  : config ID 'a_b' contains illegal characters"
        );
    }

    #[test]
    fn an_empty_mod_policy_is_mended_once_orderers_have_capabilities() {
        let mut tree = tree();
        let mut orderer = ConfigGroup::default();
        orderer.values.insert("Capabilities".into(), Default::default());
        tree.groups.insert("Orderer".into(), orderer);
        let mended = assemble(&flatten(Some(&tree)).expect("legal keys")).expect("complete");
        assert_eq!(mended.mod_policy, "Admins");
        assert_eq!(mended.policies["Admins"].mod_policy, "Admins");
        assert_eq!(mended.groups["Application"].values["MSP"].mod_policy, "Admins");
    }
}
