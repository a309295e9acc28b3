//! Whether a block that came from somebody else is the next block of its channel.
//!
//! Place in the flow: a peer's puller and an orderer's catch-up call it before a block touches anything. The checks run in
//! Fabric's order and with its texts; the first that fails decides.

use std::sync::Arc;

use carecord_channel::policy::PolicyError;
use carecord_channel::{BLOCK_VALIDATION, Bundle, SignedData};
use carecord_proto::common::{Block, BlockHeader, SignatureHeader};
use carecord_proto::{Malformed, block, decode, wellformed};

/// Why a block is refused; whoever sent it is not asked again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no header to check.
    #[error("invalid block, header must be different from nil, channel={0}")]
    NoHeader(String),
    /// Not the next number.
    #[error(
        "expected block number is [{expected}] but actual block number inside block is [{found}]"
    )]
    Number {
        /// The number wanted.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// Not the successor of the block we have.
    #[error(
        "Header.PreviousHash of block [{number}] is different from Hash(block.Header) of previous block, \
         on channel [{channel}], received: {found}, expected: {expected}"
    )]
    PreviousHash {
        /// The block.
        number: u64,
        /// The channel.
        channel: String,
        /// What the block says.
        found: String,
        /// What our block's hash is.
        expected: String,
    },
    /// Fewer than five metadata slots.
    #[error(
        "block with id [{number}] on channel [{channel}] does not have metadata or contains too few entries"
    )]
    Metadata {
        /// The block.
        number: u64,
        /// The channel.
        channel: String,
    },
    /// An envelope in a form that could be read in two ways.
    #[error(
        "failed to verify transactions are well formed for block with id [{number}] on channel [{channel}]: {source}"
    )]
    Malformed {
        /// The block.
        number: u64,
        /// The channel.
        channel: String,
        /// The transaction and what is wrong with it.
        source: wellformed::Error,
    },
    /// The data are not those that the header was made for.
    #[error(
        "Header.DataHash is different from Hash(block.Data) for block with id [{number}] on channel [{channel}]; \
         Header: {found}, Data: {expected}"
    )]
    DataHash {
        /// The block.
        number: u64,
        /// The channel.
        channel: String,
        /// What the header says.
        found: String,
        /// What the data's hash is.
        expected: String,
    },
    /// The first transaction names another channel.
    #[error("Invalid block's channel id. Expected [{expected}]. Given [{found}]")]
    Channel {
        /// The channel that the block is for.
        expected: String,
        /// The channel that its first transaction names.
        found: String,
    },
    /// The signature slot cannot be read.
    #[error("error unmarshalling signatures from metadata: {0}")]
    Signatures(Malformed),
    /// A signature does not say whose it is.
    #[error("failed unmarshalling signature header for block {number}: {source}")]
    SignatureHeader {
        /// The block.
        number: u64,
        /// What the decoder met.
        source: Malformed,
    },
    /// The signatures do not satisfy the channel's policy for blocks.
    #[error("block [{number}] on channel [{channel}] is not signed as the channel asks: {source}")]
    Policy {
        /// The block.
        number: u64,
        /// The channel.
        channel: String,
        /// What the policy says.
        source: PolicyError,
    },
}

/// Checks the blocks of one channel under one configuration.
#[derive(Debug, Clone)]
pub struct BlockVerifier {
    bundle: Arc<Bundle>,
}

// === impl BlockVerifier ===

impl BlockVerifier {
    /// A verifier under the configuration in force.
    pub fn new(bundle: Arc<Bundle>) -> Self {
        Self { bundle }
    }

    /// Goes on with the configuration of a block that was just verified and taken.
    pub fn set_bundle(&mut self, bundle: Arc<Bundle>) {
        self.bundle = bundle;
    }

    /// Whether `block` is block `number` after the one whose header hash is `previous_hash`, and signed by orderers of
    /// the channel. Without a previous hash the chain is not checked.
    pub fn verify(
        &self,
        block: &Block,
        number: u64,
        previous_hash: Option<&[u8]>,
    ) -> Result<(), Error> {
        let channel = self.bundle.channel_id();
        check_structure(block, channel, number, previous_hash)?;
        self.verify_signatures(block)
    }

    /// The signatures alone, as for a block that came without its data.
    pub fn verify_signatures(&self, block: &Block) -> Result<(), Error> {
        let channel = self.bundle.channel_id();
        let header = block.header.as_ref().ok_or_else(|| Error::NoHeader(channel.to_owned()))?;
        let signed = signed_data(block, header)?;
        self.bundle.evaluate(BLOCK_VALIDATION, &signed).map_err(|source| Error::Policy {
            number: header.number,
            channel: channel.to_owned(),
            source,
        })
    }
}

/// Who signed a block, over what.
fn signed_data(block: &Block, header: &BlockHeader) -> Result<Vec<SignedData>, Error> {
    let metadata = block::signatures(block).map_err(Error::Signatures)?;
    let mut signed = Vec::with_capacity(metadata.signatures.len());
    for signature in metadata.signatures {
        let signer: SignatureHeader = decode("SignatureHeader", &signature.signature_header)
            .map_err(|source| Error::SignatureHeader { number: header.number, source })?;
        let data = block::signed_bytes(&metadata.value, &signature.signature_header, header);
        signed.push(SignedData {
            identity: signer.creator,
            data: data.into(),
            signature: signature.signature,
        });
    }
    Ok(signed)
}

/// The checks that need no key: number, previous hash, metadata, form of the envelopes, data hash, channel.
///
/// Without a `previous_hash` (the first block after a bare configuration) the chain is not checked.
pub fn check_structure(
    block: &Block,
    channel: &str,
    number: u64,
    previous_hash: Option<&[u8]>,
) -> Result<(), Error> {
    let header = block.header.as_ref().ok_or_else(|| Error::NoHeader(channel.to_owned()))?;
    check_place(header, channel, number, previous_hash)?;
    let slots = block.metadata.as_ref().map_or(0, |metadata| metadata.metadata.len());
    if slots < block::SLOTS {
        return Err(Error::Metadata { number, channel: channel.to_owned() });
    }
    wellformed::check_block(block).map_err(|source| Error::Malformed {
        number,
        channel: channel.to_owned(),
        source,
    })?;
    let data_hash = block.data.as_ref().map(block::data_hash).unwrap_or_default();
    if header.data_hash != data_hash.as_slice() {
        return Err(Error::DataHash {
            number,
            channel: channel.to_owned(),
            found: hex::encode(&header.data_hash),
            expected: hex::encode(data_hash),
        });
    }
    check_channel(block, channel)
}

/// A first transaction that cannot be read is left to the validator, which gives it a code.
fn check_channel(block: &Block, channel: &str) -> Result<(), Error> {
    match block::channel_id(block) {
        Ok(found) if found != channel => {
            Err(Error::Channel { expected: channel.to_owned(), found })
        }
        _ => Ok(()),
    }
}

fn check_place(
    header: &BlockHeader,
    channel: &str,
    number: u64,
    previous_hash: Option<&[u8]>,
) -> Result<(), Error> {
    if header.number != number {
        return Err(Error::Number { expected: number, found: header.number });
    }
    match previous_hash {
        Some(expected) if header.previous_hash != expected => Err(Error::PreviousHash {
            number,
            channel: channel.to_owned(),
            found: hex::encode(&header.previous_hash),
            expected: hex::encode(expected),
        }),
        _ => Ok(()),
    }
}
