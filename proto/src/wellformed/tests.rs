//! The rows V1 to V4 and O11 of the threat list, and that nothing panics on any bytes.

use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::common::{ChannelHeader, Header, Payload};

fn field(number: u8, content: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, content.len() as u8], content].concat()
}

fn good(payload: &[u8], signature: &[u8]) -> Vec<u8> {
    [field(1, payload), field(2, signature)].concat()
}

fn block_of(envelopes: &[Vec<u8>]) -> Block {
    crate::block::new(1, Bytes::new(), envelopes.iter().cloned().map(Bytes::from).collect())
}

/// What a block with a good transaction and then `raw` gets.
fn check(raw: Vec<u8>, expected: &str) {
    let verdict = check_block(&block_of(&[good(b"p", b"s"), raw]));
    assert_eq!(verdict.map_or_else(|error| error.to_string(), |()| "accepted".into()), expected);
}

fn ingress(raw: &[u8], expected: &str) {
    let verdict = check_envelope(raw);
    assert_eq!(verdict.map_or_else(|fault| fault.to_string(), |_| "accepted".into()), expected);
}

#[test]
fn a_cross_linked_block_has_trailing_bytes_though_its_data_hash_is_the_same() {
    let (first, second) = (good(b"tx0", b"sig"), good(b"tx1", b"sig"));
    let honest = block_of(&[first.clone(), second.clone()]);
    let moved = block_of(&[[first, second].concat()]);
    assert_eq!(honest.header.as_ref().unwrap().data_hash, moved.header.as_ref().unwrap().data_hash);
    assert_eq!(check_block(&honest), Ok(()));
    assert_eq!(check_block(&moved).unwrap_err().to_string(), "transaction 0 has 10 trailing bytes");
}

#[test]
fn only_the_canonical_order_and_shortest_lengths_are_accepted() {
    check(good(b"payload", b"sig"), "accepted");
    check([field(2, b"s"), field(1, b"p")].concat(), "transaction 1 does not match its raw form");
    check(
        [&[0x0a, 0x81, 0x00, b'p'], &field(2, b"s")[..]].concat(),
        "transaction 1 has 1 trailing bytes",
    );
    check([field(1, b"old"), good(b"p", b"s")].concat(), "transaction 1 has 5 trailing bytes");
    check([field(9, b"x"), good(b"p", b"s")].concat(), "transaction 1 does not match its raw form");
}

#[test]
fn unknown_fields_after_the_known_ones_are_accepted_in_a_block_but_not_at_the_ingress() {
    for unknown in
        [field(9, b"x"), vec![0x18, 0x07], vec![0x08, 0x01], vec![0x1b, 0x08, 0x01, 0x1c]]
    {
        let raw = [good(b"p", b"s"), unknown].concat();
        ingress(&raw, "has unknown fields");
        check(raw, "accepted");
    }
    check(
        [&good(b"p", b"s")[..], &[0x98, 0x00, 0x07]].concat(),
        "transaction 1 has 1 trailing bytes",
    );
}

#[test]
fn an_envelope_needs_a_payload_and_a_signature() {
    check(Vec::new(), "transaction 1 has no payload");
    check(field(2, b"s"), "transaction 1 has no payload");
    check(good(b"", b"s"), "transaction 1 has no payload");
    check(field(1, b"p"), "transaction 1 has no signature");
    check(good(b"p", b""), "transaction 1 has no signature");
    ingress(&good(b"p", b"s"), "accepted");
    ingress(&good(b"p", b""), "has no signature");
}

#[test]
fn what_is_no_message_is_refused_with_the_reason() {
    check(vec![0xff], "transaction 1 is invalid: broken varint");
    check(vec![0x0a, 0x05, 1], "transaction 1 is invalid: ends inside a field");
    check(vec![0x02, 0x00], "transaction 1 is invalid: field number out of range");
    check(vec![0x0e], "transaction 1 is invalid: reserved wire type");
    check(vec![0x1c], "transaction 1 is invalid: group ends that did not start");
    check(vec![0x1b; 20_000], "transaction 1 is invalid: groups are nested too deeply");
    check(vec![0xff; 11], "transaction 1 is invalid: broken varint");
    let longest = [&[0x18][..], &[0xff; 9], &[0x01]].concat();
    check([good(b"p", b"s"), longest].concat(), "accepted");
}

#[test]
fn a_block_needs_data() {
    assert_eq!(check_block(&Block::default()), Err(Error::EmptyBlock));
    assert_eq!(check_block(&block_of(&[])), Err(Error::EmptyBlock));
}

#[test]
fn a_single_configuration_envelope_is_exempt() {
    let header = ChannelHeader { r#type: HeaderType::Config as i32, ..ChannelHeader::default() };
    let header = Header { channel_header: header.encode_to_vec().into(), ..Header::default() };
    let payload = Payload { header: Some(header), data: Bytes::new() }.encode_to_vec();
    let unsigned = field(1, &payload);
    let alone = block_of(std::slice::from_ref(&unsigned));
    assert!(crate::block::is_config(&alone));
    assert_eq!(check_block(&alone), Ok(()));
    check(unsigned, "transaction 1 has no signature");
}

proptest! {
    #[test]
    fn no_bytes_make_the_scanner_panic(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = check_envelope(&raw);
        let _ = check_block(&block_of(&[raw.clone(), raw]));
    }

    #[test]
    fn what_the_ingress_accepts_is_exactly_what_encoding_it_again_gives(
        raw in proptest::collection::vec(prop_oneof![Just(0x0au8), Just(0x12), 0u8..6, any::<u8>()], 0..24)
    ) {
        let reencoded = Envelope::decode(&raw[..]).ok()
            .filter(|envelope| !envelope.payload.is_empty() && !envelope.signature.is_empty())
            .is_some_and(|envelope| envelope.encode_to_vec() == raw);
        prop_assert_eq!(check_envelope(&raw).is_ok(), reencoded);
    }

    #[test]
    fn canonical_envelopes_are_accepted_and_read_back(
        payload in proptest::collection::vec(any::<u8>(), 1..300),
        signature in proptest::collection::vec(any::<u8>(), 1..80),
    ) {
        let envelope = Envelope { payload: payload.into(), signature: signature.into() };
        let raw = Bytes::from(envelope.encode_to_vec());
        prop_assert_eq!(check_envelope(&raw), Ok(envelope.clone()));
        prop_assert_eq!(open_envelope(&raw), Ok(envelope));
    }

    #[test]
    fn accepted_data_has_one_reading(
        envelopes in proptest::collection::vec((1usize..40, 1usize..40), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let raw: Vec<Vec<u8>> = envelopes.iter().map(|(p, s)| good(&vec![1; *p], &vec![2; *s])).collect();
        let whole = raw.concat();
        let at = cut.index(whole.len());
        let split = block_of(&[whole[..at].to_vec(), whole[at..].to_vec()]);
        let honest = raw.len() == 2 && at == raw[0].len();
        prop_assert_eq!(check_block(&split).is_ok(), honest);
    }
}
