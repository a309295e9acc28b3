//! The gateway: what the official client SDKs talk to. One file per call.
//!
//! Place in the flow: a client's proposal comes in, endorsements are collected from peers, the signed transaction goes to an
//! orderer, and the client learns what became of it. Codes, texts and details are Fabric's, because clients act on them.

mod answer;
mod chaincode_events;
mod commit_status;
mod endorse;
mod endorsers;
mod evaluate;
mod layouts;
mod plan;
mod submit;

use std::{future::Future, pin::Pin, sync::Arc, time::Instant};

use carecord_comm::{deadline, gateway::gateway_server, with_details};
use carecord_proto::gateway::{
    ChaincodeEventsResponse, CommitStatusResponse, EndorseRequest, EndorseResponse,
    EvaluateRequest, EvaluateResponse, SignedChaincodeEventsRequest, SignedCommitStatusRequest,
    SubmitRequest, SubmitResponse,
};
use tokio_stream::Stream;
use tonic::{Code, Request, Response, Status};

use crate::peer::Peer;

pub(crate) use layouts::Layout;

/// The gRPC service.
#[derive(Clone, Debug)]
pub(crate) struct GatewayService {
    pub(crate) peer: Arc<Peer>,
}

/// A stream of chaincode events.
type Events = Pin<Box<dyn Stream<Item = Result<ChaincodeEventsResponse, Status>> + Send>>;

// === impl GatewayService ===

#[tonic::async_trait]
impl gateway_server::Gateway for GatewayService {
    type ChaincodeEventsStream = Events;

    async fn evaluate(
        &self,
        request: Request<EvaluateRequest>,
    ) -> Result<Response<EvaluateResponse>, Status> {
        let deadline = deadline(&request);
        let evaluating = evaluate::evaluate(&self.peer, request.into_inner());
        Ok(in_time(deadline, "evaluate timeout expired", evaluating).await?.into())
    }

    async fn endorse(
        &self,
        request: Request<EndorseRequest>,
    ) -> Result<Response<EndorseResponse>, Status> {
        let deadline = deadline(&request);
        Ok(endorse::endorse(&self.peer, request.into_inner(), deadline).await?.into())
    }

    async fn submit(
        &self,
        request: Request<SubmitRequest>,
    ) -> Result<Response<SubmitResponse>, Status> {
        let deadline = deadline(&request);
        let submitting = submit::submit(&self.peer, request.into_inner(), deadline);
        let late = "submit timeout expired while broadcasting to ordering service";
        Ok(in_time(deadline, late, submitting).await?.into())
    }

    async fn commit_status(
        &self,
        request: Request<SignedCommitStatusRequest>,
    ) -> Result<Response<CommitStatusResponse>, Status> {
        let deadline = deadline(&request);
        let waiting = commit_status::commit_status(&self.peer, request.into_inner());
        in_time(deadline, "context deadline exceeded", waiting).await
    }

    async fn chaincode_events(
        &self,
        request: Request<SignedChaincodeEventsRequest>,
    ) -> Result<Response<Events>, Status> {
        Ok(chaincode_events::chaincode_events(&self.peer, request.into_inner())?.into())
    }
}

/// Runs `work` until the client's own deadline.
async fn in_time<T>(
    deadline: Option<Instant>,
    late: &str,
    work: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let Some(deadline) = deadline else { return work.await };
    match tokio::time::timeout_at(deadline.into(), work).await {
        Ok(done) => done,
        Err(_) => Err(with_details(Code::DeadlineExceeded, late, Vec::new())),
    }
}
