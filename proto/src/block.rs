//! A block: its header's DER form and hashes, and the five metadata slots.
//!
//! Place in the flow: the orderer makes blocks with [`new`] and fills slots 0 and 1; peers fill slots 2 and 4.
//! The bytes of the envelopes in a block are never encoded again.

use bytes::Bytes;
use prost::Message;

use crate::common::{
    Block, BlockData, BlockHeader, BlockMetadata, BlockMetadataIndex, ConfigEnvelope, HeaderType,
    LastConfig, Metadata, MetadataSignature, OrdererBlockMetadata,
};
use crate::envelope;
use crate::etcdraft;
use crate::hash::sha256;
use crate::{Malformed, decode, wellformed};

/// Slots of a block's metadata, filled or not.
pub const SLOTS: usize = 5;

/// Why a block's inside could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A block without envelopes names no channel.
    #[error("failed to retrieve channel id - block is empty")]
    Empty,
    /// A layer is not the message it should be.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The first envelope has no header.
    #[error(transparent)]
    Envelope(#[from] envelope::Error),
    /// The signature slot has no consenter metadata to read.
    #[error("no consenter metadata in block")]
    NoConsenterMetadata,
}

/// The ASN.1 DER form of a header, which is what its hash and the orderer's signature cover.
pub fn header_bytes(header: &BlockHeader) -> Vec<u8> {
    let number = der_unsigned(header.number);
    let mut body =
        Vec::with_capacity(number.len() + header.previous_hash.len() + header.data_hash.len() + 24);
    der(&mut body, 0x02, &number);
    der(&mut body, 0x04, &header.previous_hash);
    der(&mut body, 0x04, &header.data_hash);
    let mut out = Vec::with_capacity(body.len() + 10);
    der(&mut out, 0x30, &body);
    out
}

/// The hash that the next block names as its previous one.
pub fn header_hash(header: &BlockHeader) -> [u8; 32] {
    sha256(&[&header_bytes(header)])
}

/// The hash over a block's envelopes: their plain concatenation, so only well-formed ones may be hashed.
pub fn data_hash(data: &BlockData) -> [u8; 32] {
    let parts: Vec<&[u8]> = data.data.iter().map(Bytes::as_ref).collect();
    sha256(&parts)
}

/// A block of `data` with its data hash set and five empty metadata slots.
pub fn new(number: u64, previous_hash: Bytes, data: Vec<Bytes>) -> Block {
    let data = BlockData { data };
    let data_hash = Bytes::copy_from_slice(&data_hash(&data));
    Block {
        header: Some(BlockHeader { number, previous_hash, data_hash }),
        data: Some(data),
        metadata: Some(BlockMetadata { metadata: vec![Bytes::new(); SLOTS] }),
    }
}

/// The number in the header; a block without header has the number 0, as in Fabric.
pub fn number(block: &Block) -> u64 {
    block.header.as_ref().map_or(0, |header| header.number)
}

/// The envelopes of a block, as bytes.
pub fn envelopes(block: &Block) -> &[Bytes] {
    block.data.as_ref().map_or(&[], |data| &data.data)
}

// --- metadata slots ---

/// The bytes of a metadata slot; empty if the slot is missing.
pub fn slot(block: &Block, index: BlockMetadataIndex) -> &[u8] {
    slot_bytes(block, index).map_or(&[], Bytes::as_ref)
}

/// Fills a metadata slot; missing slots before it are made, empty.
pub fn set_slot(block: &mut Block, index: BlockMetadataIndex, bytes: Bytes) {
    let slots = &mut block.metadata.get_or_insert_default().metadata;
    if slots.len() < SLOTS {
        slots.resize(SLOTS, Bytes::new());
    }
    slots[index as usize] = bytes;
}

/// The signature slot: what the orderer signed, and its signatures.
pub fn signatures(block: &Block) -> Result<Metadata, Malformed> {
    decode(
        "Metadata",
        &slot_bytes(block, BlockMetadataIndex::Signatures).cloned().unwrap_or_default(),
    )
}

/// What the orderer says about a block in the signed part of slot 0.
pub fn orderer_metadata(block: &Block) -> Result<OrdererBlockMetadata, Malformed> {
    decode("OrdererBlockMetadata", &signatures(block)?.value)
}

