//! Implicit meta policies: "any / all / most of the sub-groups' policies of this name".

use carecord_msp::Identity;
use carecord_proto::common::ImplicitMetaPolicy as Definition;
use carecord_proto::common::implicit_meta_policy::Rule;
use std::sync::Arc;

use super::{Policy, PolicyError};

/// How many of the sub-groups' policies must hold.
#[derive(Debug, Clone)]
pub struct ImplicitMeta {
    threshold: usize,
    sub_policy: String,
    parts: Vec<Arc<Policy>>,
}

// === impl ImplicitMeta ===

impl ImplicitMeta {
    /// Binds a definition to the policies that the sub-groups have under its name, the missing ones as rejections.
    pub(crate) fn new(definition: Definition, parts: Vec<Arc<Policy>>) -> Self {
        let threshold = match Rule::try_from(definition.rule) {
            _ if parts.is_empty() => 0,
            Ok(Rule::Any) => 1,
            Ok(Rule::All) => parts.len(),
            Ok(Rule::Majority) => parts.len() / 2 + 1,
            // Fabric leaves its counter at zero: such a policy holds as long as *no* part does.
            Err(_) => 0,
        };
        Self { threshold, sub_policy: definition.sub_policy, parts }
    }

    /// How many of [`Self::parts`] must hold.
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// The policies of the sub-groups.
    pub fn parts(&self) -> &[Arc<Policy>] {
        &self.parts
    }

    /// Whether `identities`, distinct and with good signatures, satisfy enough parts; each part sees all of them.
    pub fn evaluate(&self, identities: &[Arc<Identity>]) -> Result<(), PolicyError> {
        let mut satisfied = 0;
        for part in &self.parts {
            if part.evaluate(identities).is_ok() {
                satisfied += 1;
                if satisfied == self.threshold {
                    return Ok(());
                }
            }
        }
        if satisfied == self.threshold {
            return Ok(());
        }
        Err(PolicyError::SubPolicies {
            satisfied,
            required: self.threshold,
            name: self.sub_policy.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carecord_proto::common::{SignaturePolicyEnvelope, signature_policy};

    /// A part that holds without any signer, or never.
    fn part(holds: bool) -> Arc<Policy> {
        let gate = signature_policy::NOutOf { n: i32::from(!holds), rules: vec![] };
        let rule = carecord_proto::common::SignaturePolicy {
            r#type: Some(signature_policy::Type::NOutOf(gate)),
        };
        let envelope = SignaturePolicyEnvelope { rule: Some(rule), ..Default::default() };
        Arc::new(Policy::signature(envelope).expect("compiles"))
    }

    fn check(rule: i32, parts: &[bool], expected: bool) {
        let definition = Definition { sub_policy: "X".into(), rule };
        let parts_bound = parts.iter().map(|holds| part(*holds)).collect();
        let held = ImplicitMeta::new(definition, parts_bound).evaluate(&[]).is_ok();
        assert_eq!(held, expected, "rule {rule} over {parts:?}");
    }

    #[test]
    fn any_needs_one() {
        check(0, &[false, true, false], true);
        check(0, &[false, false], false);
    }

    #[test]
    fn all_needs_every_one() {
        check(1, &[true, true], true);
        check(1, &[true, false], false);
    }

    #[test]
    fn a_majority_is_more_than_half() {
        check(2, &[true, false], false);
        check(2, &[true, true, false], true);
        check(2, &[true, true, false, false], false);
    }

    #[test]
    fn without_sub_groups_every_rule_holds() {
        for rule in [0, 1, 2, 9] {
            check(rule, &[], true);
        }
    }

    #[test]
    fn an_unknown_rule_holds_only_while_no_part_does() {
        check(9, &[false, false], true);
        check(9, &[false, true], false);
    }
}
