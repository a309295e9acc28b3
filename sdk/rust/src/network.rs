//! One channel: its contracts and its events.

use carecord_proto::protos;
use futures::Stream;

use crate::events::{self, From};
use crate::{Contract, Error, Gateway};

/// A channel, seen through a gateway; cheap to clone.
#[derive(Clone)]
pub struct Network {
    pub(crate) gateway: Gateway,
    pub(crate) name: String,
}

// === impl Network ===

impl Network {
    pub(crate) fn new(gateway: Gateway, name: &str) -> Self {
        Self { gateway, name: name.to_owned() }
    }

    /// The chaincode named `chaincode` on this channel.
    pub fn contract(&self, chaincode: &str) -> Contract {
        Contract::new(self.clone(), chaincode)
    }

    /// The channel's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The connection behind it.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Events of valid transactions of `chaincode`, block by block, from where `from` says.
    pub async fn chaincode_events(
        &self,
        chaincode: &str,
        from: From,
    ) -> Result<impl Stream<Item = Result<events::BlockEvents, Error>> + use<>, Error> {
        events::chaincode_events(self, chaincode, from).await
    }

    /// Whole blocks from `start` on, without end.
    pub async fn blocks(
        &self,
        start: Option<u64>,
    ) -> Result<impl Stream<Item = Result<protos::DeliverResponse, Error>> + use<>, Error> {
        events::blocks(self, start).await
    }
}
