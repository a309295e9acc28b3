//! Seven inputs that crash, hang or halt a Fabric 3.1.5 peer: here each gets its code and the ledger goes on.

use bytes::Bytes;
use carecord_proto::proposal::proposal_hash;
use carecord_proto::protos::{
    ChaincodeActionPayload, ChaincodeEndorsedAction, ProposalResponsePayload, Transaction,
    TransactionAction, TxValidationCode as Code,
};
use carecord_proto::rwset::{KeyMetadata, RwSetBuilder};
use prost::Message;

use crate::channel::{Channel, put};
use crate::network::{Draft, key_policy};

fn metadata(key: &str, metadata: &KeyMetadata) -> RwSetBuilder {
    let mut rwset = RwSetBuilder::new();
    rwset.add_metadata_write("either", key, metadata);
    rwset
}

fn with_action(mut draft: Draft<'_>, payload: Bytes) -> Bytes {
    let header = draft.header().signature_header;
    let transaction = Transaction { actions: vec![TransactionAction { header, payload }] };
    draft.data = Some(transaction.encode_to_vec().into());
    draft.envelope()
}

#[test]
fn a_transaction_without_actions_is_invalid_and_its_neighbours_are_not() {
    let channel = Channel::new();
    let mut empty = channel.network.draft("either", RwSetBuilder::new());
    empty.data = Some(Bytes::new());
    let neighbours = || channel.tx("either", &[0], put("either", "k", "v"));
    let codes = channel.codes(vec![neighbours(), empty.envelope(), neighbours()]);
    assert_eq!(codes, [Code::Valid, Code::InvalidEndorserTransaction, Code::Valid]);
}

#[test]
fn an_action_without_an_endorsed_action_is_invalid() {
    let channel = Channel::new();
    let payload = ChaincodeActionPayload::default().encode_to_vec().into();
    let hollow = with_action(channel.network.draft("either", RwSetBuilder::new()), payload);
    let codes = channel.codes(vec![hollow, channel.tx("either", &[0], put("either", "k", "v"))]);
    assert_eq!(codes, [Code::InvalidEndorserTransaction, Code::Valid]);
}

#[test]
fn malformed_bodies_before_a_writing_transaction_keep_their_codes() {
    let channel = Channel::new();
    let draft = || channel.network.draft("either", RwSetBuilder::new());
    let garbage = Bytes::from_static(b"\xff\xff\xff");
    let mut data = draft();
    data.data = Some(garbage.clone());
    let action_payload = with_action(draft(), garbage.clone());
    let answered = |draft: Draft<'_>, answer: Bytes| {
        let action =
            ChaincodeEndorsedAction { proposal_response_payload: answer, endorsements: vec![] };
        let payload = ChaincodeActionPayload { action: Some(action), ..Default::default() };
        with_action(draft, payload.encode_to_vec().into())
    };
    let response_payload = answered(draft(), garbage.clone());
    let action = draft();
    let header = action.header();
    let hash = proposal_hash(&header.channel_header, &header.signature_header, &[]);
    let answer = ProposalResponsePayload {
        proposal_hash: Bytes::copy_from_slice(&hash),
        extension: garbage,
    };
    let chaincode_action = answered(action, answer.encode_to_vec().into());
    let writer = channel.tx("either", &[0], metadata("k", &key_policy(crate::channel::BOTH)));
    let last = channel.tx("either", &[0], put("either", "other", "v"));
    let block =
        vec![data.envelope(), action_payload, response_payload, chaincode_action, writer, last];
    let malformed = Code::InvalidEndorserTransaction;
    let expected =
        [malformed, malformed, malformed, Code::BadResponsePayload, Code::Valid, Code::Valid];
    assert_eq!(channel.codes(block), expected);
}

#[test]
fn a_replayed_metadata_write_does_not_hold_up_a_write_of_the_key() {
    let channel = Channel::new();
    channel.codes(vec![channel.tx("either", &[0], put("either", "k", "v"))]);
    let change = channel.tx("either", &[0], metadata("k", &key_policy(crate::channel::BOTH)));
    assert_eq!(channel.codes(vec![change.clone()]), [Code::Valid]);
    let write = channel.tx("either", &[0, 1], put("either", "k", "w"));
    let alone = channel.tx("either", &[0], put("either", "k", "x"));
    let expected = [Code::DuplicateTxid, Code::Valid, Code::EndorsementPolicyFailure];
    assert_eq!(channel.codes(vec![change, write, alone]), expected);
    assert_eq!(channel.get("either", "k").unwrap(), "w");
}

#[test]
fn a_metadata_write_after_a_delete_in_the_same_block_does_nothing() {
    let channel = Channel::new();
    channel.codes(vec![channel.tx("either", &[0], put("either", "k", "v"))]);
    let delete = channel.tx("either", &[0], put("either", "k", ""));
    let change = channel.tx("either", &[0], metadata("k", &key_policy(crate::channel::BOTH)));
    assert_eq!(channel.codes(vec![delete, change]), [Code::Valid; 2]);
    assert_eq!(channel.get("either", "k"), None);
    assert_eq!(
        channel.codes(vec![channel.tx("either", &[1], put("either", "k", "w"))]),
        [Code::Valid]
    );
}

#[test]
fn a_key_whose_parameter_is_no_policy_cannot_be_written() {
    let channel = Channel::new();
    channel.codes(vec![channel.tx("either", &[0], put("either", "k", "v"))]);
    let unusable =
        KeyMetadata::from([("VALIDATION_PARAMETER".into(), Bytes::from_static(b"\xff\xff"))]);
    assert_eq!(
        channel.codes(vec![channel.tx("either", &[0], metadata("k", &unusable))]),
        [Code::Valid]
    );
    let write = channel.tx("either", &[0, 1], put("either", "k", "w"));
    let other = channel.tx("either", &[0], put("either", "other", "w"));
    assert_eq!(channel.codes(vec![write, other]), [Code::EndorsementPolicyFailure, Code::Valid]);
}

#[test]
fn a_hashed_write_into_a_collection_that_does_not_exist_is_invalid() {
    let channel = Channel::new();
    for collection in ["nowhere", "_implicit_org_NobodyMSP", ""] {
        let mut rwset = put("either", "k", "v");
        rwset.add_private_write("either", collection, "k", "v".into());
        let other = channel.tx("either", &[0], put("either", "other", "w"));
        let codes = channel.codes(vec![channel.tx("either", &[0, 1], rwset), other]);
        assert_eq!(codes, [Code::EndorsementPolicyFailure, Code::Valid], "{collection}");
    }
}
