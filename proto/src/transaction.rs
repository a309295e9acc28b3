//! A transaction: a proposal, the one result its endorsers agreed on, and their signatures.
//!
//! Place in the flow: the gateway joins endorsements with [`build`]; the client signs; validator and committer open it
//! layer by layer. Each layer's failure has its own variant of [`Error`], because each has its own validation code.

use bytes::Bytes;
use prost::Message;

use crate::common::{Header, Payload, SignatureHeader};
use crate::envelope;
use crate::proposal;
use crate::protos::{
    ChaincodeAction, ChaincodeActionPayload, ChaincodeEndorsedAction, ChaincodeEvent, ChaincodeId,
    Endorsement, ProposalResponse, ProposalResponsePayload, Response, Transaction,
    TransactionAction,
};
use crate::{Malformed, decode};

/// Why endorsements cannot be joined to a transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// Nobody answered.
    #[error("at least one proposal response is required")]
    NoResponse,
    /// A response is missing, or its status says that the call failed.
    #[error("proposal response was not successful, error code {status}, msg {message}")]
    NotSuccessful {
        /// The response's status.
        status: i32,
        /// The response's message.
        message: String,
    },
    /// Two endorsers computed different results.
    #[error("ProposalResponsePayloads do not match")]
    Differ,
    /// No response carries an endorsement.
    #[error("no endorsements")]
    NoEndorsements,
}

/// Why a transaction could not be read down to its result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The payload's data is not a transaction.
    #[error("{0}")]
    Transaction(Malformed),
    /// A transaction has exactly one action.
    #[error("only one action per transaction is supported, tx contains {0}")]
    Actions(usize),
    /// The action's header cannot be read.
    #[error("{0}")]
    ActionHeader(Malformed),
    /// The action's header has no nonce.
    #[error("invalid nonce specified in the header")]
    ActionNonce,
    /// The action's header has no creator.
    #[error("invalid creator specified in the header")]
    ActionCreator,
    /// The action's payload cannot be read.
    #[error("{0}")]
    ActionPayload(Malformed),
    /// The action's payload holds no endorsed action.
    #[error("no payload in ChaincodeActionPayload")]
    NoEndorsedAction,
    /// What the endorsers signed cannot be read.
    #[error("{0}")]
    ResponsePayload(Malformed),
    /// The endorsers signed the answer to another proposal.
    #[error("proposal hash does not match")]
    ProposalHash,
    /// What the endorsers signed holds no result.
    #[error("response payload is missing extension")]
    NoExtension,
    /// The result cannot be read.
    #[error("{0}")]
    ChaincodeAction(Malformed),
}

/// The payload of the transaction that `responses` endorse, for the client to sign.
pub fn build(
    opened: &proposal::Opened,
    responses: &[ProposalResponse],
) -> Result<Bytes, BuildError> {
    let first = responses.first().ok_or(BuildError::NoResponse)?;
    let mut endorsements: Vec<Endorsement> = Vec::with_capacity(responses.len());
    for response in responses {
        check_response(response, &first.payload)?;
        let Some(endorsement) = &response.endorsement else { continue };
        if endorsements.iter().all(|known| known.endorser != endorsement.endorser) {
            endorsements.push(endorsement.clone());
        }
    }
    if endorsements.is_empty() {
        return Err(BuildError::NoEndorsements);
    }
    Ok(prepared(opened, first.payload.clone(), endorsements))
}

fn check_response(response: &ProposalResponse, expected: &Bytes) -> Result<(), BuildError> {
    let answer = response.response.clone().unwrap_or_default();
    if !(200..400).contains(&answer.status) {
        return Err(BuildError::NotSuccessful { status: answer.status, message: answer.message });
    }
    if response.payload != *expected {
        return Err(BuildError::Differ);
    }
    Ok(())
}

fn prepared(
    opened: &proposal::Opened,
    response_payload: Bytes,
    endorsements: Vec<Endorsement>,
) -> Bytes {
    let action = ChaincodeActionPayload {
        chaincode_proposal_payload: proposal::payload_for_transaction(&opened.payload.input),
        action: Some(ChaincodeEndorsedAction {
            proposal_response_payload: response_payload,
            endorsements,
        }),
    };
    let action = TransactionAction {
        header: opened.header.signature_header.clone(),
        payload: action.encode_to_vec().into(),
    };
    let transaction = Transaction { actions: vec![action] };
    let payload =
        Payload { header: Some(opened.header.clone()), data: transaction.encode_to_vec().into() };
    payload.encode_to_vec().into()
}

