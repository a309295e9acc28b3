//! Rows of the threat list that need more than one wrong field: identities in disguise, configurations, block signers.

use bytes::Bytes;
use carecord_ledger::Error;
use carecord_msp::{Signer, encode_pem};
use carecord_proto::common::{Envelope, Payload};
use carecord_proto::msp::SerializedIdentity;
use carecord_proto::protos::{
    ChaincodeActionPayload, Endorsement, Transaction, TransactionAction, TxValidationCode as Code,
};
use carecord_proto::{envelope, transaction};
use prost::Message;

use crate::channel::{Channel, put};
use crate::network::{Defined, Draft, EXPIRED};
use crate::support::commit;

/// A copy of a peer's endorsement: its identity as other bytes, its signature good or bad.
#[derive(Debug, Clone, Copy)]
struct Copied {
    peer: usize,
    disguised: bool,
    good: bool,
}

const PLAIN: Copied = Copied { peer: 0, disguised: false, good: true };

/// The transaction with exactly these endorsements.
fn endorsed_by(channel: &Channel, mut draft: Draft<'_>, copies: &[Copied]) -> Bytes {
    let mut payload = ChaincodeActionPayload::decode(draft.action().payload).unwrap();
    let mut action = payload.action.take().unwrap();
    let answer = action.proposal_response_payload.clone();
    let endorse = |copy: &Copied| {
        let peer = &channel.network.peers[copy.peer];
        let shown = if copy.disguised { disguised(&peer.serialized()) } else { peer.serialized() };
        let signed = transaction::endorsed_bytes(&answer, &shown);
        let signed = if copy.good { signed } else { b"something else".to_vec() };
        Endorsement { endorser: shown, signature: peer.sign(&signed).unwrap().into() }
    };
    action.endorsements = copies.iter().map(endorse).collect();
    payload.action = Some(action);
    let header = draft.header().signature_header;
    let action = TransactionAction { header, payload: payload.encode_to_vec().into() };
    draft.data = Some(Transaction { actions: vec![action] }.encode_to_vec().into());
    draft.envelope()
}

/// The same certificate in a PEM block with a text before it.
fn disguised(serialized: &Bytes) -> Bytes {
    let mut shown = SerializedIdentity::decode(serialized.clone()).unwrap();
    let text = [b"the same\n", &shown.id_bytes[..], b"\n\n"].concat();
    shown.id_bytes = text.into();
    shown.encode_to_vec().into()
}

#[test]
fn m5_m6_a_peer_counts_once_however_often_and_in_whatever_bytes_it_signs() {
    let channel = Channel::new();
    // Any two signers, also of one organisation: a copy that counted would be enough.
    let policy = "OutOf(2,'Org1MSP.peer','Org1MSP.peer','Org2MSP.peer')";
    let defined = Defined { name: "two", policy, collections: Vec::new() };
    assert_eq!(channel.codes(vec![channel.network.define(defined)]), [Code::Valid]);
    let other = Copied { peer: 1, ..PLAIN };
    let masked = Copied { disguised: true, ..PLAIN };
    let bad = Copied { good: false, ..PLAIN };
    let failed = Code::EndorsementPolicyFailure;
    let cases = [
        (vec![PLAIN, other], Code::Valid),
        (vec![PLAIN, PLAIN], failed),
        (vec![PLAIN, masked], failed),
        (vec![PLAIN, bad], failed),
        (vec![bad, PLAIN, other], Code::Valid),
        (vec![bad, other], failed),
    ];
    for (copies, expected) in cases {
        let draft = channel.network.draft("two", put("two", "k", "v"));
        let codes = channel.codes(vec![endorsed_by(&channel, draft, &copies)]);
        assert_eq!(codes, [expected], "{copies:?}");
    }
    let mut many = vec![PLAIN; 10_000];
    let draft = channel.network.draft("two", put("two", "k", "v"));
    let begun = std::time::Instant::now();
    let codes = channel.codes(vec![endorsed_by(&channel, draft, &many)]);
    let alone = begun.elapsed();
    assert_eq!(codes, [failed], "10,000 copies are one signer");
    many.push(other);
    let draft = channel.network.draft("two", put("two", "k", "v"));
    assert_eq!(channel.codes(vec![endorsed_by(&channel, draft, &many)]), [Code::Valid]);
    println!(
        "a transaction with 10,000 copies of an endorsement took {alone:?} to make and commit"
    );
}

#[test]
fn m7_a_certificate_that_has_expired_since_does_not_change_a_verdict() {
    let channel = Channel::new();
    let mut draft = channel.network.draft("either", put("either", "k", "v"));
    draft.client = EXPIRED;
    assert_eq!(channel.codes(vec![draft.envelope()]), [Code::Valid]);
    channel.replays_equal();
}