/// The Raft ids and index of a block, from the signed part of slot 0.
pub fn consenter_metadata(block: &Block) -> Result<etcdraft::BlockMetadata, Error> {
    let metadata = orderer_metadata(block)?;
    if metadata.consenter_metadata.is_empty() {
        return Err(Error::NoConsenterMetadata);
    }
    let wrapped: Metadata = decode("Metadata", &metadata.consenter_metadata)?;
    Ok(decode("BlockMetadata", &wrapped.value)?)
}

/// The number of the configuration block in force; slot 1 answers only where slot 0 says nothing.
pub fn last_config(block: &Block) -> Result<u64, Malformed> {
    let signed = signatures(block)?;
    if signed.value.is_empty() {
        let old = slot_bytes(block, BlockMetadataIndex::LastConfig).cloned().unwrap_or_default();
        let old: Metadata = decode("Metadata", &old)?;
        return Ok(decode::<LastConfig>("LastConfig", &old.value)?.index);
    }
    let metadata: OrdererBlockMetadata = decode("OrdererBlockMetadata", &signed.value)?;
    Ok(metadata.last_config.map_or(0, |last| last.index))
}

/// The value that an orderer signs into slot 0.
pub fn orderer_metadata_value(last_config: u64, consenters: &etcdraft::BlockMetadata) -> Bytes {
    let wrapped = Metadata { value: consenters.encode_to_vec().into(), signatures: Vec::new() };
    let metadata = OrdererBlockMetadata {
        last_config: Some(LastConfig { index: last_config }),
        consenter_metadata: wrapped.encode_to_vec().into(),
    };
    metadata.encode_to_vec().into()
}

/// What an orderer's signature covers: slot 0's value, the signature header, the header's DER form.
pub fn signed_bytes(value: &[u8], signature_header: &[u8], header: &BlockHeader) -> Vec<u8> {
    [value, signature_header, &header_bytes(header)].concat()
}

/// Puts the signed value and its signature into slot 0, and the last configuration's number into slot 1.
pub fn set_signature(
    block: &mut Block,
    value: Bytes,
    signature_header: Bytes,
    signature: Bytes,
    last_config: u64,
) {
    let signature =
        MetadataSignature { signature_header, signature, identifier_header: Bytes::new() };
    let signed = Metadata { value, signatures: vec![signature] };
    set_slot(block, BlockMetadataIndex::Signatures, signed.encode_to_vec().into());
    let last = LastConfig { index: last_config };
    let last = Metadata { value: last.encode_to_vec().into(), signatures: Vec::new() };
    set_slot(block, BlockMetadataIndex::LastConfig, last.encode_to_vec().into());
}

/// The validation codes of a block's transactions, one byte each; empty before a peer has validated it.
pub fn flags(block: &Block) -> &[u8] {
    slot(block, BlockMetadataIndex::TransactionsFilter)
}

/// Writes the validation codes.
pub fn set_flags(block: &mut Block, flags: &[u8]) {
    set_slot(block, BlockMetadataIndex::TransactionsFilter, Bytes::copy_from_slice(flags));
}

/// The peer's commit hash; `None` where there is none, or it cannot be read.
pub fn commit_hash(block: &Block) -> Option<Bytes> {
    let bytes = slot_bytes(block, BlockMetadataIndex::CommitHash)?;
    let metadata: Metadata = decode("Metadata", bytes).ok()?;
    (!metadata.value.is_empty()).then_some(metadata.value)
}

/// Writes the peer's commit hash.
pub fn set_commit_hash(block: &mut Block, hash: &[u8]) {
    let metadata = Metadata { value: Bytes::copy_from_slice(hash), signatures: Vec::new() };
    set_slot(block, BlockMetadataIndex::CommitHash, metadata.encode_to_vec().into());
}

// --- contents ---

/// The channel that the first envelope names.
pub fn channel_id(block: &Block) -> Result<String, Error> {
    let first = envelopes(block).first().ok_or(Error::Empty)?;
    Ok(envelope::Opened::open(&decode("Envelope", first)?)?.channel_header.channel_id)
}

/// Whether a block is a configuration block: one envelope, and its header says CONFIG.
pub fn is_config(block: &Block) -> bool {
    block.data.as_ref().is_some_and(wellformed::is_config)
}

