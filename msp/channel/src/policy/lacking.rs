//! Which organisations' signatures a policy still lacks, for the text of an error; never for a verdict.

use std::collections::BTreeSet;

use super::{Policy, plan};

/// Rules of a policy up to which the ways to satisfy it are worked out.
const MAX_RULES: usize = 32;
/// Ways that are told at most.
const MAX_WAYS: usize = 8;

/// The smallest sets of organisations of which one would have to sign as well, `signed` having signed.
///
/// Empty if no organisation is missing, so that the signers were of the wrong role, or if the policy is too large to say.
pub fn lacking_orgs(policy: &Policy, signed: &BTreeSet<String>) -> Vec<BTreeSet<String>> {
    if rules(policy) > MAX_RULES {
        return Vec::new();
    }
    let ways = plan::satisfying_orgs(policy).into_iter();
    let mut lacking: Vec<BTreeSet<String>> = ways.map(|way| &way - signed).collect();
    lacking.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    lacking.dedup();
    let fewest = lacking.first().map_or(0, BTreeSet::len);
    lacking.retain(|way| way.len() == fewest && fewest > 0);
    lacking.truncate(MAX_WAYS);
    lacking
}

/// How many leaves and gates a policy has.
fn rules(policy: &Policy) -> usize {
    match policy {
        Policy::Reject(_) => 1,
        Policy::Signature(policy) => {
            policy.fold(&|_| 1, &|_, parts: Vec<usize>| 1 + parts.iter().sum::<usize>())
        }
        Policy::ImplicitMeta(policy) => {
            1 + policy.parts().iter().map(|part| rules(part)).sum::<usize>()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::dsl;

    fn check(text: &str, signed: &str, expected: &str) {
        let policy = Policy::signature(dsl::parse(text).expect(text)).expect(text);
        let signed = signed.split_whitespace().map(str::to_owned).collect();
        let ways = lacking_orgs(&policy, &signed).into_iter();
        let ways: Vec<_> = ways.map(|way| way.into_iter().collect::<Vec<_>>().join("+")).collect();
        assert_eq!(ways.join(" "), expected, "{text} signed by {signed:?}");
    }

    #[test]
    fn the_smallest_sets_that_are_missing_are_told() {
        check("AND('A.peer', 'B.peer')", "A", "B");
        check("AND('A.peer', 'B.peer')", "", "A+B");
        check("OutOf(2, 'A.peer', 'B.peer', 'C.peer')", "A", "B C");
        check("OR('A.peer', AND('B.peer', 'C.peer'))", "B", "A C");
        check("OR('A.peer', AND('B.peer', 'C.peer'))", "X", "A");
    }

    #[test]
    fn who_signed_in_the_wrong_role_lacks_no_organisation() {
        check("AND('A.peer', 'B.peer')", "A B", "");
    }

    #[test]
    fn a_policy_of_many_rules_is_not_worked_out() {
        let names: Vec<_> = (0..MAX_RULES).map(|n| format!("'Org{n}.peer'")).collect();
        check(&format!("OutOf(16, {})", names.join(", ")), "Org1", "");
    }
}
