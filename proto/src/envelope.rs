//! An envelope: signed payload with its two headers.
//!
//! Place in the flow: everything a client sends, an orderer orders and a peer validates is an envelope. Who builds one
//! signs the payload's bytes; who opens one keeps them.

use bytes::Bytes;
use prost::Message;
use prost_types::Timestamp;

use crate::common::{
    ChannelHeader, ConfigEnvelope, Envelope, Header, HeaderType, Payload, SignatureHeader,
};
use crate::hash::sha256;
use crate::orderer::SeekInfo;
use crate::{Malformed, decode};

/// Why an envelope could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A layer is not the message it should be.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The payload carries no header.
    #[error("envelope has no header")]
    NoHeader,
}

/// An envelope read down to its two headers; the bytes of each layer stay at hand.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// The payload; its header holds the exact bytes of both headers.
    pub payload: Payload,
    /// What the envelope is, for which channel.
    pub channel_header: ChannelHeader,
    /// Who made it, with which nonce.
    pub signature_header: SignatureHeader,
}

// === impl Opened ===

impl Opened {
    /// Reads payload, channel header and signature header.
    pub fn open(envelope: &Envelope) -> Result<Self, Error> {
        Self::open_payload(&envelope.payload)
    }

    /// The same from a payload alone, as a gateway prepares it before the client signs.
    pub fn open_payload(payload: &Bytes) -> Result<Self, Error> {
        let payload: Payload = decode("Payload", payload)?;
        let header = payload.header.as_ref().ok_or(Error::NoHeader)?;
        let channel_header = decode("ChannelHeader", &header.channel_header)?;
        let signature_header = decode("SignatureHeader", &header.signature_header)?;
        Ok(Self { payload, channel_header, signature_header })
    }

    /// The two headers' exact bytes.
    pub fn header(&self) -> &Header {
        self.payload.header.as_ref().expect("an opened payload has a header")
    }

    /// The header type; `None` for a number that has no name.
    pub fn kind(&self) -> Option<HeaderType> {
        HeaderType::try_from(self.channel_header.r#type).ok()
    }

    /// The transaction id that nonce and creator make.
    pub fn expected_tx_id(&self) -> String {
        tx_id(&self.signature_header.nonce, &self.signature_header.creator)
    }
}

/// A transaction's id: lower-case hex of the hash over nonce and creator.
pub fn tx_id(nonce: &[u8], creator: &[u8]) -> String {
    hex::encode(sha256(&[nonce, creator]))
}

/// A payload's bytes, ready to be signed.
pub fn payload(
    channel_header: &ChannelHeader,
    signature_header: &SignatureHeader,
    data: Bytes,
) -> Bytes {
    let header = Header {
        channel_header: channel_header.encode_to_vec().into(),
        signature_header: signature_header.encode_to_vec().into(),
    };
    Payload { header: Some(header), data }.encode_to_vec().into()
}

/// An envelope's canonical bytes, the only form in which it may stand in a block.
pub fn canonical(payload: Bytes, signature: Bytes) -> Bytes {
    Envelope { payload, signature }.encode_to_vec().into()
}

/// What a deliver request says beside its seek positions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeekHeader {
    /// The channel whose blocks are wanted.
    pub channel_id: String,
    /// The requester's serialised identity.
    pub creator: Bytes,
    /// May be empty: the official gateway clients send none.
    pub nonce: Bytes,
    /// When it was made; servers accept 15 minutes either way.
    pub timestamp: Timestamp,
    /// SHA-256 of the requester's TLS certificate, needed under mutual TLS.
    pub tls_cert_hash: Bytes,
}

/// The payload of a deliver request.
pub fn seek_payload(header: SeekHeader, seek: &SeekInfo) -> Bytes {
    let channel_header = ChannelHeader {
        r#type: HeaderType::DeliverSeekInfo as i32,
        timestamp: Some(header.timestamp),
        channel_id: header.channel_id,
        tls_cert_hash: header.tls_cert_hash,
        ..ChannelHeader::default()
    };
    let signature_header = SignatureHeader { creator: header.creator, nonce: header.nonce };
    payload(&channel_header, &signature_header, seek.encode_to_vec().into())
}

