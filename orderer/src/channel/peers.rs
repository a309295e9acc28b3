//! The links of one channel to the other consenters, kept as the configuration and Raft want them.

use std::collections::BTreeMap;
use std::sync::Arc;

use carecord_consensus::NodeId;
use carecord_monitoring::OrdererMetrics;
use carecord_proto::carecord::orderer::StepRequest;

use super::Shared;
use crate::Error;
use crate::cluster::{Link, Links};

/// A link for each other consenter, with the address that it goes to.
#[derive(Default)]
pub(super) struct Peers(BTreeMap<NodeId, (String, Link)>);

// === impl Peers ===

impl Peers {
    /// Queues a message; false if it is lost.
    pub(super) fn send(&self, to: NodeId, request: StepRequest) -> bool {
        self.0.get(&to).is_some_and(|(_, link)| link.send(request))
    }

    /// How many streams are set up.
    pub(super) fn connected(&self) -> usize {
        self.0.values().filter(|(_, link)| link.is_connected()).count()
    }

    /// Opens a link to each other consenter, anew to one that moved, and drops those to nodes that are none any more.
    pub(super) fn connect(
        &mut self,
        own: NodeId,
        shared: &Shared,
        links: &Arc<Links>,
        metrics: &OrdererMetrics,
    ) -> Result<(), Error> {
        let members = shared.members.load_full();
        links.trust(&shared.name, &shared.bundle.load());
        if let Some(own) = members.get(own) {
            links.known_as(&shared.name, own.client_certificate());
        }
        self.0.retain(|id, (address, _)| {
            members.get(*id).is_some_and(|member| member.address == *address)
        });
        for member in members.all().filter(|member| member.id != own) {
            if !self.0.contains_key(&member.id) {
                let (inbox, metrics) = (shared.inbox.clone(), metrics.clone());
                let link = links.open(&shared.name, member, inbox, metrics)?;
                self.0.insert(member.id, (member.address.clone(), link));
            }
        }
        Ok(())
    }
}
