//! Signature policies: who of the signers must be which principal, and how many of them.
//!
//! Place in the flow: [`super::Policies`] compiles those of a configuration, the ledger those of chaincodes and keys.
//! The evaluation is greedy and depends on the order of rules and signers, exactly as on every other peer of the
//! channel: a better matcher would accept what they refuse, and fork the ledger.

use carecord_msp::Identity;
use carecord_proto::common::signature_policy::Type;
use carecord_proto::common::{MspPrincipal, SignaturePolicy as Rule, SignaturePolicyEnvelope};
use prost::Message;
use std::sync::Arc;

use super::{CompileError, PolicyError};

/// How deep rules may be nested. The wire format itself ends near 48, see `config::limits`.
pub const MAX_POLICY_DEPTH: usize = 32;
/// How many rules, gates and leaves together, one policy may have.
pub const MAX_POLICY_RULES: usize = 10_000;

/// A compiled signature policy, ready to be asked about a set of identities.
#[derive(Debug, Clone)]
pub struct SignaturePolicy {
    root: Node,
    envelope: SignaturePolicyEnvelope,
}

#[derive(Debug, Clone)]
enum Node {
    SignedBy(usize),
    NOutOf { n: i32, rules: Vec<Node> },
}

// === impl SignaturePolicy ===

impl SignaturePolicy {
    /// Compiles the value of a configuration policy; only format version 0 is understood.
    pub fn from_config(value: &[u8]) -> Result<Self, CompileError> {
        let envelope = SignaturePolicyEnvelope::decode(value).map_err(CompileError::Signature)?;
        if envelope.version != 0 {
            return Err(CompileError::Version(envelope.version));
        }
        Self::compile(envelope)
    }

    /// Compiles the policy of a chaincode, a collection or a key; its version is not looked at.
    pub fn compile(envelope: SignaturePolicyEnvelope) -> Result<Self, CompileError> {
        let mut budget = MAX_POLICY_RULES;
        let principals = envelope.identities.len();
        let root = compile(envelope.rule.as_ref(), principals, MAX_POLICY_DEPTH, &mut budget)?;
        Ok(Self { root, envelope })
    }

    /// The message it was compiled from, to pass on or to show.
    pub fn envelope(&self) -> &SignaturePolicyEnvelope {
        &self.envelope
    }

    /// The principals that its leaves name, by position.
    pub fn principals(&self) -> &[MspPrincipal] {
        &self.envelope.identities
    }

    /// Whether `identities`, distinct and with good signatures, satisfy it.
    pub fn evaluate(&self, identities: &[Arc<Identity>]) -> Result<(), PolicyError> {
        let principals = &self.envelope.identities;
        let satisfied =
            |who: usize, which: usize| identities[who].satisfies(&principals[which]).is_ok();
        if self.satisfied_by(identities.len(), &satisfied) {
            Ok(())
        } else {
            Err(PolicyError::NotSatisfied)
        }
    }

    /// The bare evaluation: `signers` numbered signers and who of them is which principal.
    pub(crate) fn satisfied_by(&self, signers: usize, is: &dyn Fn(usize, usize) -> bool) -> bool {
        self.root.evaluate(&mut vec![false; signers], is)
    }

    /// Folds the rules from the leaves up, for planning: `leaf` by principal, `gate` by n and parts.
    pub(crate) fn fold<T>(
        &self,
        leaf: &dyn Fn(&MspPrincipal) -> T,
        gate: &dyn Fn(i32, Vec<T>) -> T,
    ) -> T {
        self.root.fold(&|which| leaf(&self.envelope.identities[which]), gate)
    }
}

fn compile(
    rule: Option<&Rule>,
    principals: usize,
    depth: usize,
    budget: &mut usize,
) -> Result<Node, CompileError> {
    let rule = rule.ok_or(CompileError::EmptyElement)?;
    *budget = budget.checked_sub(1).ok_or(CompileError::TooManyRules)?;
    match &rule.r#type {
        Some(Type::SignedBy(index)) => match usize::try_from(*index) {
            Ok(which) if which < principals => Ok(Node::SignedBy(which)),
            _ => Err(CompileError::PrincipalIndex { index: *index, principals }),
        },
        Some(Type::NOutOf(gate)) => {
            let depth = depth.checked_sub(1).ok_or(CompileError::TooDeep)?;
            let rules = gate.rules.iter();
            let rules = rules.map(|rule| compile(Some(rule), principals, depth, budget));
            Ok(Node::NOutOf { n: gate.n, rules: rules.collect::<Result<_, _>>()? })
        }
        None => Err(CompileError::UnknownType),
    }
}

// === impl Node ===

