//! One chaincode: evaluate and submit.

use bytes::Bytes;

use crate::{Error, Network, ProposalBuilder};

/// A chaincode on a channel; cheap to clone.
#[derive(Clone)]
pub struct Contract {
    network: Network,
    chaincode: String,
}

// === impl Contract ===

impl Contract {
    pub(crate) fn new(network: Network, chaincode: &str) -> Self {
        Self { network, chaincode: chaincode.to_owned() }
    }

    /// The chaincode's name.
    pub fn chaincode(&self) -> &str {
        &self.chaincode
    }

    /// The channel that it runs on.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Starts a proposal of `function`, for transient data, chosen organisations or single steps.
    pub fn proposal(&self, function: &str) -> ProposalBuilder {
        ProposalBuilder::new(self.network.clone(), &self.chaincode, function)
    }

    /// Runs `function` on one peer and returns its result; nothing is ordered.
    pub async fn evaluate<A: Into<Bytes>>(
        &self,
        function: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Bytes, Error> {
        self.proposal(function).arguments(args).build()?.evaluate().await
    }

    /// Endorses, orders and awaits the commit of `function`; its result counts only if the code is VALID.
    pub async fn submit<A: Into<Bytes>>(
        &self,
        function: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Bytes, Error> {
        let transaction = self.proposal(function).arguments(args).build()?.endorse().await?;
        let result = transaction.result().clone();
        transaction.submit().await?.wait_valid().await?;
        Ok(result)
    }
}
