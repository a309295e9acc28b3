//! A proposal: what a client asks a chaincode to do, before anybody has endorsed it.
//!
//! Place in the flow: the SDK builds it, gateway and endorser open it, and its hash ties every endorsement to it.
//! The transient part reaches chaincode but is left out of the hash and of the transaction.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;
use prost_types::Timestamp;

use crate::common::{ChannelHeader, Header, HeaderType, SignatureHeader};
use crate::envelope::tx_id;
use crate::hash::sha256;
use crate::protos::{
    ChaincodeHeaderExtension, ChaincodeId, ChaincodeInput, ChaincodeInvocationSpec,
    ChaincodeProposalPayload, ChaincodeSpec, Proposal, SignedProposal, chaincode_spec,
};
use crate::{Malformed, decode};

/// Why a proposal is refused before its creator is looked at. The texts are Fabric's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There are no proposal bytes at all.
    #[error("a signed proposal is required")]
    Missing,
    /// A layer is not the message it should be.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The header's extension names no chaincode.
    #[error("ChaincodeHeaderExtension.ChaincodeId is nil")]
    NoChaincodeId,
    /// The header's extension names a chaincode without name.
    #[error("ChaincodeHeaderExtension.ChaincodeId.Name is empty")]
    NoChaincodeName,
    /// The payload names no chaincode call.
    #[error("chaincode invocation spec did not contain chaincode spec")]
    NoSpec,
    /// The call has no input.
    #[error("chaincode input did not contain any input")]
    NoInput,
    /// Only endorser transactions, and CONFIG from old tools, may be proposed.
    #[error("invalid header type {0}")]
    HeaderType(String),
    /// The epoch is reserved and must be zero.
    #[error("epoch is non-zero")]
    Epoch,
    /// A transaction id needs a nonce.
    #[error("nonce is empty")]
    Nonce,
    /// A proposal needs a creator.
    #[error("creator is empty")]
    Creator,
    /// The header's id is not the hash of nonce and creator.
    #[error("incorrectly computed txid '{found}' -- expected '{expected}'")]
    TxId {
        /// What the header says.
        found: String,
        /// What it should say.
        expected: String,
    },
    /// A proposal must be signed.
    #[error("empty signature bytes")]
    Signature,
    /// Header and call name different chaincodes.
    #[error("chaincode '{spec}' of the call is not chaincode '{header}' of the header")]
    NamesDiffer {
        /// The name in the header's extension.
        header: String,
        /// The name in the call.
        spec: String,
    },
    /// The gateway needs a channel.
    #[error("no channel id provided")]
    GatewayChannel,
    /// The gateway needs a call.
    #[error("no chaincode spec is provided, channel id [{0}]")]
    GatewaySpec(String),
    /// The gateway needs a chaincode.
    #[error("no chaincode id is provided, channel id [{0}]")]
    GatewayChaincode(String),
    /// The gateway needs a chaincode's name.
    #[error("no chaincode name is provided, channel id [{0}]")]
    GatewayName(String),
}

/// What a client wants to propose.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// The channel; empty for calls to a peer alone.
    pub channel_id: String,
    /// The chaincode to call.
    pub chaincode: String,
    /// Function name and arguments.
    pub args: Vec<Bytes>,
    /// What chaincode may see but no ledger keeps.
    pub transient: BTreeMap<String, Bytes>,
    /// The caller's serialised identity.
    pub creator: Bytes,
    /// Fresh random bytes; Fabric's clients use 24.
    pub nonce: Bytes,
    /// When the proposal is made.
    pub timestamp: Timestamp,
    /// Whether this is the initialisation call of a chaincode that asks for one.
    pub is_init: bool,
}

