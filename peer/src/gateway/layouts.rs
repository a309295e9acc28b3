//! Which organisations must endorse what a simulation has touched.

use std::{collections::BTreeMap, sync::Arc};

use carecord_channel::{
    Bundle,
    policy::{self, Policy, from_application_policy},
};
use carecord_ledger::{Definition, Ledger, definition::implicit_collection_msp_id};
use carecord_proto::protos::{ChaincodeCall, ChaincodeInterest, collection_config};

use crate::channel::Channel;

/// How many endorsements of which organisation.
pub(crate) type Layout = BTreeMap<String, usize>;

/// How many alternatives are kept; the smallest are.
const MAX_LAYOUTS: usize = 256;

/// The ways to satisfy all policies that `interest` brings in, smallest first.
///
/// Mostly that is the policy of one chaincode, which is looked at once and then known.
pub(super) fn layouts(
    channel: &Channel,
    bundle: &Bundle,
    interest: &ChaincodeInterest,
) -> Result<Arc<[Layout]>, String> {
    let make = || {
        let mut policies = Vec::new();
        for call in &interest.chaincodes {
            policies_of(channel.ledger(), bundle, call, &mut policies)?;
        }
        let mut ways = joined(&policies);
        for call in interest.chaincodes.iter().filter(|call| !call.no_private_reads) {
            keep_members(channel.ledger(), call, &mut ways)?;
        }
        Ok(ways)
    };
    if let [call] = &interest.chaincodes[..]
        && is_plain(call)
        && let Some(deployed) = channel.definitions().known(&call.name)
    {
        return deployed.layouts(bundle.sequence(), make);
    }
    make().map(Into::into)
}

/// Keeps the ways that need nobody who is no member of the collections: only members can read them.
fn keep_members(
    ledger: &Ledger,
    call: &ChaincodeCall,
    ways: &mut Vec<Layout>,
) -> Result<(), String> {
    for name in &call.collection_names {
        let found = ledger.collection(&call.name, name).map_err(|error| error.to_string())?;
        let is_member =
            |org: &String| found.as_ref().is_some_and(|collection| collection.has_member(org));
        ways.retain(|way| way.keys().all(is_member));
    }
    Ok(())
}

/// Whether the chaincode's own policy is all that counts.
fn is_plain(call: &ChaincodeCall) -> bool {
    call.collection_names.is_empty()
        && call.key_policies.is_empty()
        && !call.disregard_namespace_policy
}

fn policies_of(
    ledger: &Ledger,
    bundle: &Bundle,
    call: &ChaincodeCall,
    policies: &mut Vec<Policy>,
) -> Result<(), String> {
    for key_policy in &call.key_policies {
        policies.push(Policy::signature(key_policy.clone()).map_err(|error| error.to_string())?);
    }
    if call.name == "_lifecycle" {
        policies.push((*bundle.lifecycle_endorsement()).clone());
        return Ok(());
    }
    let definition = ledger
        .definition(&call.name)
        .map_err(|error| error.to_string())?
        .ok_or_else(|| format!("chaincode {} is not defined", call.name))?;
    let chaincode = || policy_from(bundle, &definition.policy);
    if call.collection_names.is_empty() {
        if !call.disregard_namespace_policy {
            policies.push(chaincode()?);
        }
        return Ok(());
    }
    for collection in &call.collection_names {
        policies.push(match collection_policy(bundle, &definition, collection)? {
            Some(policy) => policy,
            None => chaincode()?,
        });
    }
    Ok(())
}

fn collection_policy(
    bundle: &Bundle,
    definition: &Definition,
    collection: &str,
) -> Result<Option<Policy>, String> {
    if let Some(msp_id) = implicit_collection_msp_id(collection) {
        let policy = bundle.implicit_collection_endorsement(msp_id);
        return Ok(policy.map(|policy| (*policy).clone()));
    }
    let found = definition.collections.config.iter().find_map(|config| match &config.payload {
        Some(collection_config::Payload::StaticCollectionConfig(found))
            if found.name == collection =>
        {
            found.endorsement_policy.as_ref()
        }
        _ => None,
    });
    let Some(found) = found else { return Ok(None) };
    policy_from(bundle, &prost::Message::encode_to_vec(found)).map(Some)
}

fn policy_from(bundle: &Bundle, bytes: &[u8]) -> Result<Policy, String> {
    let policy = from_application_policy(bytes, bundle).map_err(|error| error.to_string())?;
    Ok((*policy).clone())
}

/// The layouts that satisfy every policy: of each organisation as many as any one policy wants.
fn joined(policies: &[Policy]) -> Vec<Layout> {
    let mut all = vec![Layout::new()];
    for one in policies {
        let ways = policy::layouts(one);
        let mut next: Vec<Layout> = Vec::new();
        for before in &all {
            for way in &ways {
                let mut layout = before.clone();
                for (msp_id, count) in way {
                    let wanted = layout.entry(msp_id.clone()).or_default();
                    *wanted = (*wanted).max(*count);
                }
                next.push(layout);
            }
        }
        next.sort_by_key(|layout| (layout.values().sum::<usize>(), layout.clone()));
        next.dedup();
        next.truncate(MAX_LAYOUTS);
        all = next;
    }
    all.retain(|layout| !layout.is_empty());
    all
}

#[cfg(test)]
mod tests {
    use carecord_channel::policy::dsl;

    use super::*;

    fn policy(text: &str) -> Policy {
        Policy::signature(dsl::parse(text).expect("a policy")).expect("it compiles")
    }

    fn check(policies: &[&str], expected: &[&[(&str, usize)]]) {
        let policies: Vec<_> = policies.iter().map(|text| policy(text)).collect();
        let expected: Vec<Layout> = expected
            .iter()
            .map(|layout| layout.iter().map(|(org, n)| ((*org).to_owned(), *n)).collect())
            .collect();
        assert_eq!(joined(&policies), expected);
    }

    #[test]
    fn one_policy_gives_its_own_ways() {
        check(&["AND('A.peer','B.peer')"], &[&[("A", 1), ("B", 1)]]);
        check(&["OR('A.peer','B.peer')"], &[&[("A", 1)], &[("B", 1)]]);
    }

    #[test]
    fn one_endorsement_serves_every_policy() {
        check(&["OR('A.peer','B.peer')", "AND('A.peer','B.peer')"], &[&[("A", 1), ("B", 1)]]);
        check(
            &["OR('A.peer','B.peer')", "OR('B.peer','C.peer')"],
            &[&[("B", 1)], &[("A", 1), ("B", 1)], &[("A", 1), ("C", 1)], &[("B", 1), ("C", 1)]],
        );
    }

    #[test]
    fn nothing_to_satisfy_gives_no_way() {
        check(&[], &[]);
    }
}
