//! The policies of a configuration by path, as the groups of the configuration are nested.

use carecord_proto::common::policy::PolicyType;
use carecord_proto::common::{ConfigGroup, ConfigPolicy, ImplicitMetaPolicy};
use prost::Message;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{CompileError, ImplicitMeta, Policy, SignaturePolicy};

/// What separates the names of a path.
const SEPARATOR: char = '/';

/// The policies of one group and, through its sub-groups, of everything below.
#[derive(Debug)]
pub struct Policies {
    path: String,
    policies: BTreeMap<String, Arc<Policy>>,
    groups: BTreeMap<String, Policies>,
}

/// Why the policies of a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyConfigError {
    /// An entry without a policy.
    #[error("policy {name} at path {path} was nil")]
    Missing {
        /// The policy's name.
        name: String,
        /// The group it stands in.
        path: String,
    },
    /// A type that nobody knows.
    #[error("policy {name} at path {path} has unknown policy type: {kind}")]
    UnknownType {
        /// The policy's name.
        name: String,
        /// The group it stands in.
        path: String,
        /// The number given.
        kind: i32,
    },
    /// A message that is not a policy.
    #[error("{}policy {name} at path {path} did not compile: {source}", if *.implicit { "implicit " } else { "" })]
    Compile {
        /// Whether it is an implicit meta policy.
        implicit: bool,
        /// The policy's name.
        name: String,
        /// The group it stands in.
        path: String,
        /// What is wrong with it.
        source: CompileError,
    },
}

// === impl Policies ===

impl Policies {
    /// Compiles all policies of `group`, which stands at `path` (without leading separator).
    pub fn compile(path: &str, group: &ConfigGroup) -> Result<Self, PolicyConfigError> {
        let mut groups = BTreeMap::new();
        for (name, group) in &group.groups {
            let path = format!("{path}{SEPARATOR}{name}");
            groups.insert(name.clone(), Self::compile(&path, group)?);
        }
        let mut policies = BTreeMap::new();
        for (name, entry) in &group.policies {
            policies.insert(name.clone(), Arc::new(compile(path, name, entry, &groups)?));
        }
        for (name, group) in &groups {
            for (below, policy) in &group.policies {
                policies.insert(format!("{name}{SEPARATOR}{below}"), Arc::clone(policy));
            }
        }
        Ok(Self { path: path.to_owned(), policies, groups })
    }

    /// The policy called `id`: absolute from the channel's root, or relative to this group; else one that rejects.
    pub fn get(&self, id: &str) -> Arc<Policy> {
        let Some(absolute) = id.strip_prefix(SEPARATOR) else {
            return self.relative(id);
        };
        // Of what follows this group's path, Fabric drops one character without looking whether it is a separator.
        match absolute.strip_prefix(&self.path) {
            Some(rest) => {
                let mut rest = rest.chars();
                rest.next();
                self.relative(rest.as_str())
            }
            None => Arc::new(Policy::Reject(id.to_owned())),
        }
    }

    /// The policies of the sub-group at `path`, if there is one.
    pub fn group<S: AsRef<str>>(&self, path: &[S]) -> Option<&Self> {
        path.iter().try_fold(self, |at, name| at.groups.get(name.as_ref()))
    }

    fn relative(&self, id: &str) -> Arc<Policy> {
        match self.policies.get(id) {
            Some(policy) => Arc::clone(policy),
            None => Arc::new(Policy::Reject(id.to_owned())),
        }
    }
}

fn compile(
    path: &str,
    name: &str,
    entry: &ConfigPolicy,
    groups: &BTreeMap<String, Policies>,
) -> Result<Policy, PolicyConfigError> {
    let at = || (name.to_owned(), path.to_owned());
    let Some(policy) = &entry.policy else {
        let (name, path) = at();
        return Err(PolicyConfigError::Missing { name, path });
    };
    let kind = PolicyType::try_from(policy.r#type);
    let implicit = kind == Ok(PolicyType::ImplicitMeta);
    let compiled = match kind {
        Ok(PolicyType::ImplicitMeta) => implicit_meta(&policy.value, groups),
        Ok(PolicyType::Signature) => {
            SignaturePolicy::from_config(&policy.value).map(Policy::Signature)
        }
        _ => {
            let (name, path) = at();
            return Err(PolicyConfigError::UnknownType { name, path, kind: policy.r#type });
        }
    };
    compiled.map_err(|source| {
        let (name, path) = at();
        PolicyConfigError::Compile { implicit, name, path, source }
    })
}

fn implicit_meta(
    value: &[u8],
    groups: &BTreeMap<String, Policies>,
) -> Result<Policy, CompileError> {
    let definition = ImplicitMetaPolicy::decode(value).map_err(CompileError::ImplicitMeta)?;
    let parts = groups.values().map(|group| group.get(&definition.sub_policy)).collect();
    Ok(Policy::ImplicitMeta(ImplicitMeta::new(definition, parts)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genesis::{any, implicit_meta_policy};

    fn group(
        policies: &[(&str, carecord_proto::common::Policy)],
        groups: Vec<(&str, ConfigGroup)>,
    ) -> ConfigGroup {
        let entry = |policy: &carecord_proto::common::Policy| ConfigPolicy {
            policy: Some(policy.clone()),
            ..Default::default()
        };
        ConfigGroup {
            policies: policies.iter().map(|(name, p)| ((*name).into(), entry(p))).collect(),
            groups: groups.into_iter().map(|(name, group)| (name.into(), group)).collect(),
            ..Default::default()
        }
    }

    fn tree() -> Policies {
        let leaf = group(&[("Readers", any("Nobody"))], vec![]);
        let application = group(&[("Readers", any("Readers"))], vec![("org1", leaf)]);
        let root = group(&[("Readers", any("Readers"))], vec![("Application", application)]);
        Policies::compile("Channel", &root).expect("compiles")
    }

    fn check(tree: &Policies, path: &str, found: bool) {
        assert_eq!(!tree.get(path).is_reject(), found, "{path}");
    }

    #[test]
    fn paths_are_absolute_or_relative_to_the_group() {
        let tree = tree();
        check(&tree, "/Channel/Readers", true);
        check(&tree, "Readers", true);
        check(&tree, "/Channel/Application/org1/Readers", true);
        check(&tree, "Application/org1/Readers", true);
        let application = tree.group(&["Application"]).expect("group");
        check(application, "org1/Readers", true);
        check(application, "/Channel/Application/org1/Readers", true);
        check(application, "/Channel/Readers", false);
    }

    #[test]
    fn what_does_not_exist_rejects() {
        let tree = tree();
        for path in ["", "/", "/Chan", "/Channel", "/Channel/", "/Channel/Nope", "Nope", "/Other/X"]
        {
            check(&tree, path, false);
        }
        assert!(tree.group(&["Application", "org2"]).is_none());
    }

    #[test]
    fn a_policy_of_unknown_type_is_refused() {
        let policy = carecord_proto::common::Policy { r#type: 2, ..any("X") };
        let error = Policies::compile("Channel", &group(&[("X", policy)], vec![]));
        assert_eq!(
            error.expect_err("type 2").to_string(),
            "policy X at path Channel has unknown policy type: 2"
        );
    }

    #[test]
    fn an_unreadable_implicit_policy_is_refused() {
        let policy = implicit_meta_policy("X", 0);
        let policy = carecord_proto::common::Policy { value: vec![0xff].into(), ..policy };
        let error = Policies::compile("Channel", &group(&[("X", policy)], vec![]));
        let text = error.expect_err("not a message").to_string();
        assert!(text.starts_with("implicit policy X at path Channel did not compile: "), "{text}");
    }
}
