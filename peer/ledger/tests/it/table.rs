//! Rows V1 to V17 of the threat table that the ledger answers.

use bytes::Bytes;
use carecord_ledger::Error;
use carecord_ledger::definition::{LIFECYCLE, sequence_key};
use carecord_proto::common::{BlockMetadataIndex, Payload};
use carecord_proto::protos::{ChaincodeEvent, Transaction, TxValidationCode as Code};
use carecord_proto::rwset::RwSetBuilder;
use carecord_proto::{block, envelope};
use prost::Message;

use crate::channel::{BOTH, Channel, put};
use crate::network::key_policy;
use crate::support::commit;

/// Commits a block that must be refused, and checks that nothing changed and the ledger goes on.
fn refused(channel: &Channel, block: &carecord_proto::common::Block, reason: &str) {
    let height = channel.ledger.height();
    let error = commit(&channel.ledger, block).unwrap_err();
    assert!(matches!(error, Error::Block { .. }), "{error}");
    assert!(error.to_string().contains(reason), "{error}");
    assert_eq!(channel.ledger.height(), height);
    let next = channel.tx("either", &[0], put("either", "next", "v"));
    assert_eq!(channel.codes(vec![next]), [Code::Valid]);
}

#[test]
fn v1_v2_v3_blocks_that_can_be_read_in_two_ways_are_refused() {
    let channel = Channel::new();
    let tx = || channel.tx("either", &[0], put("either", "k", "v"));
    let joined = Bytes::from([tx(), tx()].concat());
    let unsigned = envelope::canonical("payload".into(), Bytes::new());
    let hollow = envelope::canonical(Bytes::new(), "signature".into());
    let cases = [
        (vec![joined], "trailing bytes"),
        (vec![tx(), Bytes::from([&b"\x1a\x01x"[..], &tx()].concat())], "transaction 1 "),
        (vec![], "empty block"),
        (vec![tx(), unsigned], "transaction 1 has no signature"),
        (vec![hollow], "transaction 0 has no payload"),
        (vec![tx(), Bytes::new()], "transaction 1 has no payload"),
    ];
    for (envelopes, reason) in cases {
        let block = channel.network.block(&channel.ledger, envelopes);
        refused(&channel, &block, reason);
    }
}

#[test]
fn v5_blocks_that_do_not_continue_the_chain_are_refused() {
    let channel = Channel::new();
    let good = || {
        let tx = channel.tx("either", &[0], put("either", "k", "v"));
        channel.network.block(&channel.ledger, vec![tx])
    };
    let mut number = good();
    number.header.as_mut().unwrap().number += 1;
    refused(&channel, &channel.network.sign(number), "expected block number");
    let mut previous = good();
    previous.header.as_mut().unwrap().previous_hash = Bytes::from_static(&[7; 32]);
    refused(&channel, &channel.network.sign(previous), "PreviousHash");
    let mut data = good();
    data.header.as_mut().unwrap().data_hash = Bytes::from_static(&[7; 32]);
    refused(&channel, &channel.network.sign(data), "DataHash");
    let mut metadata = good();
    metadata.metadata.as_mut().unwrap().metadata.truncate(4);
    refused(&channel, &metadata, "metadata");
    let mut unsigned = good();
    block::set_slot(&mut unsigned, BlockMetadataIndex::Signatures, Bytes::new());
    refused(&channel, &unsigned, "not signed as the channel asks");
    let mut foreign = channel.network.draft("either", put("either", "k", "v"));
    foreign.channel = "elsewhere".into();
    let foreign = channel.network.block(&channel.ledger, vec![foreign.envelope()]);
    refused(&channel, &foreign, "channel id");
}

