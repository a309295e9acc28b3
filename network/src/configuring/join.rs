//! A peer joins a channel: its administrator hands it the first block (`cscc` JoinChain), and it follows the orderers.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use carecord_comm::protos::endorser_client::EndorserClient;
use carecord_proto::common::Block;
use carecord_proto::protos::{ProposalResponse, SignedProposal};
use prost::Message;

use crate::codes::Code;
use crate::error::{Failure, Outcome};
use crate::session::Session;
use crate::state::{NodeEntry, UserEntry};

const NONCE_BYTES: usize = 24;
const CSCC: &str = "cscc";
const OK: i32 = 200;
const ALREADY: &str = "already exists";

/// Hands `peer` the first block of a channel; a peer that is on it already stays as it is.
pub async fn join_peer(
    session: &Session,
    peer: &NodeEntry,
    admin: &UserEntry,
    genesis: &Block,
) -> Outcome<()> {
    let args = vec!["JoinChain".into(), genesis.encode_to_vec().into()];
    let answer = call(session, peer, admin, "", CSCC, args).await?;
    let response = answer.response.unwrap_or_default();
    if response.status == OK || response.message.contains(ALREADY) {
        return Ok(());
    }
    Err(Failure::new(Code::ConfigRefused, format!("the peer did not join: {}", response.message))
        .at(&peer.name))
}

/// One proposal straight to one peer's endorser.
pub async fn call(
    session: &Session,
    peer: &NodeEntry,
    user: &UserEntry,
    channel: &str,
    chaincode: &str,
    args: Vec<Bytes>,
) -> Outcome<ProposalResponse> {
    let signer = session.signer(user)?;
    let mut nonce = vec![0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|error| Failure::new(Code::Certificate, error))?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = prost_types::Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since.subsec_nanos()).unwrap_or_default(),
    };
    let (proposal, _) = carecord_proto::proposal::build(
        channel,
        chaincode,
        args,
        Default::default(),
        signer.serialized(),
        nonce.into(),
        now,
    );
    let proposal_bytes = Bytes::from(proposal.encode_to_vec());
    let signature = signer
        .sign(&proposal_bytes)
        .map_err(|error| Failure::new(Code::Certificate, error))?
        .into();
    let mut client = EndorserClient::new(session.connect(peer, user)?)
        .max_encoding_message_size(carecord_comm::MAX_MESSAGE_BYTES);
    let answer = client.process_proposal(SignedProposal { proposal_bytes, signature }).await;
    Ok(answer.map_err(|status| crate::session::unreachable(peer, &status))?.into_inner())
}
