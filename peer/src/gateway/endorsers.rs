//! The peers that the gateway may ask: itself, others of its organisation, others.

use std::sync::Arc;

use carecord_proto::protos::{ProposalResponse, SignedProposal};

use super::answer::{Failure, judged};
use crate::{
    channel::Channel,
    endorser::{self, Purpose},
    peer::Peer,
    remote::RemotePeer,
};

/// One peer that may endorse.
#[derive(Clone, Debug)]
pub(super) enum Endorser {
    /// This peer.
    Own(Arc<Peer>),
    /// Another one.
    Remote(Arc<RemotePeer>),
}

/// The peers that may run `chaincode` on a channel: this one first, then those of its organisation, then the rest.
///
/// Those that could not be reached a moment ago come last. Nobody runs what the channel has not defined.
pub(super) fn endorsers(
    peer: &Arc<Peer>,
    channel: Option<&Arc<Channel>>,
    chaincode: &str,
) -> Vec<Endorser> {
    let Some(channel) = channel else { return Vec::new() };
    let runs_here = peer.chaincode(chaincode).is_some()
        || crate::chaincode::is_system(chaincode)
        || channel.definitions().runs(peer, channel, chaincode);
    if !runs_here && !is_defined(channel, chaincode) {
        return Vec::new();
    }
    let own_msp_id = peer.config().signer.msp_id();
    let mut remote = peer.remote_peers().of_channel(&channel.bundle()).to_vec();
    remote.sort_by_key(|other| (other.node.msp_id != own_msp_id, !other.is_up()));
    let own = runs_here.then(|| Endorser::Own(Arc::clone(peer)));
    own.into_iter().chain(remote.into_iter().map(Endorser::Remote)).collect()
}

/// If the state cannot be read, the endorsers' own answers will say so.
fn is_defined(channel: &Channel, chaincode: &str) -> bool {
    !matches!(channel.ledger().definition(chaincode), Ok(None))
}

// === impl Endorser ===

impl Endorser {
    /// The peer's organisation.
    pub(super) fn msp_id(&self) -> &str {
        match self {
            Self::Own(peer) => peer.config().signer.msp_id(),
            Self::Remote(remote) => &remote.node.msp_id,
        }
    }

    /// The address that error details name.
    pub(super) fn address(&self) -> &str {
        match self {
            Self::Own(peer) => &peer.config().address,
            Self::Remote(remote) => &remote.node.address,
        }
    }

    /// Has a proposal processed, within the time for one endorsement.
    pub(super) async fn propose(
        &self,
        peer: &Peer,
        signed: &SignedProposal,
        purpose: Purpose,
    ) -> Result<ProposalResponse, Failure> {
        let limit = peer.config().timeouts.endorsement;
        let answer = tokio::time::timeout(limit, self.ask(signed.clone(), purpose)).await;
        let answer = answer.unwrap_or_else(|_| {
            // As in Fabric a call that took too long is not repeated: it would cost the next peer as much.
            let late = "rpc error: code = DeadlineExceeded desc = context deadline exceeded";
            Err(Failure { retry: false, ..Failure::unavailable(late) })
        });
        let judged = answer.and_then(judged);
        if let (Err(failure), Self::Remote(remote)) = (&judged, self)
            && failure.remove
        {
            remote.mark_down(peer.config().timeouts.retry_after);
        }
        judged
    }

    async fn ask(
        &self,
        signed: SignedProposal,
        purpose: Purpose,
    ) -> Result<ProposalResponse, Failure> {
        match self {
            Self::Own(peer) => Ok(endorser::process(peer, signed, purpose).await?),
            Self::Remote(remote) => {
                // Over the wire an error comes without response, so Fabric's gateway takes the peer for unreachable.
                let answer = remote.client().process_proposal(signed).await;
                let answer = answer.map_err(|status| {
                    let code = carecord_comm::code_name(status.code());
                    Failure::unavailable(format!(
                        "rpc error: code = {code} desc = {}",
                        status.message()
                    ))
                })?;
                Ok(answer.into_inner())
            }
        }
    }
}