/// What an endorser signs: the answer to one proposal.
pub fn response_payload(
    proposal_hash: &[u8; 32],
    results: Bytes,
    event: Option<&ChaincodeEvent>,
    response: Response,
    chaincode: ChaincodeId,
) -> Bytes {
    let action = ChaincodeAction {
        results,
        events: event.map(|event| event.encode_to_vec().into()).unwrap_or_default(),
        response: Some(response),
        chaincode_id: Some(chaincode),
    };
    let payload = ProposalResponsePayload {
        proposal_hash: Bytes::copy_from_slice(proposal_hash),
        extension: action.encode_to_vec().into(),
    };
    payload.encode_to_vec().into()
}

/// The bytes under an endorsement: the answer, then the endorser's serialised identity.
pub fn endorsed_bytes(response_payload: &[u8], endorser: &[u8]) -> Vec<u8> {
    [response_payload, endorser].concat()
}

/// A transaction read down to what its endorsers signed.
#[derive(Debug, Clone, PartialEq)]
pub struct Endorsed {
    /// The header of the one action: the client's signature header again.
    pub action_header: SignatureHeader,
    /// The proposal's payload without the transient part.
    pub proposal_payload: Bytes,
    /// What every endorsement covers, as received.
    pub response_payload: Bytes,
    /// Who endorsed it.
    pub endorsements: Vec<Endorsement>,
    /// The parsed answer.
    pub answer: ProposalResponsePayload,
}

// === impl Endorsed ===

impl Endorsed {
    /// Reads the one action and checks that the endorsers answered this proposal.
    ///
    /// `header` and `data` are the payload's.
    pub fn open(header: &Header, data: &Bytes) -> Result<Self, Error> {
        let transaction: Transaction = decode("Transaction", data).map_err(Error::Transaction)?;
        let [action] = transaction.actions.as_slice() else {
            return Err(Error::Actions(transaction.actions.len()));
        };
        let action_header: SignatureHeader =
            decode("SignatureHeader", &action.header).map_err(Error::ActionHeader)?;
        if action_header.nonce.is_empty() {
            return Err(Error::ActionNonce);
        }
        if action_header.creator.is_empty() {
            return Err(Error::ActionCreator);
        }
        let payload: ChaincodeActionPayload =
            decode("ChaincodeActionPayload", &action.payload).map_err(Error::ActionPayload)?;
        let endorsed = payload.action.ok_or(Error::NoEndorsedAction)?;
        let answer: ProposalResponsePayload =
            decode("ProposalResponsePayload", &endorsed.proposal_response_payload)
                .map_err(Error::ResponsePayload)?;
        let hash = proposal::proposal_hash(
            &header.channel_header,
            &action.header,
            &payload.chaincode_proposal_payload,
        );
        if answer.proposal_hash != hash.as_slice() {
            return Err(Error::ProposalHash);
        }
        Ok(Self {
            action_header,
            proposal_payload: payload.chaincode_proposal_payload,
            response_payload: endorsed.proposal_response_payload,
            endorsements: endorsed.endorsements,
            answer,
        })
    }

    /// The result: read-write set, event, response and chaincode.
    pub fn action(&self) -> Result<ChaincodeAction, Error> {
        if self.answer.extension.is_empty() {
            return Err(Error::NoExtension);
        }
        decode("ChaincodeAction", &self.answer.extension).map_err(Error::ChaincodeAction)
    }
}

/// A transaction read all the way, for those who only want to look at it.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// Payload and headers.
    pub envelope: envelope::Opened,
    /// The endorsed answer.
    pub endorsed: Endorsed,
    /// The result; `results` are the bytes of the read-write set.
    pub action: ChaincodeAction,
}

/// Why a transaction could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The envelope could not be opened.
    #[error(transparent)]
    Envelope(#[from] envelope::Error),
    /// The transaction inside could not be opened.
    #[error(transparent)]
    Transaction(#[from] Error),
    /// The event could not be read.
    #[error(transparent)]
    Event(#[from] Malformed),
}

// === impl Opened ===

impl Opened {
    /// Reads all layers of a transaction's payload, signed or not.
    pub fn open_payload(payload: &Bytes) -> Result<Self, OpenError> {
        let envelope = envelope::Opened::open_payload(payload)?;
        let endorsed = Endorsed::open(envelope.header(), &envelope.payload.data)?;
        let action = endorsed.action()?;
        Ok(Self { envelope, endorsed, action })
    }

    /// The chaincode's event, if it set one.
    pub fn event(&self) -> Result<Option<ChaincodeEvent>, Malformed> {
        event(&self.action)
    }
}

/// The event of a result, if the chaincode set one.
pub fn event(action: &ChaincodeAction) -> Result<Option<ChaincodeEvent>, Malformed> {
    if action.events.is_empty() {
        return Ok(None);
    }
    decode("ChaincodeEvent", &action.events).map(Some)
}