/// The payload of the CONFIG envelope that an orderer makes of an accepted update: no transaction id, no nanoseconds.
pub fn config_payload(
    channel_id: &str,
    config: &ConfigEnvelope,
    signature_header: &SignatureHeader,
    timestamp_seconds: i64,
) -> Bytes {
    let channel_header = ChannelHeader {
        r#type: HeaderType::Config as i32,
        timestamp: Some(Timestamp { seconds: timestamp_seconds, nanos: 0 }),
        channel_id: channel_id.to_owned(),
        ..ChannelHeader::default()
    };
    payload(&channel_header, signature_header, config.encode_to_vec().into())
}

/// The envelope of a genesis block: version 1, a transaction id over an empty creator, no signature.
pub fn genesis(
    channel_id: &str,
    config: &ConfigEnvelope,
    nonce: Bytes,
    timestamp_seconds: i64,
) -> Envelope {
    let channel_header = ChannelHeader {
        r#type: HeaderType::Config as i32,
        version: 1,
        timestamp: Some(Timestamp { seconds: timestamp_seconds, nanos: 0 }),
        channel_id: channel_id.to_owned(),
        tx_id: tx_id(&nonce, &[]),
        ..ChannelHeader::default()
    };
    let signature_header = SignatureHeader { creator: Bytes::new(), nonce };
    let payload = payload(&channel_header, &signature_header, config.encode_to_vec().into());
    Envelope { payload, signature: Bytes::new() }
}

/// The payload of a CONFIG_UPDATE envelope, as an administrator's client sends it to an orderer.
pub fn config_update_payload(
    channel_id: &str,
    update: &crate::common::ConfigUpdateEnvelope,
    signature_header: &SignatureHeader,
    timestamp: Timestamp,
) -> Bytes {
    let channel_header = ChannelHeader {
        r#type: HeaderType::ConfigUpdate as i32,
        timestamp: Some(timestamp),
        channel_id: channel_id.to_owned(),
        tx_id: tx_id(&signature_header.nonce, &signature_header.creator),
        ..ChannelHeader::default()
    };
    payload(&channel_header, signature_header, update.encode_to_vec().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seek_envelope_opens_to_what_was_put_in() {
        let header =
            SeekHeader { channel_id: "ward".into(), creator: "me".into(), ..SeekHeader::default() };
        let payload = seek_payload(header, &SeekInfo::default());
        let opened = Opened::open_payload(&payload).unwrap();
        assert_eq!(opened.kind(), Some(HeaderType::DeliverSeekInfo));
        assert_eq!(opened.channel_header.channel_id, "ward");
        assert_eq!(opened.signature_header.creator, "me");
    }

    #[test]
    fn a_genesis_envelope_has_a_transaction_id_but_no_creator_and_no_signature() {
        let envelope = genesis("ward", &ConfigEnvelope::default(), Bytes::from_static(b"nonce"), 7);
        let opened = Opened::open(&envelope).unwrap();
        assert!(envelope.signature.is_empty() && opened.signature_header.creator.is_empty());
        assert_eq!(opened.channel_header.tx_id, opened.expected_tx_id());
        assert_eq!(opened.channel_header.version, 1);
    }

    #[test]
    fn each_broken_layer_is_named() {
        let garbage = Bytes::from_static(b"\xff");
        let text = |envelope| Opened::open(&envelope).unwrap_err().to_string();
        let envelope = |payload: Payload| Envelope {
            payload: payload.encode_to_vec().into(),
            signature: Bytes::new(),
        };
        let header = |channel_header: &Bytes, signature_header: &Bytes| Header {
            channel_header: channel_header.clone(),
            signature_header: signature_header.clone(),
        };
        let with = |header| envelope(Payload { header, data: Bytes::new() });
        let broken = Envelope { payload: garbage.clone(), signature: Bytes::new() };
        assert!(text(broken).starts_with("error unmarshalling Payload: "));
        assert_eq!(text(with(None)), "envelope has no header");
        let first = with(Some(header(&garbage, &Bytes::new())));
        assert!(text(first).starts_with("error unmarshalling ChannelHeader: "));
        let second = with(Some(header(&Bytes::new(), &garbage)));
        assert!(text(second).starts_with("error unmarshalling SignatureHeader: "));
    }
}