#[test]
fn v6_v7_v10_v11_every_malformed_transaction_gets_its_code() {
    let channel = Channel::new();
    let draft = || channel.network.draft("either", put("either", "k", "v"));
    let with = |change: fn(&mut crate::network::Draft<'_>)| {
        let mut draft = draft();
        change(&mut draft);
        draft.envelope()
    };
    let payload =
        |payload: &'static [u8]| channel.network.seal(0, Bytes::from_static(payload), false);
    let two_actions = || {
        let mut draft = draft();
        let action = draft.action();
        draft.data =
            Some(Transaction { actions: vec![action.clone(), action] }.encode_to_vec().into());
        draft.envelope()
    };
    let event = ChaincodeEvent { chaincode_id: "other".into(), ..Default::default() };
    let other_event = || {
        let mut draft = draft();
        draft.event = event.encode_to_vec().into();
        draft.envelope()
    };
    let headless = Payload { header: None, data: Bytes::from_static(b"x") }.encode_to_vec();
    let cases = vec![
        (with(|_| ()), Code::Valid),
        (with(|draft| draft.channel = "elsewhere".into()), Code::TargetChainNotFound),
        (payload(b"\xff"), Code::BadPayload),
        (channel.network.seal(0, headless.into(), false), Code::BadCommonHeader),
        (with(|draft| draft.break_signature = true), Code::BadCreatorSignature),
        (with(|draft| draft.tx_id = Some("00".into())), Code::BadProposalTxid),
        (with(|draft| draft.header_type = 99), Code::BadCommonHeader),
        (with(|draft| draft.header_type = 4), Code::BadCommonHeader),
        (with(|draft| draft.header_type = 2), Code::UnsupportedTxPayload),
        (with(|draft| draft.epoch = 1), Code::BadCommonHeader),
        (with(|draft| draft.nonce = Bytes::new()), Code::BadCommonHeader),
        (two_actions(), Code::InvalidEndorserTransaction),
        (with(|draft| draft.endorse_other = true), Code::EndorsementPolicyFailure),
        (with(|draft| draft.endorsers.clear()), Code::EndorsementPolicyFailure),
        (with(|draft| draft.version.clear()), Code::InvalidChaincode),
        (with(|draft| draft.chaincode = "undefined".into()), Code::InvalidChaincode),
        (with(|draft| draft.results = Bytes::from_static(b"\xff")), Code::BadRwset),
        (other_event(), Code::InvalidOtherReason),
    ];
    let (envelopes, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    assert_eq!(channel.codes(envelopes), expected);
}

#[test]
fn v8_v9_an_id_is_spent_by_its_first_occurrence() {
    let channel = Channel::new();
    let valid = channel.tx("either", &[0], put("either", "k", "v"));
    let mut draft = channel.network.draft("both", put("both", "k", "v"));
    draft.endorsers = vec![0];
    let failing = draft.envelope();
    draft.endorsers = vec![0, 1];
    let mended = draft.envelope();
    let block = vec![valid.clone(), valid.clone(), failing.clone(), mended.clone(), mended.clone()];
    let expected = [
        Code::Valid,
        Code::DuplicateTxid,
        Code::EndorsementPolicyFailure,
        Code::Valid,
        Code::DuplicateTxid,
    ];
    let committed = channel.commit(block);
    assert_eq!(committed.transactions.iter().map(|tx| tx.code).collect::<Vec<_>>(), expected);
    assert_eq!(channel.codes(vec![valid, failing, mended]), [Code::DuplicateTxid; 3]);
    let status = channel.ledger.tx_status(&draft.tx_id()).unwrap().unwrap();
    assert_eq!((status.block, status.tx), (committed.number, 2));
    assert_eq!(status.code, Code::EndorsementPolicyFailure);
    let mut wrong = channel.network.draft("either", RwSetBuilder::new());
    wrong.tx_id = Some("claimed".into());
    assert_eq!(channel.codes(vec![wrong.envelope()]), [Code::BadProposalTxid]);
    assert_eq!(channel.ledger.tx_status("claimed").unwrap().unwrap().code, Code::BadProposalTxid);
}

#[test]
fn v11_system_namespaces_are_guarded() {
    let channel = Channel::new();
    let write_into = |namespace: &str| {
        let mut rwset = put("either", "k", "v");
        rwset.add_write(namespace, "x", "y".into());
        rwset
    };
    let cases = [
        (channel.tx("either", &[0, 1], write_into("lscc")), Code::InvalidChaincode),
        (channel.tx("either", &[0, 1], write_into("qscc")), Code::InvalidChaincode),
        (channel.tx("either", &[0, 1], write_into("cscc")), Code::InvalidChaincode),
        (channel.tx("either", &[0], write_into(LIFECYCLE)), Code::EndorsementPolicyFailure),
        (channel.tx("either", &[0, 1], write_into(LIFECYCLE)), Code::Valid),
        (channel.tx("either", &[0], write_into("both")), Code::EndorsementPolicyFailure),
    ];
    let (envelopes, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    assert_eq!(channel.codes(envelopes), expected);
    let mut twice = channel.network.draft("either", RwSetBuilder::new());
    let once = put("either", "k", "v").build().public;
    twice.results = Bytes::from([&once[..], &once[..]].concat());
    assert_eq!(channel.codes(vec![twice.envelope()]), [Code::IllegalWriteset]);
}

#[test]
fn v12_the_policies_of_keys_and_collections_count() {
    let channel = Channel::new();
    let metadata = |key: &str| {
        let mut rwset = RwSetBuilder::new();
        rwset.add_metadata_write("either", key, &key_policy(BOTH));
        rwset
    };
    let private = |collection: &str| {
        let mut rwset = RwSetBuilder::new();
        rwset.add_private_write("either", collection, "k", "v".into());
        rwset
    };
    let mut guarded = put("either", "k", "v");
    guarded.add_metadata_write("either", "k", &key_policy(BOTH));
    assert_eq!(channel.codes(vec![channel.tx("either", &[0], guarded)]), [Code::Valid]);
    let failed = Code::EndorsementPolicyFailure;
    let cases = [
        (channel.tx("either", &[0], put("either", "k", "w")), failed),
        (channel.tx("either", &[0], metadata("k")), failed),
        (channel.tx("either", &[0, 1], put("either", "k", "w")), Code::Valid),
        (channel.tx("either", &[0, 1], metadata("k")), Code::Valid),
        (channel.tx("either", &[0, 1], put("either", "k", "x")), failed),
        (channel.tx("either", &[0], private("plain")), Code::Valid),
        (channel.tx("either", &[0], private("strict")), failed),
        (channel.tx("either", &[0, 1], private("strict")), Code::Valid),
        (channel.tx("either", &[0], private("_implicit_org_Org1MSP")), Code::Valid),
        (channel.tx("either", &[0], private("_implicit_org_Org2MSP")), failed),
    ];
    let (envelopes, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    assert_eq!(channel.codes(envelopes), expected);
    assert_eq!(channel.get("either", "k").unwrap(), "w");
}

#[test]
fn v13_stale_reads_and_phantoms_are_conflicts() {
    let channel = Channel::new();
    channel.codes(vec![channel.tx("either", &[0], put("either", "b", "1"))]);
    let simulate = |run: fn(&mut carecord_ledger::Simulator<'_>)| {
        let mut simulator = channel.ledger.simulator("tx").unwrap();
        run(&mut simulator);
        let mut draft = channel.network.draft("either", RwSetBuilder::new());
        draft.results = simulator.done().public;
        draft.envelope()
    };
    let read = |simulator: &mut carecord_ledger::Simulator<'_>| {
        simulator.get("either", "b").unwrap();
        simulator.get(LIFECYCLE, &sequence_key("either")).unwrap();
    };
    let scan = |simulator: &mut carecord_ledger::Simulator<'_>| {
        let id = simulator.range("either", "a", "d").unwrap();
        assert_eq!(simulator.next_batch(id).unwrap().rows.len(), 1);
    };
    let hashed = |simulator: &mut carecord_ledger::Simulator<'_>| {
        assert_eq!(simulator.private_hash("either", "plain", "p").unwrap(), None);
    };
    let (reader, scanner, hash_reader) = (simulate(read), simulate(scan), simulate(hashed));
    let early = vec![simulate(read), simulate(scan), simulate(hashed)];
    assert_eq!(channel.codes(early), [Code::Valid; 3]);
    let mut private = put("either", "c", "new");
    private.add_private_write("either", "plain", "p", "secret".into());
    private.add_write("either", "b", "2".into());
    let in_block =
        vec![channel.tx("either", &[0], private), simulate(read), simulate(scan), simulate(hashed)];
    let conflicts =
        [Code::Valid, Code::MvccReadConflict, Code::PhantomReadConflict, Code::MvccReadConflict];
    assert_eq!(channel.codes(in_block), conflicts);
    assert_eq!(channel.codes(vec![reader, scanner, hash_reader]), conflicts[1..]);
}

