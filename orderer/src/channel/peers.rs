//! The links of one channel to the other consenters, kept as the configuration and Raft want them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use carecord_consensus::NodeId;
use carecord_proto::carecord::orderer::StepRequest;

use super::Shared;
use crate::Error;
use crate::cluster::Link;
use crate::host::Host;

/// A link for each other consenter.
#[derive(Default)]
pub(super) struct Peers(BTreeMap<NodeId, Link>);

// === impl Peers ===

impl Peers {
    /// Queues a message; false if it is lost.
    pub(super) fn send(&self, to: NodeId, request: StepRequest) -> bool {
        self.0.get(&to).is_some_and(|link| link.send(request))
    }

    /// How many streams are set up.
    pub(super) fn connected(&self) -> usize {
        self.0.values().filter(|link| link.is_connected()).count()
    }

    /// Whether this consenter welcomed this node on a stream that is still set up.
    pub(super) fn is_connected(&self, to: NodeId) -> bool {
        self.0.get(&to).is_some_and(Link::is_connected)
    }

    /// Opens a link to each other consenter, anew to one that changed, and drops those to nodes that are none any more.
    pub(super) fn connect(
        &mut self,
        own: NodeId,
        shared: &Arc<Shared>,
        host: &Host,
    ) -> Result<(), Error> {
        let members = shared.members.load_full();
        host.links.trust(&shared.name, &shared.bundle.load());
        if let Some(own) = members.get(own) {
            host.links.known_as(&shared.name, own.client_certificate());
        }
        self.0.retain(|id, link| members.get(*id).is_some_and(|one| one.address == link.address()));
        for member in members.all().filter(|member| member.id != own) {
            if let Entry::Vacant(place) = self.0.entry(member.id) {
                place.insert(Link::open(&host.links, shared, member, host.metrics.clone())?);
            }
        }
        Ok(())
    }
}
