//! Requests in the bytes of Fabric's `peer` tool, made from its wire behaviour and not from our own client.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use carecord::session::Session;
use carecord::state::{NodeEntry, UserEntry};
use carecord_comm::orderer::atomic_broadcast_client::AtomicBroadcastClient;
use carecord_comm::protos::{deliver_client::DeliverClient, endorser_client::EndorserClient};
use carecord_msp::Signer;
use carecord_proto::common::{
    Block, ChannelHeader, Envelope, Header, HeaderType, Payload, SignatureHeader, Status,
};
use carecord_proto::orderer::{
    BroadcastResponse, SeekInfo, SeekNewest, SeekOldest, SeekPosition, SeekSpecified,
    deliver_response as from_orderer, seek_info, seek_position,
};
use carecord_proto::protos::{
    ChaincodeActionPayload, ChaincodeEndorsedAction, ChaincodeHeaderExtension, ChaincodeId,
    ChaincodeInput, ChaincodeInvocationSpec, ChaincodeProposalPayload, ChaincodeSpec, Proposal,
    ProposalResponse, Response, SignedProposal, Transaction, TransactionAction, TxValidationCode,
    deliver_response as from_peer,
};
use futures::{Stream, StreamExt, stream};
use prost::Message;
use sha2::{Digest, Sha256};

const PATIENCE: Duration = Duration::from_secs(20);

/// One administrator at the command line.
pub(crate) struct Tool<'a> {
    pub(crate) session: &'a Session,
    pub(crate) user: &'a UserEntry,
    signer: Arc<dyn Signer>,
}

/// A proposal on its way to become a transaction.
pub(crate) struct Draft {
    proposal: Proposal,
    signed: SignedProposal,
    pub(crate) tx_id: String,
}

/// What a stream of blocks ended with, or what it is still open after.
pub(crate) type Fetched = (Vec<Block>, Option<Status>);

impl<'a> Tool<'a> {
    pub(crate) fn new(session: &'a Session, user: &'a UserEntry) -> Self {
        Self { session, user, signer: session.signer(user).unwrap() }
    }

    /// `CreateProposalFromCIS`: join uses the type CONFIG, everything else ENDORSER_TRANSACTION.
    pub(crate) fn propose(&self, channel: &str, chaincode: &str, args: &[&[u8]]) -> Draft {
        self.propose_at(at(SystemTime::now()), channel, chaincode, args)
    }

    /// The same by a tool whose clock shows `timestamp`.
    pub(crate) fn propose_at(
        &self,
        timestamp: prost_types::Timestamp,
        channel: &str,
        chaincode: &str,
        args: &[&[u8]],
    ) -> Draft {
        let kind = match chaincode {
            "cscc" => HeaderType::Config,
            _ => HeaderType::EndorserTransaction,
        };
        let (nonce, creator) =
            (Bytes::from(rand::random::<[u8; 24]>().to_vec()), self.signer.serialized());
        let tx_id = hex::encode(Sha256::digest([&nonce[..], &creator[..]].concat()));
        let id = ChaincodeId { name: chaincode.to_owned(), ..ChaincodeId::default() };
        let channel_header = ChannelHeader {
            r#type: kind as i32,
            tx_id: tx_id.clone(),
            timestamp: Some(timestamp),
            channel_id: channel.to_owned(),
            extension: ChaincodeHeaderExtension { chaincode_id: Some(id.clone()) }
                .encode_to_vec()
                .into(),
            ..ChannelHeader::default()
        };
        let header = Header {
            channel_header: channel_header.encode_to_vec().into(),
            signature_header: SignatureHeader { creator, nonce }.encode_to_vec().into(),
        };
        let args = args.iter().map(|arg| Bytes::copy_from_slice(arg)).collect();
        let spec = ChaincodeSpec {
            r#type: 1,
            chaincode_id: Some(id),
            input: Some(ChaincodeInput { args, ..ChaincodeInput::default() }),
            ..ChaincodeSpec::default()
        };
        let input = ChaincodeInvocationSpec { chaincode_spec: Some(spec) }.encode_to_vec();
        let payload = ChaincodeProposalPayload { input: input.into(), ..Default::default() };
        let proposal = Proposal {
            header: header.encode_to_vec().into(),
            payload: payload.encode_to_vec().into(),
            ..Proposal::default()
        };
        let proposal_bytes = Bytes::from(proposal.encode_to_vec());
        let signature = self.signer.sign(&proposal_bytes).unwrap().into();
        Draft { proposal, signed: SignedProposal { proposal_bytes, signature }, tx_id }
    }