/// The configuration inside a configuration block, `None` in any other block.
pub fn config_envelope(block: &Block) -> Result<Option<ConfigEnvelope>, Error> {
    let [only] = envelopes(block) else { return Ok(None) };
    let opened = envelope::Opened::open(&decode("Envelope", only)?)?;
    if opened.kind() != Some(HeaderType::Config) {
        return Ok(None);
    }
    Ok(Some(decode("ConfigEnvelope", &opened.payload.data)?))
}

fn slot_bytes(block: &Block, index: BlockMetadataIndex) -> Option<&Bytes> {
    block.metadata.as_ref()?.metadata.get(index as usize)
}

// --- DER ---

fn der(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    let len = content.len();
    if len < 128 {
        out.push(len as u8);
    } else {
        let bytes = len.to_be_bytes();
        let skip = bytes.iter().take_while(|byte| **byte == 0).count();
        out.push(0x80 | (bytes.len() - skip) as u8);
        out.extend_from_slice(&bytes[skip..]);
    }
    out.extend_from_slice(content);
}

/// Minimal two's complement of a number that is never negative: a leading zero where the top bit is set.
fn der_unsigned(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let skip = bytes.iter().take_while(|byte| **byte == 0).count().min(7);
    let digits = &bytes[skip..];
    let mut out = Vec::with_capacity(9);
    if digits[0] & 0x80 != 0 {
        out.push(0);
    }
    out.extend_from_slice(digits);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(number: u64, previous: &str, data: &str) -> BlockHeader {
        let unhex = |text: &str| Bytes::from(hex::decode(text).unwrap());
        BlockHeader { number, previous_hash: unhex(previous), data_hash: unhex(data) }
    }

    #[test]
    fn header_hashes_are_those_of_a_real_chain() {
        let data_0 = "3da2816d14eb7476735cd61823d048c0163f4589b9047a9acb01e5795d632584";
        let hash_0 = "c522bb968c17f7c3db9dedc53c2011d2fd02605dde0d78fe81b1401c6511cd05";
        let data_1 = "ed38cb15bd072bdd5c078b6497a60d7e200c7a103d3b36d7a8403b42a88e7b58";
        let zero = header(0, "", data_0);
        assert_eq!(hex::encode(header_bytes(&zero)), format!("302702010004000420{data_0}"));
        assert_eq!(hex::encode(header_hash(&zero)), hash_0);
        let one = header(1, hash_0, data_1);
        assert_eq!(hex::encode(header_bytes(&one)), format!("30470201010420{hash_0}0420{data_1}"));
        assert_eq!(
            hex::encode(header_hash(&one)),
            "881bd8ad02c5999b47097c8d21df49c95c872c4afa4786548e00f022e3e72ea9"
        );
    }

    #[test]
    fn block_numbers_are_minimal_and_never_negative() {
        let check =
            |number, expected: &[u8]| assert_eq!(der_unsigned(number), expected, "{number}");
        check(0, &[0]);
        check(127, &[127]);
        check(128, &[0, 128]);
        check(256, &[1, 0]);
        check(u64::MAX, &[0, 255, 255, 255, 255, 255, 255, 255, 255]);
    }

    #[test]
    fn long_der_contents_have_long_lengths() {
        let mut out = Vec::new();
        der(&mut out, 0x04, &[7; 300]);
        assert_eq!(&out[..4], &[0x04, 0x82, 0x01, 0x2c]);
        assert_eq!(out.len(), 304);
    }

    #[test]
    fn the_signed_value_of_a_raft_block_is_that_of_a_real_chain() {
        let consenters = etcdraft::BlockMetadata {
            consenter_ids: vec![1, 2, 3],
            next_consenter_id: 4,
            raft_index: 5,
        };
        let value = orderer_metadata_value(0, &consenters);
        assert_eq!(hex::encode(value), "0a00120b0a090a0301020310041805");
    }

    #[test]
    fn a_new_block_has_five_empty_slots_and_takes_flags_and_a_commit_hash() {
        let mut block = new(3, Bytes::from_static(b"prev"), vec![Bytes::from_static(b"tx")]);
        assert_eq!(block.metadata.as_ref().unwrap().metadata.len(), SLOTS);
        assert!(flags(&block).is_empty() && commit_hash(&block).is_none());
        set_flags(&mut block, &[0, 11]);
        set_commit_hash(&mut block, b"hash");
        assert_eq!(flags(&block), [0, 11]);
        assert_eq!(commit_hash(&block).unwrap().as_ref(), b"hash");
        assert_eq!(last_config(&block), Ok(0));
    }
}
