//! Whose endorsements to ask for, so that a policy will be satisfied.
//!
//! Place in the flow: the gateway plans before it asks; what decides in the end is [`Policy::evaluate`]. Planning
//! looks at organisations only: a leaf counts as satisfiable by its organisation, whichever role it names.

use carecord_proto::common::msp_principal::Classification;
use carecord_proto::common::{CombinedPrincipal, MspPrincipal, MspRole, OrganizationUnit};
use carecord_proto::msp::SerializedIdentity;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};

use super::Policy;

/// How many alternatives are kept while planning; beyond, the smallest are. [`choose`] has no such limit.
pub const MAX_LAYOUTS: usize = 512;

/// How many different signers of which organisation.
pub type Layout = BTreeMap<String, usize>;

/// The smallest sets of organisations that can satisfy `policy`; empty if none can.
pub fn satisfying_orgs(policy: &Policy) -> Vec<BTreeSet<String>> {
    let sets = layouts(policy).into_iter().map(|layout| layout.into_keys().collect());
    let mut sets: Vec<BTreeSet<String>> = sets.collect();
    sets.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    sets.dedup();
    let mut minimal: Vec<BTreeSet<String>> = Vec::new();
    for set in sets {
        if !minimal.iter().any(|smaller| smaller.is_subset(&set)) {
            minimal.push(set);
        }
    }
    minimal
}

/// The minimal ways to satisfy `policy`, smallest first.
pub fn layouts(policy: &Policy) -> Vec<Layout> {
    match policy {
        Policy::Reject(_) => Vec::new(),
        Policy::Signature(policy) => policy
            .fold(&of_principal, &|n, parts| combine(usize::try_from(n).unwrap_or(0), &parts, sum)),
        Policy::ImplicitMeta(policy) => {
            let parts: Vec<_> = policy.parts().iter().map(|part| layouts(part)).collect();
            // Every part sees all signers, so what satisfies one part may also serve another.
            combine(policy.threshold(), &parts, union)
        }
    }
}

/// Chooses among `candidates`, best first, few of them that still satisfy `ok`, by their positions.
///
/// `ok` is asked about sets of positions: typically [`Policy::evaluate`] over the peers that can be reached. Whoever is
/// not needed is left out, the least preferred first; none if even all of them are not enough.
pub fn choose(candidates: usize, ok: impl Fn(&[usize]) -> bool) -> Option<Vec<usize>> {
    let mut chosen: Vec<usize> = (0..candidates).collect();
    if !ok(&chosen) {
        return None;
    }
    for candidate in (0..candidates).rev() {
        let without: Vec<_> = chosen.iter().copied().filter(|who| *who != candidate).collect();
        if ok(&without) {
            chosen = without;
        }
    }
    Some(chosen)
}

fn of_principal(principal: &MspPrincipal) -> Vec<Layout> {
    match organisation(principal) {
        Some(msp_id) => vec![Layout::from([(msp_id, 1)])],
        None => Vec::new(),
    }
}

/// The organisation that a principal's holder must belong to, if there is one.
fn organisation(principal: &MspPrincipal) -> Option<String> {
    let value = principal.principal.clone();
    match principal.principal_classification() {
        Classification::Role => MspRole::decode(value).ok().map(|role| role.msp_identifier),
        Classification::OrganizationUnit => {
            OrganizationUnit::decode(value).ok().map(|unit| unit.msp_identifier)
        }
        Classification::Identity => SerializedIdentity::decode(value).ok().map(|id| id.mspid),
        Classification::Combined => {
            let parts = CombinedPrincipal::decode(value).ok()?.principals;
            let organisations: Option<BTreeSet<_>> = parts.iter().map(organisation).collect();
            let mut organisations = organisations?.into_iter();
            organisations.next().filter(|_| organisations.next().is_none())
        }
        Classification::Anonymity => None,
    }
}

/// The minimal layouts in which at least `n` of `parts` hold.
fn combine(n: usize, parts: &[Vec<Layout>], join: fn(&Layout, &Layout) -> Layout) -> Vec<Layout> {
    if n > parts.len() {
        return Vec::new();
    }
    // by_count[k]: ways to make k of the parts seen so far hold
    let mut by_count: Vec<Vec<Layout>> = vec![Vec::new(); n + 1];
    by_count[0].push(Layout::new());
    for part in parts {
        for count in (1..=n).rev() {
            let mut ways = std::mem::take(&mut by_count[count]);
            for before in &by_count[count - 1] {
                ways.extend(part.iter().map(|layout| join(before, layout)));
            }
            by_count[count] = minimal(ways);
        }
    }
    by_count.pop().unwrap_or_default()
}

