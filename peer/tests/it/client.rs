//! What an application does: propose, sign, submit, wait.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use carecord_comm::gateway::gateway_client::GatewayClient;
use carecord_comm::protos::{deliver_client::DeliverClient, endorser_client::EndorserClient};
use carecord_comm::{Endpoint, dial};
use carecord_msp::Signer;
use carecord_proto::common::Envelope;
use carecord_proto::gateway::{
    ChaincodeEventsRequest, CommitStatusRequest, CommitStatusResponse, EndorseRequest,
    EvaluateRequest, SignedChaincodeEventsRequest, SignedCommitStatusRequest, SubmitRequest,
};
use carecord_proto::proposal::{Request, build_request};
use carecord_proto::protos::{ProposalResponse, SignedProposal, TxValidationCode};
use prost::Message;
use prost_types::Timestamp;
use tonic::Status;
use tonic::transport::Channel;

use crate::world::{CHANNEL, now};

/// Somebody with a key and a connection to a peer.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) channel: Channel,
}

/// A proposal to be, with everything that can be wrong with one.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) request: Request,
}

impl Draft {
    pub(crate) fn new(signer: &Arc<dyn Signer>, chaincode: &str, args: &[&[u8]]) -> Self {
        Self {
            request: Request {
                channel_id: CHANNEL.to_owned(),
                chaincode: chaincode.to_owned(),
                args: args.iter().map(|arg| Bytes::copy_from_slice(arg)).collect(),
                transient: BTreeMap::new(),
                creator: signer.serialized(),
                nonce: Bytes::from(rand::random::<[u8; 24]>().to_vec()),
                timestamp: Timestamp { seconds: now(), nanos: 0 },
                is_init: false,
            },
        }
    }

    pub(crate) fn signed(self, signer: &Arc<dyn Signer>) -> (SignedProposal, String) {
        let (proposal, tx_id) = build_request(self.request);
        (sign_proposal(signer, proposal.encode_to_vec().into()), tx_id)
    }
}

pub(crate) fn sign_proposal(signer: &Arc<dyn Signer>, proposal_bytes: Bytes) -> SignedProposal {
    let signature = signer.sign(&proposal_bytes).expect("it can sign").into();
    SignedProposal { proposal_bytes, signature }
}

impl Client {
    pub(crate) fn new(signer: Arc<dyn Signer>, address: &str) -> Self {
        let endpoint = Endpoint { address: address.to_owned(), tls: None, server_name: None };
        Self { signer, channel: dial(&endpoint).expect("a good address") }
    }

    pub(crate) fn gateway(&self) -> GatewayClient<Channel> {
        GatewayClient::new(self.channel.clone())
    }

    pub(crate) fn endorser(&self) -> EndorserClient<Channel> {
        EndorserClient::new(self.channel.clone())
    }

    pub(crate) fn deliver(&self) -> DeliverClient<Channel> {
        DeliverClient::new(self.channel.clone())
    }

    pub(crate) fn draft(&self, chaincode: &str, args: &[&[u8]]) -> Draft {
        Draft::new(&self.signer, chaincode, args)
    }

    pub(crate) fn propose(&self, chaincode: &str, args: &[&[u8]]) -> (SignedProposal, String) {
        self.draft(chaincode, args).signed(&self.signer)
    }

    pub(crate) async fn process(&self, signed: SignedProposal) -> Result<ProposalResponse, Status> {
        Ok(self.endorser().process_proposal(signed).await?.into_inner())
    }

    pub(crate) async fn evaluate(&self, chaincode: &str, args: &[&[u8]]) -> Result<Bytes, Status> {
        let (signed, _) = self.propose(chaincode, args);
        self.evaluate_signed(signed, &[]).await
    }

