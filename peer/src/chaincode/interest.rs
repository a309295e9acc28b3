//! Whose endorsements a simulation's result will need, in the words that a gateway plans with.

use std::collections::BTreeMap;

use carecord_ledger::simulator::Touched;
use carecord_proto::{
    common::SignaturePolicyEnvelope,
    protos::{ChaincodeCall, ChaincodeInterest},
};
use prost::Message;

use super::is_system;

/// What was touched, without the namespaces of the peer itself.
pub(crate) fn interest(touched: &BTreeMap<String, Touched>) -> ChaincodeInterest {
    let applications = touched.iter().filter(|(namespace, _)| !is_system(namespace));
    let chaincodes = applications.flat_map(|(namespace, touched)| calls(namespace, touched));
    ChaincodeInterest { chaincodes: chaincodes.collect() }
}

/// | written | the chaincode's own policy |
/// |---|---|
/// | nothing, or private data alone | counts |
/// | a key without policy of its own | counts |
/// | keys with policies of their own, all of them | does not count, theirs do |
fn calls(namespace: &str, touched: &Touched) -> Vec<ChaincodeCall> {
    let key_policies: Vec<_> = touched
        .key_policies
        .iter()
        .filter_map(|policy| SignaturePolicyEnvelope::decode(policy.clone()).ok())
        .collect();
    let ruled = touched.public_writes && !touched.unruled_writes && !key_policies.is_empty();
    let public = ChaincodeCall {
        name: namespace.to_owned(),
        disregard_namespace_policy: ruled,
        key_policies,
        ..ChaincodeCall::default()
    };
    let private = touched.collections.iter().map(|collection| ChaincodeCall {
        name: namespace.to_owned(),
        collection_names: vec![collection.clone()],
        no_private_reads: !touched.private_reads,
        ..ChaincodeCall::default()
    });
    std::iter::once(public).chain(private).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use carecord_channel::policy::dsl;

    use super::*;

    fn policy() -> bytes::Bytes {
        dsl::parse("AND('AMSP.peer','BMSP.peer')").expect("a policy").encode_to_vec().into()
    }

    #[test]
    fn a_key_with_its_own_policy_replaces_the_chaincodes() {
        let written = |unruled_writes, key_policies| Touched {
            public_writes: true,
            unruled_writes,
            key_policies,
            ..Touched::default()
        };
        let call = |touched| {
            let interest = interest(&BTreeMap::from([("bench".to_owned(), touched)]));
            interest.chaincodes[0].clone()
        };
        assert!(!call(written(true, BTreeSet::new())).disregard_namespace_policy);
        assert!(!call(written(true, BTreeSet::from([policy()]))).disregard_namespace_policy);
        let ruled = call(written(false, BTreeSet::from([policy()])));
        assert!(ruled.disregard_namespace_policy);
        assert_eq!(ruled.key_policies.len(), 1);
        assert!(!call(Touched::default()).disregard_namespace_policy);
    }

    #[test]
    fn the_peers_own_namespaces_are_nobodys_interest() {
        let touched = BTreeMap::from([("_lifecycle".to_owned(), Touched::default())]);
        assert!(interest(&touched).chaincodes.is_empty());
    }
}
