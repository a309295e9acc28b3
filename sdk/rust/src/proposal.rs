//! A proposal: what is asked of a chaincode, signed by the caller.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use carecord_proto::gateway::{EndorseRequest, EvaluateRequest};
use carecord_proto::proposal::{Request, build_request};
use carecord_proto::protos::SignedProposal;
use prost::Message;

use crate::gateway::request;
use crate::{Error, Network, Transaction};

/// Random bytes in a nonce, as all Fabric clients use.
const NONCE_BYTES: usize = 24;

/// Collects what a proposal is to contain.
pub struct ProposalBuilder {
    network: Network,
    chaincode: String,
    args: Vec<Bytes>,
    transient: BTreeMap<String, Bytes>,
    organisations: Vec<String>,
    is_init: bool,
}

/// A signed proposal.
#[derive(Clone)]
pub struct Proposal {
    network: Network,
    tx_id: String,
    signed: SignedProposal,
    organisations: Vec<String>,
}

/// The caller's clock, as a header carries it.
pub(crate) fn now() -> prost_types::Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    prost_types::Timestamp {
        seconds: since_epoch.as_secs() as i64,
        nanos: since_epoch.subsec_nanos() as i32,
    }
}

// === impl ProposalBuilder ===

impl ProposalBuilder {
    pub(crate) fn new(network: Network, chaincode: &str, function: &str) -> Self {
        Self {
            network,
            chaincode: chaincode.to_owned(),
            args: vec![Bytes::copy_from_slice(function.as_bytes())],
            transient: BTreeMap::new(),
            organisations: Vec::new(),
            is_init: false,
        }
    }

    /// Appends arguments.
    pub fn arguments<A: Into<Bytes>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds a value that endorsers see and the ledger does not.
    pub fn transient(mut self, name: &str, value: impl Into<Bytes>) -> Self {
        self.transient.insert(name.to_owned(), value.into());
        self
    }

    /// Names the organisations whose peers endorse (or evaluate), instead of the gateway's plan.
    pub fn organisations<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.organisations = names.into_iter().map(Into::into).collect();
        self
    }

    /// Makes it the call that initialises a chaincode whose definition asks for one.
    pub fn init(mut self) -> Self {
        self.is_init = true;
        self
    }

    /// Fixes nonce and time, and signs.
    pub fn build(self) -> Result<Proposal, Error> {
        let mut nonce = vec![0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| Error::NoRandomness)?;
        let (proposal, tx_id) = build_request(Request {
            channel_id: self.network.name.clone(),
            chaincode: self.chaincode,
            args: self.args,
            transient: self.transient,
            creator: self.network.gateway.signer.serialized(),
            nonce: nonce.into(),
            timestamp: now(),
            is_init: self.is_init,
        });
        let proposal_bytes = Bytes::from(proposal.encode_to_vec());
        let signature = self.network.gateway.sign(&proposal_bytes)?;
        let signed = SignedProposal { proposal_bytes, signature };
        Ok(Proposal { network: self.network, tx_id, signed, organisations: self.organisations })
    }
}

// === impl Proposal ===

impl Proposal {
    /// The id that the transaction will have.
    pub fn tx_id(&self) -> &str {
        &self.tx_id
    }

    /// Runs it on one peer; nothing is ordered.
    pub async fn evaluate(self) -> Result<Bytes, Error> {
        let gateway = &self.network.gateway;
        let message = EvaluateRequest {
            transaction_id: self.tx_id,
            channel_id: self.network.name.clone(),
            proposed_transaction: Some(self.signed),
            target_organizations: self.organisations,
        };
        let answer = gateway
            .client()
            .evaluate(request(message, gateway.deadlines.evaluate))
            .await
            .map_err(|status| Error::gateway("evaluate", status))?
            .into_inner();
        Ok(answer.result.ok_or(Error::Answer("evaluation without result"))?.payload)
    }

    /// Has it endorsed as the chaincode's policy asks.
    pub async fn endorse(self) -> Result<Transaction, Error> {
        let gateway = &self.network.gateway;
        let message = EndorseRequest {
            transaction_id: self.tx_id.clone(),
            channel_id: self.network.name.clone(),
            proposed_transaction: Some(self.signed),
            endorsing_organizations: self.organisations,
        };
        let answer = gateway
            .client()
            .endorse(request(message, gateway.deadlines.endorse))
            .await
            .map_err(|status| Error::gateway("endorse", status))?
            .into_inner();
        let envelope = answer.prepared_transaction.ok_or(Error::Answer("no transaction"))?;
        Transaction::new(self.network, self.tx_id, envelope)
    }
}