/// The proposal that `request` describes, and its transaction id.
pub fn build_request(request: Request) -> (Proposal, String) {
    let id = ChaincodeId { name: request.chaincode, ..ChaincodeId::default() };
    let tx_id = tx_id(&request.nonce, &request.creator);
    let extension = ChaincodeHeaderExtension { chaincode_id: Some(id.clone()) };
    let channel_header = ChannelHeader {
        r#type: HeaderType::EndorserTransaction as i32,
        timestamp: Some(request.timestamp),
        channel_id: request.channel_id,
        tx_id: tx_id.clone(),
        extension: extension.encode_to_vec().into(),
        ..ChannelHeader::default()
    };
    let signature_header = SignatureHeader { creator: request.creator, nonce: request.nonce };
    let header = Header {
        channel_header: channel_header.encode_to_vec().into(),
        signature_header: signature_header.encode_to_vec().into(),
    };
    let input = ChaincodeInput {
        args: request.args,
        decorations: BTreeMap::new(),
        is_init: request.is_init,
    };
    let spec = ChaincodeSpec {
        r#type: chaincode_spec::Type::Golang as i32,
        chaincode_id: Some(id),
        input: Some(input),
        timeout: 0,
    };
    let invocation = ChaincodeInvocationSpec { chaincode_spec: Some(spec) };
    let payload = ChaincodeProposalPayload {
        input: invocation.encode_to_vec().into(),
        transient_map: request.transient,
    };
    let proposal = Proposal {
        header: header.encode_to_vec().into(),
        payload: payload.encode_to_vec().into(),
        extension: Bytes::new(),
    };
    (proposal, tx_id)
}

/// [`build_request`] for an ordinary call.
pub fn build(
    channel_id: &str,
    chaincode: &str,
    args: Vec<Bytes>,
    transient: BTreeMap<String, Bytes>,
    creator: Bytes,
    nonce: Bytes,
    timestamp: Timestamp,
) -> (Proposal, String) {
    build_request(Request {
        channel_id: channel_id.to_owned(),
        chaincode: chaincode.to_owned(),
        args,
        transient,
        creator,
        nonce,
        timestamp,
        is_init: false,
    })
}

/// The payload as it goes into a transaction: encoded again without the transient part.
pub fn payload_for_transaction(input: &Bytes) -> Bytes {
    let payload = ChaincodeProposalPayload { input: input.clone(), transient_map: BTreeMap::new() };
    payload.encode_to_vec().into()
}

/// The hash that an endorsement repeats; `payload` is the one without the transient part.
pub fn proposal_hash(channel_header: &[u8], signature_header: &[u8], payload: &[u8]) -> [u8; 32] {
    sha256(&[channel_header, signature_header, payload])
}

/// A proposal read through all its layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// The proposal.
    pub proposal: Proposal,
    /// The exact bytes of both headers.
    pub header: Header,
    /// The parsed channel header.
    pub channel_header: ChannelHeader,
    /// The parsed signature header.
    pub signature_header: SignatureHeader,
    /// The chaincode that the header names; this one is called.
    pub chaincode: String,
    /// The call and the transient part.
    pub payload: ChaincodeProposalPayload,
    /// The call.
    pub spec: ChaincodeSpec,
    /// What endorsements of this proposal must repeat.
    pub hash: [u8; 32],
}

// === impl Opened ===

impl Opened {
    /// Reads every layer; the first one that fails is named.
    pub fn open(signed: &SignedProposal) -> Result<Self, Error> {
        Self::open_bytes(&signed.proposal_bytes)
    }

    /// The same from the proposal's bytes alone.
    pub fn open_bytes(bytes: &Bytes) -> Result<Self, Error> {
        let proposal: Proposal = decode("Proposal", bytes)?;
        let header: Header = decode("Header", &proposal.header)?;
        let channel_header: ChannelHeader = decode("ChannelHeader", &header.channel_header)?;
        let signature_header = decode("SignatureHeader", &header.signature_header)?;
        let extension: ChaincodeHeaderExtension =
            decode("ChaincodeHeaderExtension", &channel_header.extension)?;
        let chaincode = extension.chaincode_id.ok_or(Error::NoChaincodeId)?.name;
        if chaincode.is_empty() {
            return Err(Error::NoChaincodeName);
        }
        let payload: ChaincodeProposalPayload =
            decode("ChaincodeProposalPayload", &proposal.payload)?;
        let invocation: ChaincodeInvocationSpec =
            decode("ChaincodeInvocationSpec", &payload.input)?;
        let spec = invocation.chaincode_spec.ok_or(Error::NoSpec)?;
        if spec.input.is_none() {
            return Err(Error::NoInput);
        }
        let stripped = payload_for_transaction(&payload.input);
        let hash = proposal_hash(&header.channel_header, &header.signature_header, &stripped);
        Ok(Self {
            proposal,
            header,
            channel_header,
            signature_header,
            chaincode,
            payload,
            spec,
            hash,
        })
    }

