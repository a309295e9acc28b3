//! What Fabric's decoder reads where ours refuses: a known field with another wire type than its own.
//!
//! To Go such a field is an unknown one, so the message is read as if it were not there; `prost` refuses the message. In a
//! transaction the difference would be another validation code, and so another commit hash, than a Fabric peer has.
//! [`as_go`] drops such fields; it is only asked after a plain decode has failed, so ordinary messages do not pass here.

use bytes::{Buf, Bytes, BytesMut};
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};

/// Groups inside groups at most, as `prost` allows.
const MAX_DEPTH: u32 = 100;

#[derive(Clone, Copy)]
enum Kind {
    Varint,
    Bytes,
    Message(Fields),
}

use Kind::{Bytes as B, Message as M, Varint as V};

type Fields = &'static [(u32, Kind)];

const TIMESTAMP: Fields = &[(1, V), (2, V)];
const TWO_BYTES: Fields = &[(1, B), (2, B)];
const CHANNEL_HEADER: Fields =
    &[(1, V), (2, V), (3, M(TIMESTAMP)), (4, B), (5, B), (6, V), (7, B), (8, B)];
const PAYLOAD: Fields = &[(1, M(TWO_BYTES)), (2, B)];
const TRANSACTION: Fields = &[(1, M(TWO_BYTES))];
const ENDORSED_ACTION: Fields = &[(1, B), (2, M(TWO_BYTES))];
const CHAINCODE_ACTION_PAYLOAD: Fields = &[(1, B), (2, M(ENDORSED_ACTION))];
const RESPONSE: Fields = &[(1, V), (2, B), (3, B)];
const THREE_BYTES: Fields = &[(1, B), (2, B), (3, B)];
const CHAINCODE_ACTION: Fields = &[(1, B), (2, B), (3, M(RESPONSE)), (4, M(THREE_BYTES))];
const CHAINCODE_HEADER_EXTENSION: Fields = &[(2, M(THREE_BYTES))];
const CHAINCODE_EVENT: Fields = &[(1, B), (2, B), (3, B), (4, B)];
const NS_READ_WRITE_SET: Fields = &[(1, B), (2, B), (3, M(THREE_BYTES))];
const TX_READ_WRITE_SET: Fields = &[(1, V), (2, M(NS_READ_WRITE_SET))];
const VERSION: Fields = &[(1, V), (2, V)];
const READ: Fields = &[(1, B), (2, M(VERSION))];
const WRITE: Fields = &[(1, B), (2, V), (3, B), (4, V)];
const METADATA_WRITE: Fields = &[(1, B), (2, M(TWO_BYTES))];
const QUERY_READS: Fields = &[(1, M(READ))];
const MERKLE: Fields = &[(1, V), (2, V), (3, B)];
const RANGE_QUERY: Fields = &[(1, B), (2, B), (3, V), (4, M(QUERY_READS)), (5, M(MERKLE))];
const KV_RW_SET: Fields =
    &[(1, M(READ)), (2, M(RANGE_QUERY)), (3, M(WRITE)), (4, M(METADATA_WRITE))];
const HASHED_RW_SET: Fields = &[(1, M(READ)), (2, M(WRITE)), (3, M(METADATA_WRITE))];

/// The fields of the messages that a transaction is made of.
fn fields(layer: &str) -> Option<Fields> {
    Some(match layer {
        "Payload" => PAYLOAD,
        "Header" | "SignatureHeader" | "ProposalResponsePayload" => TWO_BYTES,
        "ChannelHeader" => CHANNEL_HEADER,
        "Transaction" => TRANSACTION,
        "ChaincodeActionPayload" => CHAINCODE_ACTION_PAYLOAD,
        "ChaincodeAction" => CHAINCODE_ACTION,
        "ChaincodeHeaderExtension" => CHAINCODE_HEADER_EXTENSION,
        "ChaincodeEvent" => CHAINCODE_EVENT,
        "TxReadWriteSet" => TX_READ_WRITE_SET,
        "KVRWSet" => KV_RW_SET,
        "HashedRWSet" => HASHED_RW_SET,
        _ => return None,
    })
}

/// The message without the fields that Go does not take for its own; `None` if it is no message to Go either.
pub(crate) fn as_go(layer: &str, message: &Bytes) -> Option<Bytes> {
    strip(fields(layer)?, message.clone())
}

