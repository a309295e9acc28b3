//! The gRPC service `orderer.AtomicBroadcast`: what clients and peers call.

use std::sync::Arc;

use carecord_comm::ahead::{Ahead, Budget, ahead};
use carecord_comm::orderer::atomic_broadcast_server::AtomicBroadcast;
use carecord_comm::{PeerCertificate, peer_certificate, peer_connection};
use carecord_monitoring::OrdererMetrics;
use carecord_proto::common::Envelope;
use carecord_proto::orderer::{BroadcastResponse, DeliverResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::registry::Registry;
use crate::{broadcast, deliver};

/// Broadcast answers that may wait for the stream.
const ANSWERS: usize = 256;

/// The service.
pub(crate) struct ClientService {
    pub(crate) registry: Arc<Registry>,
    pub(crate) metrics: OrdererMetrics,
    /// What its deliver streams may keep waiting.
    pub(crate) budget: Arc<Budget>,
    /// Whether deliver requests must name their client certificate.
    pub(crate) binds_certificates: bool,
}

#[tonic::async_trait]
impl AtomicBroadcast for ClientService {
    type BroadcastStream = ReceiverStream<Result<BroadcastResponse, Status>>;
    type DeliverStream = Ahead<DeliverResponse>;

    async fn broadcast(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<Self::BroadcastStream>, Status> {
        let (answers, stream) = mpsc::channel(ANSWERS);
        let registry = Arc::clone(&self.registry);
        let session = broadcast::Session { registry, metrics: self.metrics.clone(), answers };
        tokio::spawn(session.run(request.into_inner()));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn deliver(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<Self::DeliverStream>, Status> {
        let hash = peer_certificate(&request).map(PeerCertificate::hash).copied();
        let (responses, stream, progress) = ahead(peer_connection(&request));
        let session = deliver::Stream {
            registry: Arc::clone(&self.registry),
            metrics: self.metrics.clone(),
            binding: self.binds_certificates.then_some(hash),
            budget: Arc::clone(&self.budget),
            progress,
            responses,
        };
        tokio::spawn(session.run(request.into_inner()));
        Ok(Response::new(stream))
    }
}