    pub(crate) async fn endorse(&self, peer: &NodeEntry, draft: &Draft) -> ProposalResponse {
        let mut client = EndorserClient::new(self.session.connect(peer, self.user).unwrap());
        client.process_proposal(draft.signed.clone()).await.unwrap().into_inner()
    }

    /// What a peer says that refuses the proposal as a whole.
    #[allow(dead_code, reason = "the tests of operators' mistakes use it")]
    pub(crate) async fn refusal(&self, peer: &NodeEntry, draft: &Draft) -> String {
        let mut client = EndorserClient::new(self.session.connect(peer, self.user).unwrap());
        let status = client.process_proposal(draft.signed.clone()).await.unwrap_err();
        status.message().to_owned()
    }

    /// A question to one peer.
    pub(crate) async fn ask(
        &self,
        peer: &NodeEntry,
        channel: &str,
        chaincode: &str,
        args: &[&[u8]],
    ) -> Response {
        let draft = self.propose(channel, chaincode, args);
        self.endorse(peer, &draft).await.response.unwrap()
    }

    /// Endorse at every peer, compare, broadcast, and wait at every peer for the block: `--waitForEvent`.
    pub(crate) async fn transact(
        &self,
        peers: &[&NodeEntry],
        orderer: &NodeEntry,
        channel: &str,
        chaincode: &str,
        args: &[&[u8]],
    ) -> Vec<TxValidationCode> {
        let draft = self.propose(channel, chaincode, args);
        let mut responses = Vec::new();
        for peer in peers {
            let response = self.endorse(peer, &draft).await;
            let status = response.response.clone().unwrap();
            assert_eq!(status.status, 200, "{}: {}", peer.name, status.message);
            responses.push(response);
        }
        let mut waiting = Vec::new();
        for peer in peers {
            waiting.push(self.filtered(peer, channel, draft.tx_id.clone()).await);
        }
        assert_eq!(
            self.broadcast(orderer, self.assemble(&draft, &responses)).await,
            Status::Success
        );
        futures::future::join_all(waiting).await
    }

    /// `CreateSignedTx`: all payloads must be the same bytes.
    pub(crate) fn assemble(&self, draft: &Draft, responses: &[ProposalResponse]) -> Envelope {
        let header = Header::decode(draft.proposal.header.clone()).unwrap();
        for response in responses {
            assert_eq!(response.payload, responses[0].payload, "payloads must be identical");
        }
        let endorsements = responses.iter().map(|it| it.endorsement.clone().unwrap()).collect();
        let payload = ChaincodeActionPayload {
            chaincode_proposal_payload: draft.proposal.payload.clone(),
            action: Some(ChaincodeEndorsedAction {
                proposal_response_payload: responses[0].payload.clone(),
                endorsements,
            }),
        };
        let action = TransactionAction {
            header: header.signature_header.clone(),
            payload: payload.encode_to_vec().into(),
        };
        let data = Transaction { actions: vec![action] }.encode_to_vec().into();
        self.sign(Payload { header: Some(header), data }.encode_to_vec().into())
    }

    fn sign(&self, payload: Bytes) -> Envelope {
        let signature = self.signer.sign(&payload).unwrap().into();
        Envelope { payload, signature }
    }

    pub(crate) async fn broadcast(&self, orderer: &NodeEntry, envelope: Envelope) -> Status {
        let answer = self.answer(orderer, envelope).await;
        assert!(answer.info.is_empty() || answer.status != 200, "{}", answer.info);
        Status::try_from(answer.status).unwrap()
    }

    /// What the orderer answers to an envelope.
    pub(crate) async fn answer(
        &self,
        orderer: &NodeEntry,
        envelope: Envelope,
    ) -> BroadcastResponse {
        let connection = self.session.connect(orderer, self.user).unwrap();
        let mut client = AtomicBroadcastClient::new(connection);
        let mut answers = client.broadcast(open(envelope)).await.unwrap().into_inner();
        timed(answers.next()).await.unwrap().unwrap()
    }

    /// `peer channel fetch`: one block, then the status SUCCESS.
    pub(crate) async fn fetch(
        &self,
        node: &NodeEntry,
        channel: &str,
        at: seek_position::Type,
    ) -> Block {
        let (blocks, status) = self.seek(node, channel, at, at).await;
        assert_eq!((blocks.len(), status), (1, Some(Status::Success)), "{}", node.name);
        blocks.into_iter().next().unwrap()
    }