fn strip(fields: Fields, mut message: Bytes) -> Option<Bytes> {
    let mut kept = BytesMut::with_capacity(message.len());
    while message.has_remaining() {
        let start = message.clone();
        let (number, wire_type) = decode_key(&mut message).ok()?;
        let content = skip(number, wire_type, &mut message, MAX_DEPTH)?;
        let known = fields.iter().find(|(known, _)| *known == number).map(|(_, kind)| *kind);
        match (known, wire_type) {
            (Some(M(inner)), WireType::LengthDelimited) => {
                let inner = strip(inner, content)?;
                encode_key(number, wire_type, &mut kept);
                encode_varint(inner.len() as u64, &mut kept);
                kept.extend_from_slice(&inner);
            }
            (None, _) | (Some(B), WireType::LengthDelimited) | (Some(V), WireType::Varint) => {
                kept.extend_from_slice(&start[..start.len() - message.len()]);
            }
            (Some(_), _) => {}
        }
    }
    Some(kept.freeze())
}

/// Steps over a field's content and gives it, for a length-delimited one without its length.
fn skip(number: u32, wire_type: WireType, message: &mut Bytes, depth: u32) -> Option<Bytes> {
    let fixed = match wire_type {
        WireType::Varint => {
            decode_varint(message).ok()?;
            0
        }
        WireType::SixtyFourBit => 8,
        WireType::ThirtyTwoBit => 4,
        WireType::LengthDelimited => usize::try_from(decode_varint(message).ok()?).ok()?,
        WireType::StartGroup => {
            skip_group(number, message, depth.checked_sub(1)?)?;
            0
        }
        WireType::EndGroup => return None,
    };
    (fixed <= message.len()).then(|| message.split_to(fixed))
}

fn skip_group(number: u32, message: &mut Bytes, depth: u32) -> Option<()> {
    loop {
        let (inner, wire_type) = decode_key(message).ok()?;
        if wire_type == WireType::EndGroup {
            return (inner == number).then_some(());
        }
        skip(inner, wire_type, message, depth)?;
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use crate::common::{ChannelHeader, Header, Payload};
    use crate::decode;
    use crate::rwset::TxRwSet;

    use super::*;

    fn payload() -> Payload {
        let header = Header { channel_header: "c".into(), signature_header: "s".into() };
        Payload { header: Some(header), data: "data".into() }
    }

    #[test]
    fn a_field_of_another_wire_type_is_as_if_it_were_not_there() {
        let whole = payload().encode_to_vec();
        for foreign in
            [&b"\x08\x07"[..], b"\x10\x01", b"\x0d1234", b"\x1112345678", b"\x13\x08\x01\x14"]
        {
            for message in [[foreign, &whole].concat(), [&whole, foreign].concat()] {
                let bytes = Bytes::from(message);
                assert!(Payload::decode(bytes.clone()).is_err(), "{foreign:?}");
                assert_eq!(decode::<Payload>("Payload", &bytes).unwrap(), payload(), "{foreign:?}");
            }
        }
    }

    #[test]
    fn it_goes_for_messages_inside_messages() {
        // KVRWSet.reads[0] = { key: "k", version given as a number }
        let kv = b"\x0a\x05\x0a\x01k\x10\x07";
        let set = [&b"\x12\x0d\x0a\x02ns\x12\x07"[..], kv].concat();
        let parsed = TxRwSet::from_bytes(&set.into()).unwrap();
        assert_eq!(parsed.namespaces[0].kv.reads[0].key, "k");
        assert_eq!(parsed.namespaces[0].kv.reads[0].version, None);
    }

    #[test]
    fn what_is_no_message_to_go_either_stays_refused() {
        for bad in [&b"\xff"[..], b"\x0a\x05abc", b"\x0c", b"\x0b\x14", b"\x00\x01", b"\x0f\x01"] {
            assert!(decode::<Payload>("Payload", &Bytes::from_static(bad)).is_err(), "{bad:?}");
        }
        let not_text = Bytes::from_static(b"\x22\x01\xff");
        assert!(decode::<ChannelHeader>("ChannelHeader", &not_text).is_err());
        let deep = Bytes::from(vec![0x0b; 100_000]);
        assert!(decode::<Payload>("Payload", &deep).is_err());
    }
}
