//! Whether a block that came from somebody else is the next block of its channel.
//!
//! Place in the flow: a peer's puller and an orderer's catch-up call it before a block touches anything. The checks run in
//! Fabric's order and with its texts; the first that fails decides.

use carecord_proto::common::{Block, BlockHeader};
use carecord_proto::{block, wellformed};

/// Why a block is refused; whoever sent it is not asked again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
}

/// The checks that need no key: number, previous hash, metadata, form of the envelopes, data hash.
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
    Ok(())
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
