//! Private data of a peer's own organisation: noted when endorsed, kept with its block, there after every restart.

use std::path::Path;

use bytes::Bytes;
use carecord_ledger::{Ledger, NoteError, Options, SimulationError};
use carecord_proto::protos::TxValidationCode as Code;
use carecord_proto::rwset::RwSetBuilder;

use crate::channel::EITHER;
use crate::network::{Defined, Network};
use crate::support::commit;

const OWN: &str = "_implicit_org_Org1MSP";
const FOREIGN: &str = "_implicit_org_Org2MSP";
const CHAINCODE: &str = "either";

fn options() -> Options {
    Options { threads: 1, msp_id: Some("Org1MSP".to_owned()), ..Options::default() }
}

struct World {
    network: Network,
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> (Self, Ledger) {
        let world = World { network: Network::new(), dir: tempfile::tempdir().unwrap() };
        let ledger = Ledger::create(world.dir.path(), &world.network.genesis, options()).unwrap();
        let (name, policy) = (CHAINCODE, EITHER);
        let definition = Defined { name, policy, collections: Vec::new() };
        assert_eq!(world.commit(&ledger, vec![world.network.define(definition)]), [Code::Valid]);
        (world, ledger)
    }

    fn reopen(&self, ledger: Ledger) -> Ledger {
        drop(ledger);
        Ledger::open(self.dir.path(), options()).unwrap()
    }

    fn commit(&self, ledger: &Ledger, envelopes: Vec<Bytes>) -> Vec<Code> {
        let block = self.network.block(ledger, envelopes);
        let committed = commit(ledger, &block).unwrap();
        committed.transactions.iter().map(|tx| tx.code).collect()
    }

    /// A transaction that was simulated on this ledger; whether the ledger noted its private part is the test's choice.
    fn write(&self, ledger: &Ledger, noted: bool, writes: &[(&str, &str, &str)]) -> Bytes {
        let mut draft = self.network.draft(CHAINCODE, RwSetBuilder::new());
        draft.endorsers = vec![0];
        let mut simulator = ledger.simulator(&draft.tx_id()).unwrap();
        for (collection, key, value) in writes {
            let value = Bytes::copy_from_slice(value.as_bytes());
            simulator.set_private(CHAINCODE, collection, key, value).unwrap();
        }
        let simulated = simulator.done();
        if noted {
            ledger.note_private(&draft.tx_id(), &simulated).unwrap();
        }
        draft.results = simulated.public;
        draft.envelope()
    }
}

fn read(ledger: &Ledger, collection: &str, key: &str) -> Result<Option<Bytes>, SimulationError> {
    ledger.simulator("query").unwrap().get_private(CHAINCODE, collection, key)
}

fn value(ledger: &Ledger, key: &str) -> String {
    let value = read(ledger, OWN, key).unwrap().unwrap_or_default();
    String::from_utf8(value.to_vec()).unwrap()
}

#[test]
fn what_was_endorsed_here_is_there_once_committed_and_after_every_loss_of_state() {
    let (world, ledger) = World::new();
    let tx = world.write(&ledger, true, &[(OWN, "a", "1"), (OWN, "b", "2")]);
    assert_eq!(read(&ledger, OWN, "a").unwrap(), None, "not committed yet");
    let ledger = world.reopen(ledger);
    assert_eq!(world.commit(&ledger, vec![tx]), [Code::Valid]);
    assert_eq!((value(&ledger, "a"), value(&ledger, "b")), ("1".into(), "2".into()));

    let ledger = world.reopen(ledger);
    assert_eq!(value(&ledger, "a"), "1");
    drop(ledger);
    std::fs::remove_dir_all(world.dir.path().join("state")).unwrap();
    let ledger = Ledger::open(world.dir.path(), options()).unwrap();
    assert_eq!((value(&ledger, "a"), value(&ledger, "b")), ("1".into(), "2".into()));
}

#[test]
fn what_another_peer_endorsed_is_known_by_its_hash_alone() {
    let (world, ledger) = World::new();
    let tx = world.write(&ledger, false, &[(OWN, "a", "1")]);
    assert_eq!(world.commit(&ledger, vec![tx]), [Code::Valid]);
    let missing = read(&ledger, OWN, "a").unwrap_err();
    assert!(matches!(missing, SimulationError::NotHeld { .. }), "{missing}");
    // A later value that was endorsed here is held again; and one that was not takes the old one away.
    let tx = world.write(&ledger, true, &[(OWN, "a", "2")]);
    world.commit(&ledger, vec![tx]);
    assert_eq!(value(&ledger, "a"), "2");
    let tx = world.write(&ledger, false, &[(OWN, "a", "3")]);
    world.commit(&ledger, vec![tx]);
    assert!(matches!(read(&ledger, OWN, "a"), Err(SimulationError::NotHeld { .. })));
}