impl Node {
    /// Whether the rule holds. Marks in `used` the signers it took; after `false` those marks mean nothing.
    ///
    /// A gate looks at all its rules, also when enough of them hold already: each rule that holds keeps the signers
    /// it took, one that fails gives them back. A leaf takes the first signer that is still free and fits.
    fn evaluate(&self, used: &mut [bool], is: &dyn Fn(usize, usize) -> bool) -> bool {
        match self {
            Self::SignedBy(which) => {
                let free = (0..used.len()).find(|&who| !used[who] && is(who, *which));
                if let Some(who) = free {
                    used[who] = true;
                }
                free.is_some()
            }
            Self::NOutOf { n, rules } => {
                let mut held: i32 = 0;
                let mut attempt = used.to_vec();
                for rule in rules {
                    attempt.copy_from_slice(used);
                    if rule.evaluate(&mut attempt, is) {
                        held += 1;
                        used.copy_from_slice(&attempt);
                    }
                }
                held >= *n
            }
        }
    }

    fn fold<T>(&self, leaf: &dyn Fn(usize) -> T, gate: &dyn Fn(i32, Vec<T>) -> T) -> T {
        match self {
            Self::SignedBy(which) => leaf(*which),
            Self::NOutOf { n, rules } => {
                gate(*n, rules.iter().map(|rule| rule.fold(leaf, gate)).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::dsl;

    /// `signers` holds, per signer, the principals it is: "0", "01", …
    fn check(rule: &str, signers: &[&str], expected: bool) {
        let policy = SignaturePolicy::compile(dsl::parse(rule).expect(rule)).expect(rule);
        let is = |who: usize, which: usize| signers[who].contains(&which.to_string());
        assert_eq!(policy.satisfied_by(signers.len(), &is), expected, "{rule} by {signers:?}");
    }

    fn leaf(index: i32) -> Rule {
        Rule { r#type: Some(Type::SignedBy(index)) }
    }

    fn gate(n: i32, rules: Vec<Rule>) -> Rule {
        let gate = carecord_proto::common::signature_policy::NOutOf { n, rules };
        Rule { r#type: Some(Type::NOutOf(gate)) }
    }

    fn envelope(rule: Rule, principals: usize) -> SignaturePolicyEnvelope {
        let identities = vec![MspPrincipal::default(); principals];
        SignaturePolicyEnvelope { version: 0, rule: Some(rule), identities }
    }

    #[test]
    fn a_signer_counts_once() {
        check("AND('A.member', 'A.peer')", &["01"], false);
        check("AND('A.member', 'A.peer')", &["01", "01"], true);
    }

    #[test]
    fn the_first_fitting_signer_is_taken_even_if_a_later_leaf_needed_it() {
        check("AND('A.member', 'A.peer')", &["01", "0"], false);
        check("AND('A.member', 'A.peer')", &["0", "01"], true);
    }

    #[test]
    fn a_failing_rule_gives_its_signers_back() {
        check("OutOf(1, AND('A.peer', 'B.peer'), 'A.peer')", &["02"], true);
    }

    #[test]
    fn a_gate_that_holds_keeps_all_it_took() {
        check("AND(OutOf(1, 'A.peer', 'A.peer'), 'A.peer')", &["012", "012"], false);
    }

    #[test]
    fn none_of_nothing_holds_and_more_than_there_are_never() {
        let none = SignaturePolicy::compile(envelope(gate(0, vec![]), 0)).expect("compiles");
        assert!(none.satisfied_by(0, &|_, _| false));
        let negative =
            SignaturePolicy::compile(envelope(gate(-1, vec![leaf(0)]), 1)).expect("compiles");
        assert!(negative.satisfied_by(0, &|_, _| false));
        let many = SignaturePolicy::compile(envelope(gate(2, vec![leaf(0)]), 1)).expect("compiles");
        assert!(!many.satisfied_by(5, &|_, _| true));
    }

    #[test]
    fn an_index_out_of_range_is_refused_even_in_a_branch_that_nobody_needs() {
        let rule = gate(1, vec![leaf(0), gate(0, vec![leaf(7)])]);
        let error = SignaturePolicy::compile(envelope(rule, 1)).expect_err("index 7");
        assert_eq!(
            error.to_string(),
            "identity index out of range, requested 7, but identities length is 1"
        );
    }

    #[test]
    fn rules_nested_deeper_than_the_limit_are_refused() {
        let nested = |depth: usize| (0..depth).fold(leaf(0), |rule, _| gate(1, vec![rule]));
        assert!(SignaturePolicy::compile(envelope(nested(MAX_POLICY_DEPTH), 1)).is_ok());
        let error = SignaturePolicy::compile(envelope(nested(MAX_POLICY_DEPTH + 1), 1));
        assert!(matches!(error, Err(CompileError::TooDeep)));
    }

    #[test]
    fn more_rules_than_the_limit_are_refused() {
        let wide = |rules: usize| gate(1, vec![leaf(0); rules]);
        assert!(SignaturePolicy::compile(envelope(wide(MAX_POLICY_RULES - 1), 1)).is_ok());
        let error = SignaturePolicy::compile(envelope(wide(MAX_POLICY_RULES), 1));
        assert!(matches!(error, Err(CompileError::TooManyRules)));
    }
}
