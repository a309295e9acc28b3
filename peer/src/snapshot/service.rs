//! The gRPC service `protos.Snapshot`, for administrators of the peer's organisation; texts as Fabric's
//! (`core/ledger/snapshotgrpc`).

use std::sync::Arc;

use carecord_channel::acl as resources;
use carecord_comm::protos::snapshot_server;
use carecord_proto::{
    common::SignatureHeader,
    protos::{
        QueryPendingSnapshotsResponse, SignedSnapshotRequest, SnapshotQuery, SnapshotRequest,
    },
};
use prost::Message;
use tonic::{Request, Response, Status};

use super::submit;
use crate::{acl, channel::Channel, clock, peer::Peer};

/// The gRPC service.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotService {
    pub(crate) peer: Arc<Peer>,
}

#[tonic::async_trait]
impl snapshot_server::Snapshot for SnapshotService {
    async fn generate(
        &self,
        request: Request<SignedSnapshotRequest>,
    ) -> Result<Response<()>, Status> {
        let signed = request.into_inner();
        let asked: SnapshotRequest = open(&signed)?;
        self.check("snapshot/submitrequest", asked.signature_header, &signed)?;
        let channel = self.channel(&asked.channel_id)?;
        let submitted =
            tokio::task::spawn_blocking(move || submit(&channel, asked.block_number)).await;
        submitted.map_err(unknown)?.map_err(unknown)?;
        Ok(Response::new(()))
    }

    async fn cancel(
        &self,
        request: Request<SignedSnapshotRequest>,
    ) -> Result<Response<()>, Status> {
        let signed = request.into_inner();
        let asked: SnapshotRequest = open(&signed)?;
        self.check("snapshot/cancelrequest", asked.signature_header, &signed)?;
        let channel = self.channel(&asked.channel_id)?;
        channel.snapshots().cancel(asked.block_number).map_err(unknown)?;
        Ok(Response::new(()))
    }

    async fn query_pendings(
        &self,
        request: Request<SignedSnapshotRequest>,
    ) -> Result<Response<QueryPendingSnapshotsResponse>, Status> {
        let signed = request.into_inner();
        let asked: SnapshotQuery = open(&signed)?;
        self.check("snapshot/listpending", asked.signature_header, &signed)?;
        let block_numbers = self.channel(&asked.channel_id)?.snapshots().pending();
        Ok(Response::new(QueryPendingSnapshotsResponse { block_numbers }))
    }
}

// === impl SnapshotService ===

impl SnapshotService {
    fn check(
        &self,
        resource: &str,
        header: Option<SignatureHeader>,
        signed: &SignedSnapshotRequest,
    ) -> Result<(), Status> {
        let header = header.ok_or_else(|| unknown("missing signature header"))?;
        let msp = &self.peer.config().local_msp;
        let expired =
            |identity: &Arc<carecord_msp::Identity>| identity.has_expired(clock::unix_s());
        if msp.identity(&header.creator).is_ok_and(|identity| expired(&identity)) {
            return Err(unknown("client identity expired"));
        }
        let policy = resources::local(resource)
            .ok_or_else(|| unknown(format!("Unmapped policy for {resource}")))?;
        acl::check_local_signed(msp, policy, &header.creator, &signed.request, &signed.signature)
            .map_err(unknown)
    }

    fn channel(&self, id: &str) -> Result<Arc<Channel>, Status> {
        if id.is_empty() {
            return Err(unknown("missing channel ID"));
        }
        let missing = || unknown(format!("cannot find ledger for channel {id}"));
        self.peer.channel(id).ok_or_else(missing)
    }
}

fn open<M: Message + Default>(signed: &SignedSnapshotRequest) -> Result<M, Status> {
    M::decode(signed.request.clone())
        .map_err(|error| unknown(format!("failed to unmarshal snapshot request: {error}")))
}

/// What gRPC makes of a plain Go error.
fn unknown(error: impl std::fmt::Display) -> Status {
    Status::unknown(error.to_string())
}
