//! A private data collection as a definition or an organisation's name makes it: members, rights, peers, life.
//!
//! Place in the flow: the endorser asks who may read and write and to whom a write set goes, the commit whether this peer is a
//! member, deliver and pull whether somebody else is.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use carecord_channel::policy::{Policy, dsl};
use carecord_msp::Identity;
use carecord_proto::common::{
    MspPrincipal, MspRole, OrganizationUnit, SignaturePolicyEnvelope,
    msp_principal::Classification, msp_role::MspRoleType,
};
use carecord_proto::msp::SerializedIdentity;
use carecord_proto::protos::{StaticCollectionConfig, collection_policy_config};
use parking_lot::RwLock;
use prost::Message;

use crate::definition::{Definition, implicit_collection_msp_id};

/// Peers that an implicit collection's write sets go to, as Fabric's defaults have it.
const IMPLICIT_PEERS: (usize, usize) = (0, 1);

/// A collection in force.
#[derive(Debug, Clone)]
pub struct Collection {
    /// Its name.
    pub name: String,
    /// The organisations that its member policy names.
    pub members: BTreeSet<String>,
    /// Peers that must have a write set before its endorsement leaves.
    pub required_peers: usize,
    /// Peers that are sent a write set.
    pub maximum_peers: usize,
    /// Blocks after which a value goes; 0: never.
    pub block_to_live: u64,
    /// Whether chaincode may read for members only.
    pub member_only_read: bool,
    /// Whether chaincode may write for members only.
    pub member_only_write: bool,
    policy: Option<Policy>,
}

// === impl Collection ===

impl Collection {
    /// The collection of this name: an organisation's own, or one of the definition's.
    pub fn of(definition: Option<&Definition>, name: &str) -> Option<Self> {
        match implicit_collection_msp_id(name) {
            Some(msp_id) => Some(Self::implicit(name, msp_id)),
            None => definition?.collection(name).map(Self::fixed),
        }
    }

    fn implicit(name: &str, msp_id: &str) -> Self {
        let envelope = dsl::n_out_of_organisations(1, [msp_id], MspRoleType::Member);
        Self {
            name: name.to_owned(),
            members: BTreeSet::from([msp_id.to_owned()]),
            required_peers: IMPLICIT_PEERS.0,
            maximum_peers: IMPLICIT_PEERS.1,
            block_to_live: 0,
            member_only_read: false,
            member_only_write: false,
            policy: Policy::signature(envelope).ok(),
        }
    }

    fn fixed(config: &StaticCollectionConfig) -> Self {
        let policy = config.member_orgs_policy.as_ref().and_then(|it| it.payload.as_ref());
        let envelope = policy.map(|payload| {
            let collection_policy_config::Payload::SignaturePolicy(envelope) = payload;
            envelope
        });
        let count = |count: i32| usize::try_from(count).unwrap_or_default();
        Self {
            name: config.name.clone(),
            members: envelope.map(organisations).unwrap_or_default(),
            required_peers: count(config.required_peer_count),
            maximum_peers: count(config.maximum_peer_count),
            block_to_live: config.block_to_live,
            member_only_read: config.member_only_read,
            member_only_write: config.member_only_write,
            // One that does not compile admits nobody.
            policy: envelope.and_then(|envelope| Policy::signature(envelope.clone()).ok()),
        }
    }

    /// Whether an organisation's peers hold the collection.
    pub fn has_member(&self, msp_id: &str) -> bool {
        self.members.contains(msp_id)
    }

    /// Whether somebody satisfies the member policy, as Fabric asks of readers, writers and peers.
    pub fn admits(&self, identity: &Arc<Identity>) -> bool {
        let policy = self.policy.as_ref();
        policy.is_some_and(|policy| policy.evaluate(std::slice::from_ref(identity)).is_ok())
    }
}

/// The collections of a channel that were asked for, until a definition changes.
#[derive(Debug, Default)]
pub(crate) struct Collections {
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Counts the changes of definitions.
    generation: u64,
    collections: HashMap<String, HashMap<String, Option<Arc<Collection>>>>,
}

/// Collections that are remembered of one chaincode; names that do not exist are made up by callers.
const MAX_KNOWN: usize = 256;

// === impl Collections ===

impl Collections {
    /// What is known of a collection, or else the generation under which it may be [noted](Collections::note).
    pub(crate) fn known(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Arc<Collection>>, u64> {
        let known = self.known.read();
        let found = known.collections.get(namespace).and_then(|of| of.get(name));
        found.cloned().ok_or(known.generation)
    }

    pub(crate) fn note(
        &self,
        generation: u64,
        namespace: &str,
        name: &str,
        found: Option<Arc<Collection>>,
    ) {
        let mut known = self.known.write();
        if known.generation != generation || known.collections.len() >= MAX_KNOWN {
            return;
        }
        let of = known.collections.entry(namespace.to_owned()).or_default();
        if of.len() < MAX_KNOWN {
            of.insert(name.to_owned(), found);
        }
    }

    /// Forgets everything: a definition has changed.
    pub(crate) fn forget(&self) {
        let mut known = self.known.write();
        known.generation += 1;
        known.collections.clear();
    }
}

/// The organisations that a policy names.
fn organisations(envelope: &SignaturePolicyEnvelope) -> BTreeSet<String> {
    envelope.identities.iter().filter_map(organisation).collect()
}

fn organisation(principal: &MspPrincipal) -> Option<String> {
    let bytes = principal.principal.clone();
    match principal.principal_classification() {
        Classification::Role => Some(MspRole::decode(bytes).ok()?.msp_identifier),
        Classification::OrganizationUnit => {
            Some(OrganizationUnit::decode(bytes).ok()?.msp_identifier)
        }
        Classification::Identity => Some(SerializedIdentity::decode(bytes).ok()?.mspid),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use carecord_proto::protos::CollectionPolicyConfig;

    use super::*;

    fn fixed(policy: &str) -> Collection {
        let payload =
            collection_policy_config::Payload::SignaturePolicy(dsl::parse(policy).unwrap());
        Collection::fixed(&StaticCollectionConfig {
            name: "wards".to_owned(),
            member_orgs_policy: Some(CollectionPolicyConfig { payload: Some(payload) }),
            required_peer_count: -1,
            maximum_peer_count: 3,
            ..StaticCollectionConfig::default()
        })
    }

    #[test]
    fn members_are_the_organisations_that_the_policy_names() {
        let wards = fixed("OR('AMSP.peer','BMSP.member')");
        assert!(wards.has_member("AMSP") && wards.has_member("BMSP") && !wards.has_member("CMSP"));
        assert_eq!((wards.required_peers, wards.maximum_peers), (0, 3));
    }

    #[test]
    fn an_organisations_own_collection_has_one_member() {
        let own = Collection::of(None, "_implicit_org_AMSP").unwrap();
        assert!(own.has_member("AMSP") && own.members.len() == 1);
        assert!(Collection::of(None, "wards").is_none(), "nobody defined it");
    }
}