#[test]
fn the_last_write_in_a_block_counts_and_a_delete_takes_the_value_away() {
    let (world, ledger) = World::new();
    let first = world.write(&ledger, true, &[(OWN, "a", "1"), (OWN, "b", "1")]);
    let second = world.write(&ledger, true, &[(OWN, "a", "2")]);
    assert_eq!(world.commit(&ledger, vec![first, second]), [Code::Valid; 2]);
    assert_eq!((value(&ledger, "a"), value(&ledger, "b")), ("2".into(), "1".into()));
    let delete = world.write(&ledger, false, &[(OWN, "a", "")]);
    assert_eq!(world.commit(&ledger, vec![delete]), [Code::Valid]);
    assert_eq!(read(&ledger, OWN, "a").unwrap(), None);
    let rows = ledger.simulator("query").unwrap().private_range(CHAINCODE, OWN, ("", ""), 10);
    let keys: Vec<_> = rows.unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["b"]);
}

#[test]
fn plaintext_of_other_organisations_is_never_kept() {
    let (world, ledger) = World::new();
    let secret = "the-other-organisations-secret";
    let mut tx = world.network.draft(CHAINCODE, RwSetBuilder::new());
    tx.endorsers = vec![1];
    let mut simulator = ledger.simulator(&tx.tx_id()).unwrap();
    simulator.set_private(CHAINCODE, FOREIGN, "a", secret.into()).unwrap();
    let simulated = simulator.done();
    ledger.note_private(&tx.tx_id(), &simulated).unwrap();
    tx.results = simulated.public;
    assert_eq!(world.commit(&ledger, vec![tx.envelope()]), [Code::Valid]);
    assert!(matches!(read(&ledger, FOREIGN, "a"), Err(SimulationError::NotHeld { .. })));
    drop(ledger);
    assert!(!holds(&world.dir.path().join("private"), secret.as_bytes()));
}

#[test]
fn a_transaction_that_is_not_valid_leaves_no_plaintext_in_state() {
    let (world, ledger) = World::new();
    let mut simulator = ledger.simulator("x").unwrap();
    simulator.private_hash(CHAINCODE, OWN, "a").unwrap();
    let mut draft = world.network.draft(CHAINCODE, RwSetBuilder::new());
    draft.endorsers = vec![0];
    simulator.set_private(CHAINCODE, OWN, "a", "late".into()).unwrap();
    let simulated = simulator.done();
    ledger.note_private(&draft.tx_id(), &simulated).unwrap();
    draft.results = simulated.public;
    let first = world.write(&ledger, true, &[(OWN, "a", "first")]);
    let codes = world.commit(&ledger, vec![first, draft.envelope()]);
    assert_eq!(codes, [Code::Valid, Code::MvccReadConflict]);
    assert_eq!(value(&ledger, "a"), "first");
}

#[test]
fn a_scan_of_private_data_and_a_write_do_not_go_together() {
    let (_world, ledger) = World::new();
    let mut simulator = ledger.simulator("x").unwrap();
    simulator.private_range(CHAINCODE, OWN, ("", ""), 1).unwrap();
    let refused = simulator.set(CHAINCODE, "k", "v".into()).unwrap_err();
    assert!(refused.to_string().contains("Queries on pvt data"), "{refused}");
    let mut simulator = ledger.simulator("x").unwrap();
    simulator.set(CHAINCODE, "k", "v".into()).unwrap();
    assert!(simulator.private_range(CHAINCODE, OWN, ("", ""), 1).is_err());
}

#[test]
fn one_proposal_cannot_fill_the_folder() {
    let (_world, ledger) = World::new();
    let noted = |size: usize| {
        let mut simulator = ledger.simulator("one").unwrap();
        simulator.set_private(CHAINCODE, OWN, "k", vec![7; size].into()).unwrap();
        ledger.note_private("one", &simulator.done())
    };
    assert!(matches!(noted(17 << 20), Err(NoteError::TooLarge(_))));
    // At one height the same id takes one place, however often it is endorsed.
    for _ in 0..40 {
        noted(10).unwrap();
    }
}

fn holds(folder: &Path, text: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text)
    })
}