#[test]
fn hashed_keys_vanish_when_their_blocks_to_live_are_over() {
    let channel = Channel::new();
    let mut rwset = RwSetBuilder::new();
    rwset.add_private_write("either", "short", "k", "v".into());
    channel.codes(vec![channel.tx("either", &[0], rwset)]);
    let hash = || {
        let mut simulator = channel.ledger.simulator("query").unwrap();
        simulator.private_hash("either", "short", "k").unwrap()
    };
    for alive in [true, true, true, false] {
        assert_eq!(hash().is_some(), alive, "at height {}", channel.ledger.height());
        channel.codes(vec![channel.tx("either", &[0], put("either", "tick", "v"))]);
    }
    channel.replays_equal();
}

#[test]
fn v17_a_failing_state_database_halts_the_ledger_and_marks_nothing_invalid() {
    let channel = Channel::new();
    let tx = channel.tx("either", &[0], put("either", "k", "v"));
    let block = channel.network.block(&channel.ledger, vec![tx]);
    channel.engine.fail_after(0);
    assert!(matches!(commit(&channel.ledger, &block), Err(Error::State(_))));
    let again = commit(&channel.ledger, &block).unwrap_err();
    assert!(again.to_string().contains("has stopped: state database: write failed"), "{again}");
    assert_eq!(channel.ledger.height(), 2);
}

#[test]
fn the_history_of_a_key_is_told_newest_first() {
    let channel = Channel::new();
    for (by, value) in [(&[0][..], "1"), (&[1], "2"), (&[], "never"), (&[0], "")] {
        channel.codes(vec![channel.tx("either", by, put("either", "k", value))]);
    }
    let history = channel.ledger.history("either", "k").unwrap();
    let told: Vec<_> = history.iter().map(|m| (&m.value[..], m.is_delete)).collect();
    assert_eq!(told, [(&b""[..], true), (b"2", false), (b"1", false)]);
    assert!(channel.ledger.history("either", "").unwrap().is_empty());
    assert_eq!(channel.version("either", "k"), None);
}