    pub(crate) async fn evaluate_signed(
        &self,
        signed: SignedProposal,
        orgs: &[&str],
    ) -> Result<Bytes, Status> {
        let request = EvaluateRequest {
            channel_id: CHANNEL.to_owned(),
            proposed_transaction: Some(signed),
            target_organizations: orgs.iter().map(|org| (*org).to_owned()).collect(),
            ..EvaluateRequest::default()
        };
        let response = self.gateway().evaluate(request).await?.into_inner();
        Ok(response.result.expect("always there").payload)
    }

    pub(crate) async fn endorse(
        &self,
        signed: SignedProposal,
        orgs: &[&str],
    ) -> Result<Envelope, Status> {
        let request = EndorseRequest {
            channel_id: CHANNEL.to_owned(),
            proposed_transaction: Some(signed),
            endorsing_organizations: orgs.iter().map(|org| (*org).to_owned()).collect(),
            ..EndorseRequest::default()
        };
        let response = self.gateway().endorse(request).await?.into_inner();
        Ok(response.prepared_transaction.expect("always there"))
    }

    pub(crate) fn sign(&self, mut prepared: Envelope) -> Envelope {
        prepared.signature = self.signer.sign(&prepared.payload).expect("it can sign").into();
        prepared
    }

    pub(crate) async fn submit(&self, prepared: Envelope) -> Result<(), Status> {
        let request = SubmitRequest {
            channel_id: CHANNEL.to_owned(),
            prepared_transaction: Some(prepared),
            ..SubmitRequest::default()
        };
        self.gateway().submit(request).await?;
        Ok(())
    }

    pub(crate) async fn commit_status(&self, tx_id: &str) -> Result<CommitStatusResponse, Status> {
        let request = CommitStatusRequest {
            transaction_id: tx_id.to_owned(),
            channel_id: CHANNEL.to_owned(),
            identity: self.signer.serialized(),
        };
        self.commit_status_of(request).await
    }

    pub(crate) async fn commit_status_of(
        &self,
        request: CommitStatusRequest,
    ) -> Result<CommitStatusResponse, Status> {
        Ok(self.commit_answer(request).await?.into_inner())
    }

    /// Why a committed transaction is not valid, as the metadata of its status tell.
    pub(crate) async fn commit_cause(&self, tx_id: &str) -> Option<String> {
        let request = CommitStatusRequest {
            transaction_id: tx_id.to_owned(),
            channel_id: CHANNEL.to_owned(),
            identity: self.signer.serialized(),
        };
        carecord_comm::cause(&self.commit_answer(request).await.expect("committed"))
    }

    async fn commit_answer(
        &self,
        request: CommitStatusRequest,
    ) -> Result<tonic::Response<CommitStatusResponse>, Status> {
        let request: Bytes = request.encode_to_vec().into();
        let signature = self.signer.sign(&request).expect("it can sign").into();
        self.gateway().commit_status(SignedCommitStatusRequest { request, signature }).await
    }

    /// Endorse, sign, submit, wait.
    pub(crate) async fn transact(
        &self,
        chaincode: &str,
        args: &[&[u8]],
        orgs: &[&str],
    ) -> Result<TxValidationCode, Status> {
        Ok(self.transact_in_full(chaincode, args, orgs).await?.0)
    }

    pub(crate) async fn transact_in_full(
        &self,
        chaincode: &str,
        args: &[&[u8]],
        orgs: &[&str],
    ) -> Result<(TxValidationCode, String, u64), Status> {
        let (signed, tx_id) = self.propose(chaincode, args);
        let prepared = self.endorse(signed, orgs).await?;
        self.submit(self.sign(prepared)).await?;
        let status = self.commit_status(&tx_id).await?;
        Ok((status.result(), tx_id, status.block_number))
    }

    pub(crate) fn events_request(
        &self,
        request: ChaincodeEventsRequest,
    ) -> SignedChaincodeEventsRequest {
        let request = ChaincodeEventsRequest { identity: self.signer.serialized(), ..request };
        let request: Bytes = request.encode_to_vec().into();
        let signature = self.signer.sign(&request).expect("it can sign").into();
        SignedChaincodeEventsRequest { request, signature }
    }
}