#[test]
fn v2_unknown_fields_behind_the_known_ones_are_accepted_as_fabric_does() {
    let channel = Channel::new();
    let tx = channel.tx("either", &[0], put("either", "k", "v"));
    let longer = Bytes::from([&tx[..], b"\x1a\x01x"].concat());
    assert_eq!(channel.codes(vec![longer]), [Code::Valid]);
}

#[test]
fn v4_what_a_configuration_block_holds_is_only_ever_read_as_configuration() {
    let whole = |channel: &Channel| {
        let mut draft = channel.network.draft("either", put("either", "k", "smuggled"));
        draft.header_type = 1;
        draft.tx_id = Some(String::new());
        draft.envelope()
    };
    let longer = |channel: &Channel| {
        let tx = channel.tx("either", &[0], put("either", "k", "smuggled"));
        Bytes::from([&whole(channel)[..], &tx[..]].concat())
    };
    let hollow = |channel: &Channel| {
        let opened = Envelope::decode(whole(channel)).unwrap();
        let header = Payload::decode(opened.payload).unwrap().header;
        let payload = Payload { header, data: Bytes::new() }.encode_to_vec();
        channel.network.seal(0, payload.into(), false)
    };
    let unsigned = |channel: &Channel| {
        let opened = Envelope::decode(whole(channel)).unwrap();
        envelope::canonical(opened.payload, Bytes::new())
    };
    let cases: [(&str, &dyn Fn(&Channel) -> Bytes, Result<Code, &str>); 4] = [
        ("a transaction", &whole, Err("configuration in block 2 refused: ")),
        ("a second envelope", &longer, Err("block 2 refused: failed to verify transactions")),
        ("nothing", &hollow, Err("configuration in block 2 refused: config envelope has nil")),
        ("no signature", &unsigned, Ok(Code::BadCreatorSignature)),
    ];
    for (name, make, expected) in cases {
        let channel = Channel::new();
        let block = channel.network.block(&channel.ledger, vec![make(&channel)]);
        let height = channel.ledger.height();
        match (commit(&channel.ledger, &block), expected) {
            (Err(error), Err(begin)) => {
                assert!(error.to_string().starts_with(begin), "{name}: {error}");
                assert_eq!(channel.ledger.height(), height, "{name}");
            }
            (Ok(committed), Ok(code)) => {
                assert_eq!(committed.transactions[0].code, code, "{name}");
                assert!(committed.bundle.is_none(), "{name}");
            }
            (outcome, _) => panic!("{name}: {outcome:?}"),
        }
        assert_eq!(channel.get("either", "k"), None, "{name}");
    }
}

#[test]
fn v5_only_the_orderers_sign_blocks() {
    let channel = Channel::new();
    let tx = channel.tx("either", &[0], put("either", "k", "v"));
    let good = channel.network.block(&channel.ledger, vec![tx]);
    let height = channel.ledger.height();
    for stranger in [&channel.network.peers[0], &channel.network.clients[1]] {
        let forged = channel.network.sign_as(stranger, good.clone());
        let error = commit(&channel.ledger, &forged).unwrap_err();
        assert!(matches!(error, Error::Block { .. }), "{error}");
        assert!(error.to_string().contains("not signed as the channel asks"), "{error}");
        assert_eq!(channel.ledger.height(), height);
    }
    commit(&channel.ledger, &good).unwrap();
}

#[test]
fn v7_a_creator_that_is_nobody_gets_the_code_of_a_bad_signature() {
    let channel = Channel::new();
    let creators = [
        Bytes::from_static(b"nobody"),
        SerializedIdentity {
            mspid: "Org1MSP".into(),
            id_bytes: encode_pem("CERTIFICATE", b"x").into(),
        }
        .encode_to_vec()
        .into(),
        SerializedIdentity { mspid: "NoMSP".into(), id_bytes: Bytes::from_static(b"x") }
            .encode_to_vec()
            .into(),
    ];
    for creator in creators {
        let tx = channel.tx("either", &[0], put("either", "k", "v"));
        let mut payload = Payload::decode(Envelope::decode(tx).unwrap().payload).unwrap();
        let header = payload.header.as_mut().unwrap();
        let mut signed_by =
            carecord_proto::common::SignatureHeader::decode(header.signature_header.clone())
                .unwrap();
        signed_by.creator = creator;
        header.signature_header = signed_by.encode_to_vec().into();
        let envelope = channel.network.seal(0, payload.encode_to_vec().into(), false);
        assert_eq!(channel.codes(vec![envelope]), [Code::BadCreatorSignature]);
    }
}