    async fn seek(
        &self,
        node: &NodeEntry,
        channel: &str,
        start: seek_position::Type,
        stop: seek_position::Type,
    ) -> Fetched {
        let seek = self.seek_envelope(channel, start, stop);
        let connection = self.session.connect(node, self.user).unwrap();
        let (mut blocks, mut status) = (Vec::new(), None);
        if node.role == "orderer" {
            let mut client = AtomicBroadcastClient::new(connection);
            let mut answers = client.deliver(open(seek)).await.unwrap().into_inner();
            while status.is_none() {
                match timed(answers.next()).await.unwrap().unwrap().r#type.unwrap() {
                    from_orderer::Type::Block(block) => blocks.push(block),
                    from_orderer::Type::Status(ended) => status = Status::try_from(ended).ok(),
                }
            }
        } else {
            let mut client = DeliverClient::new(connection);
            let mut answers = client.deliver(open(seek)).await.unwrap().into_inner();
            while status.is_none() {
                match timed(answers.next()).await.unwrap().unwrap().r#type.unwrap() {
                    from_peer::Type::Block(block) => blocks.push(block),
                    from_peer::Type::Status(ended) => status = Status::try_from(ended).ok(),
                    other => panic!("unexpected {other:?}"),
                }
            }
        }
        (blocks, status)
    }

    /// The fate of a transaction, as DeliverFiltered tells it from the newest block on.
    async fn filtered(
        &self,
        peer: &NodeEntry,
        channel: &str,
        tx_id: String,
    ) -> impl Future<Output = TxValidationCode> + use<> {
        let newest = seek_position::Type::Newest(SeekNewest {});
        let forever = seek_position::Type::Specified(SeekSpecified { number: u64::MAX });
        let seek = self.seek_envelope(channel, newest, forever);
        let mut client = DeliverClient::new(self.session.connect(peer, self.user).unwrap());
        let mut answers = client.deliver_filtered(open(seek)).await.unwrap().into_inner();
        async move {
            loop {
                let answer = timed(answers.next()).await.unwrap().unwrap().r#type.unwrap();
                let from_peer::Type::FilteredBlock(block) = answer else {
                    panic!("unexpected {answer:?}");
                };
                let found = block.filtered_transactions.iter().find(|tx| tx.txid == tx_id);
                if let Some(found) = found {
                    return found.tx_validation_code();
                }
            }
        }
    }

    fn seek_envelope(
        &self,
        channel: &str,
        start: seek_position::Type,
        stop: seek_position::Type,
    ) -> Envelope {
        let certificate = std::fs::read(&self.user.tls_certificate_file).unwrap();
        let certificate = pem::parse(certificate).unwrap();
        let channel_header = ChannelHeader {
            r#type: HeaderType::DeliverSeekInfo as i32,
            timestamp: Some(at(SystemTime::now())),
            channel_id: channel.to_owned(),
            tls_cert_hash: Sha256::digest(certificate.contents()).to_vec().into(),
            ..ChannelHeader::default()
        };
        let nonce = Bytes::from(rand::random::<[u8; 24]>().to_vec());
        let signature_header = SignatureHeader { creator: self.signer.serialized(), nonce };
        let header = Header {
            channel_header: channel_header.encode_to_vec().into(),
            signature_header: signature_header.encode_to_vec().into(),
        };
        let info = SeekInfo {
            start: Some(SeekPosition { r#type: Some(start) }),
            stop: Some(SeekPosition { r#type: Some(stop) }),
            behavior: seek_info::SeekBehavior::BlockUntilReady as i32,
            ..SeekInfo::default()
        };
        let payload = Payload { header: Some(header), data: info.encode_to_vec().into() };
        self.sign(payload.encode_to_vec().into())
    }
}

pub(crate) fn oldest() -> seek_position::Type {
    seek_position::Type::Oldest(SeekOldest {})
}

pub(crate) fn newest() -> seek_position::Type {
    seek_position::Type::Newest(SeekNewest {})
}

pub(crate) fn number(number: u64) -> seek_position::Type {
    seek_position::Type::Specified(SeekSpecified { number })
}

/// One request on a stream that stays open, as the tool leaves it.
fn open(envelope: Envelope) -> impl Stream<Item = Envelope> + Send + 'static {
    stream::iter([envelope]).chain(stream::pending())
}

async fn timed<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("an answer in time")
}

pub(crate) fn at(time: SystemTime) -> prost_types::Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap();
    prost_types::Timestamp { seconds: since.as_secs() as i64, nanos: since.subsec_nanos() as i32 }
}