    /// The checks of a proposal that need no identity: type, epoch, nonce, creator, transaction id, one chaincode name.
    pub fn check(&self) -> Result<(), Error> {
        match HeaderType::try_from(self.channel_header.r#type) {
            Ok(HeaderType::EndorserTransaction | HeaderType::Config) => {}
            Ok(other) => return Err(Error::HeaderType(other.as_str_name().to_owned())),
            Err(_) => return Err(Error::HeaderType(self.channel_header.r#type.to_string())),
        }
        if self.channel_header.epoch != 0 {
            return Err(Error::Epoch);
        }
        if self.signature_header.nonce.is_empty() {
            return Err(Error::Nonce);
        }
        if self.signature_header.creator.is_empty() {
            return Err(Error::Creator);
        }
        let expected = tx_id(&self.signature_header.nonce, &self.signature_header.creator);
        if self.channel_header.tx_id != expected {
            return Err(Error::TxId { found: self.channel_header.tx_id.clone(), expected });
        }
        self.check_names()
    }

    /// Fabric calls the header's chaincode and ignores the other name; a difference is refused here.
    fn check_names(&self) -> Result<(), Error> {
        match &self.spec.chaincode_id {
            Some(id) if !id.name.is_empty() && id.name != self.chaincode => {
                Err(Error::NamesDiffer { header: self.chaincode.clone(), spec: id.name.clone() })
            }
            _ => Ok(()),
        }
    }

    /// The channel; empty for calls to a peer alone.
    pub fn channel_id(&self) -> &str {
        &self.channel_header.channel_id
    }

    /// The transaction id that the header claims.
    pub fn tx_id(&self) -> &str {
        &self.channel_header.tx_id
    }

    /// Function name and arguments.
    pub fn args(&self) -> &[Bytes] {
        self.spec.input.as_ref().map_or(&[], |input| &input.args)
    }

    /// Whether the client says that this is the initialisation call.
    pub fn is_init(&self) -> bool {
        self.spec.input.as_ref().is_some_and(|input| input.is_init)
    }

    /// What chaincode may see but no ledger keeps.
    pub fn transient(&self) -> &BTreeMap<String, Bytes> {
        &self.payload.transient_map
    }
}

/// Where the gateway must send a proposal, read from the call and not from the header's extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The channel.
    pub channel_id: String,
    /// The chaincode.
    pub chaincode: String,
    /// Whether transient data comes along, which only chosen organisations may see.
    pub has_transient: bool,
}

// === impl Target ===

impl Target {
    /// Reads channel and chaincode; the texts follow "failed to unpack transaction proposal: ".
    pub fn of(signed: &SignedProposal) -> Result<Self, Error> {
        if signed.proposal_bytes.is_empty() {
            return Err(Error::Missing);
        }
        let proposal: Proposal = decode("Proposal", &signed.proposal_bytes)?;
        let header: Header = decode("Header", &proposal.header)?;
        let channel_header: ChannelHeader = decode("ChannelHeader", &header.channel_header)?;
        let payload: ChaincodeProposalPayload =
            decode("ChaincodeProposalPayload", &proposal.payload)?;
        let invocation: ChaincodeInvocationSpec =
            decode("ChaincodeInvocationSpec", &payload.input)?;
        let channel_id = channel_header.channel_id;
        if channel_id.is_empty() {
            return Err(Error::GatewayChannel);
        }
        let Some(spec) = invocation.chaincode_spec else {
            return Err(Error::GatewaySpec(channel_id));
        };
        let Some(id) = spec.chaincode_id else { return Err(Error::GatewayChaincode(channel_id)) };
        if id.name.is_empty() {
            return Err(Error::GatewayName(channel_id));
        }
        Ok(Self {
            channel_id,
            chaincode: id.name,
            has_transient: !payload.transient_map.is_empty(),
        })
    }
}
