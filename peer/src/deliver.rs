//! Deliver: streams of blocks, whole or filtered, to clients that may read the channel.
//!
//! Place in the flow: the session (what is next, who may still have it, how it ends) is `carecord_blocks::deliver`; here are
//! the stream, the ledger and the clock that it needs.

mod filtered;
mod private;
mod stream;

use std::{pin::Pin, sync::Arc};

use carecord_comm::ahead::Budget;
use carecord_comm::protos::deliver_server;
use carecord_proto::{common::Envelope, protos::DeliverResponse};
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use crate::peer::Peer;
use stream::deliver;

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Blocks as committed.
    Blocks,
    /// Transaction ids, codes and event names.
    Filtered,
    /// Blocks, and the private data of collections whose member policy the reader satisfies.
    WithPrivateData,
}

/// The gRPC service.
#[derive(Clone, Debug)]
pub(crate) struct DeliverService {
    pub(crate) peer: Arc<Peer>,
    budget: Arc<Budget>,
}

/// What a call of the service gives.
type Responses = Pin<Box<dyn Stream<Item = Result<DeliverResponse, Status>> + Send>>;

// === impl DeliverService ===

impl DeliverService {
    /// The service with a budget of its own for what its streams read ahead.
    pub(crate) fn new(peer: Arc<Peer>) -> Self {
        Self { peer, budget: Arc::default() }
    }
}

#[tonic::async_trait]
impl deliver_server::Deliver for DeliverService {
    type DeliverStream = Responses;
    type DeliverFilteredStream = Responses;
    type DeliverWithPrivateDataStream = Responses;

    async fn deliver(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<Responses>, Status> {
        Ok(deliver(self, request, Content::Blocks).into())
    }

    async fn deliver_filtered(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<Responses>, Status> {
        Ok(deliver(self, request, Content::Filtered).into())
    }

    async fn deliver_with_private_data(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<Responses>, Status> {
        Ok(deliver(self, request, Content::WithPrivateData).into())
    }
}

// === impl Content ===

impl Content {
    /// The labels `filtered` and `data_type` of the metrics.
    fn labels(self) -> [&'static str; 2] {
        match self {
            Self::Blocks => ["false", "block"],
            Self::Filtered => ["true", "filtered_block"],
            Self::WithPrivateData => ["false", "block_and_pvtdata"],
        }
    }

    /// The resource whose rule guards it.
    fn resource(self) -> &'static str {
        match self {
            Self::Filtered => carecord_channel::acl::EVENT_FILTERED_BLOCK,
            Self::Blocks | Self::WithPrivateData => carecord_channel::acl::EVENT_BLOCK,
        }
    }
}