fn sum(a: &Layout, b: &Layout) -> Layout {
    let mut joined = a.clone();
    for (msp_id, count) in b {
        *joined.entry(msp_id.clone()).or_default() += count;
    }
    joined
}

fn union(a: &Layout, b: &Layout) -> Layout {
    let mut joined = a.clone();
    for (msp_id, count) in b {
        let entry = joined.entry(msp_id.clone()).or_default();
        *entry = (*entry).max(*count);
    }
    joined
}

/// Drops what another layout covers, smallest first, and no more than [`MAX_LAYOUTS`].
fn minimal(mut layouts: Vec<Layout>) -> Vec<Layout> {
    layouts.sort_by(|a, b| size(a).cmp(&size(b)).then_with(|| a.cmp(b)));
    layouts.dedup();
    let mut kept: Vec<Layout> = Vec::new();
    for layout in layouts {
        if kept.len() == MAX_LAYOUTS {
            break;
        }
        // one of the same size can only cover its equal
        let mut smaller = kept.iter().take_while(|other| size(other) < size(&layout));
        if !smaller.any(|smaller| covers(&layout, smaller)) {
            kept.push(layout);
        }
    }
    kept
}

fn size(layout: &Layout) -> usize {
    layout.values().sum()
}

fn covers(larger: &Layout, smaller: &Layout) -> bool {
    smaller.iter().all(|(msp_id, count)| larger.get(msp_id).is_some_and(|has| has >= count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{ImplicitMeta, dsl};
    use carecord_proto::common::ImplicitMetaPolicy;
    use std::sync::Arc;

    fn policy(text: &str) -> Policy {
        Policy::signature(dsl::parse(text).expect(text)).expect(text)
    }

    fn show(policy: &Policy) -> String {
        let sets = satisfying_orgs(policy).into_iter();
        let sets: Vec<_> = sets.map(|set| set.into_iter().collect::<Vec<_>>().join("+")).collect();
        sets.join(" ")
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(show(&policy(text)), expected, "{text}");
    }

    #[test]
    fn gates_give_the_minimal_sets_of_organisations() {
        check("AND('A.peer', 'B.peer')", "A+B");
        check("OR('A.peer', 'B.peer')", "A B");
        check("OutOf(2, 'A.peer', 'B.peer', 'C.peer')", "A+B A+C B+C");
        check("OR('A.peer', AND('A.peer', 'B.peer'))", "A");
        check("AND('A.peer', OR('B.peer', 'C.peer'))", "A+B A+C");
        check("OutOf(2, 'A.peer')", "");
    }

    #[test]
    fn an_organisation_named_twice_needs_two_signers() {
        let layouts = layouts(&policy("AND('A.peer', 'A.peer', 'B.peer')"));
        assert_eq!(layouts, [Layout::from([("A".into(), 2), ("B".into(), 1)])]);
    }

    #[test]
    fn implicit_policies_combine_those_of_the_sub_groups() {
        let parts = ["OR('A.peer')", "OR('B.peer')", "OR('C.peer')"];
        let parts = parts.iter().map(|text| Arc::new(policy(text))).collect();
        let majority = ImplicitMetaPolicy { sub_policy: "Endorsement".into(), rule: 2 };
        let policy = Policy::ImplicitMeta(ImplicitMeta::new(majority, parts));
        assert_eq!(show(&policy), "A+B A+C B+C");
    }

    #[test]
    fn a_missing_policy_can_not_be_satisfied() {
        assert!(satisfying_orgs(&Policy::Reject("X".into())).is_empty());
    }

    #[test]
    fn planning_stays_bounded_for_many_organisations() {
        let names: Vec<_> = (0..24).map(|n| format!("'Org{n}.peer'")).collect();
        let many = policy(&format!("OutOf(13, {})", names.join(", ")));
        assert_eq!(layouts(&many).len(), MAX_LAYOUTS);
    }

    #[test]
    fn choosing_drops_the_least_preferred_first() {
        let both = |who: &[usize]| who.contains(&1) && who.len() >= 2;
        assert_eq!(choose(4, both), Some(vec![0, 1]));
        assert_eq!(choose(1, both), None);
    }
}
