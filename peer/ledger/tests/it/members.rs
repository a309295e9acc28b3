//! Collections with several members: what each peer holds, misses, is given later, and no longer has.

use std::path::Path;

use bytes::Bytes;
use carecord_ledger::{HashedKey, Ledger, Missing, Noted, Options, SimulationError, Spot};
use carecord_proto::hash::sha256;
use carecord_proto::protos::TxValidationCode as Code;
use carecord_proto::rwset::{RwSetBuilder, TxPvtRwSet};

use crate::channel::EITHER;
use crate::network::{Defined, Network, collection};
use crate::support::commit;

const CHAINCODE: &str = "either";
const WARDS: &str = "wards";
const SHORT: &str = "short";
const FIRST: &str = "the-name-of-the-first-key";
const SECRET: &str = "a-value-that-must-go-for-good";
const LATER: &str = "a-later-value-that-must-go-too";

/// One channel, and ledgers of peers of several organisations that all commit the same blocks.
struct World {
    network: Network,
    peers: Vec<Peer>,
}

struct Peer {
    dir: tempfile::TempDir,
    msp_id: &'static str,
    ledger: Option<Ledger>,
}

impl Peer {
    fn ledger(&self) -> &Ledger {
        self.ledger.as_ref().unwrap()
    }

    fn options(&self) -> Options {
        Options { threads: 1, msp_id: Some(self.msp_id.to_owned()), ..Options::default() }
    }

    fn reopen(&mut self) {
        self.ledger = None;
        self.ledger = Some(Ledger::open(self.dir.path(), self.options()).unwrap());
    }

    fn value(&self, collection: &str, key: &str) -> Result<Option<Bytes>, SimulationError> {
        self.ledger().simulator("query").unwrap().get_private(CHAINCODE, collection, key)
    }

    fn has(&self, key: &str, value: &str) -> bool {
        matches!(self.value(WARDS, key), Ok(Some(found)) if found == value.as_bytes())
    }

    fn missing(&self) -> Vec<Missing> {
        self.ledger().missing(None, 100).unwrap()
    }
}

/// A transaction, and what its endorser would hand to the members.
struct Written {
    envelope: Bytes,
    tx_id: String,
    set: TxPvtRwSet,
}

impl World {
    /// Peers of these organisations; `Org1MSP` and `Org2MSP` are members of the collections.
    fn new(msp_ids: &[&'static str]) -> Self {
        let network = Network::new();
        let peer = |msp_id: &&'static str| {
            let mut peer = Peer { dir: tempfile::tempdir().unwrap(), msp_id, ledger: None };
            let ledger = Ledger::create(peer.dir.path(), &network.genesis, peer.options());
            peer.ledger = Some(ledger.unwrap());
            peer
        };
        let peers = msp_ids.iter().map(peer).collect();
        let world = Self { network, peers };
        let collections = vec![collection(WARDS, None, 0), collection(SHORT, None, 2)];
        let definition = Defined { name: CHAINCODE, policy: EITHER, collections };
        world.commit(vec![world.network.define(definition)]);
        world
    }

    /// Commits a block everywhere; commit hashes are equal.
    fn commit(&self, envelopes: Vec<Bytes>) -> u64 {
        let block = self.network.block(self.peers[0].ledger(), envelopes);
        let mut hashes = Vec::new();
        for peer in &self.peers {
            let committed = commit(peer.ledger(), &block).unwrap();
            assert!(committed.transactions.iter().all(|tx| tx.code == Code::Valid));
            hashes.push(committed.commit_hash);
        }
        hashes.dedup();
        assert_eq!(hashes.len(), 1);
        self.peers[0].ledger().height() - 1
    }

    fn simulate(
        &self,
        work: impl FnOnce(&mut carecord_ledger::Simulator<'_>) -> Result<(), SimulationError>,
    ) -> Written {
        let mut draft = self.network.draft(CHAINCODE, RwSetBuilder::new());
        draft.endorsers = vec![0];
        let mut simulator = self.peers[0].ledger().simulator(&draft.tx_id()).unwrap();
        work(&mut simulator).unwrap();
        let simulated = simulator.done();
        draft.results = simulated.public;
        let set = TxPvtRwSet::from_bytes(&simulated.private.unwrap()).unwrap();
        Written { tx_id: draft.tx_id(), envelope: draft.envelope(), set }
    }

    fn put(&self, collection: &str, writes: &[(&str, &str)]) -> Written {
        self.simulate(|simulator| {
            writes.iter().try_for_each(|(key, value)| {
                let value = Bytes::copy_from_slice(value.as_bytes());
                simulator.set_private(CHAINCODE, collection, key, value)
            })
        })
    }

    fn purge(&self, keys: &[&str]) -> Written {
        self.simulate(|simulator| {
            keys.iter().try_for_each(|key| simulator.purge_private(CHAINCODE, WARDS, key))
        })
    }

    /// Gives a write set to these peers, as a push does.
    fn push(&self, written: &Written, to: &[usize]) {
        for peer in to {
            let ledger = self.peers[*peer].ledger();
            let set = ledger.own_part(written.set.clone()).unwrap();
            let (tx_id, source) = (written.tx_id.clone(), "Org1MSP".to_owned());
            let noted = Noted { tx_id, height: ledger.height(), source, set };
            ledger.note_sets(&[noted]).unwrap().pop().unwrap().unwrap();
        }
    }

    fn commit_pushed(&self, written: Written, to: &[usize]) -> u64 {
        self.push(&written, to);
        self.commit(vec![written.envelope])
    }
}

fn bytes_of(written: &Written) -> Bytes {
    written.set.namespaces[0].collections[0].bytes.clone()
}

fn take(ledger: &Ledger, missing: &Missing, bytes: Bytes) -> bool {
    ledger.take_missing(&[(missing.clone(), bytes)]).unwrap() == [true]
}

fn note_wanted(ledger: &Ledger, wanted: &Missing, bytes: Bytes) -> bool {
    ledger.note_wanted(&[(wanted.clone(), bytes)], "Org1MSP").unwrap() == [true]
}

fn hashed(key: &str) -> HashedKey {
    HashedKey {
        namespace: CHAINCODE.to_owned(),
        collection: WARDS.to_owned(),
        key_hash: sha256(&[key.as_bytes()]).to_vec(),
    }
}

/// Whether a file below a folder has these bytes, as they are or in hexadecimal.
fn lies(folder: &Path, text: &str) -> bool {
    let hex = hex::encode(text);
    let forms =
        [text.as_bytes(), hex.as_bytes(), &hex.to_uppercase().into_bytes()].map(<[u8]>::to_vec);
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return lies(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        forms.iter().any(|form| bytes.windows(form.len()).any(|window| window == form))
    })
}

#[test]
fn members_hold_what_was_pushed_and_others_hold_hashes() {
    let mut world = World::new(&["Org1MSP", "Org2MSP", "Org3MSP"]);
    let written = world.put(WARDS, &[(FIRST, SECRET)]);
    world.commit_pushed(written, &[0, 1, 2]);
    assert!(world.peers[0].has(FIRST, SECRET) && world.peers[1].has(FIRST, SECRET));
    let other = &world.peers[2];
    assert!(matches!(other.value(WARDS, FIRST), Err(SimulationError::NotHeld { .. })));
    assert!(other.missing().is_empty(), "who is no member misses nothing");
    for peer in &mut world.peers {
        peer.reopen();
    }
    assert!(world.peers[1].has(FIRST, SECRET));
    assert!(!lies(world.peers[2].dir.path(), SECRET) && !lies(world.peers[2].dir.path(), FIRST));
}

#[test]
fn what_did_not_arrive_is_listed_and_taken_later_once_and_only_if_it_is_that() {
    let mut world = World::new(&["Org1MSP", "Org2MSP"]);
    let written = world.put(WARDS, &[(FIRST, SECRET), ("b", "2")]);
    let (bytes, forged) = (bytes_of(&written), bytes_of(&world.put(WARDS, &[(FIRST, "forged")])));
    let block = world.commit_pushed(written, &[0]);
    let missing = world.peers[1].missing();
    let spot = Spot { block, tx: 0, namespace: CHAINCODE.to_owned(), collection: WARDS.to_owned() };
    assert_eq!(missing.iter().map(|it| it.spot.clone()).collect::<Vec<_>>(), [spot]);
    assert!(matches!(world.peers[1].value(WARDS, FIRST), Err(SimulationError::NotHeld { .. })));
    world.peers[1].reopen();
    let ledger = world.peers[1].ledger();
    for wrong in [forged, Bytes::new(), Bytes::from_static(b"\xff\xff")] {
        assert!(!take(ledger, &missing[0], wrong));
    }
    let given =
        world.peers[0].ledger().private_set(&missing[0].spot, &missing[0].tx_id, &missing[0].hash);
    assert_eq!(given.unwrap(), Some(bytes.clone()));
    assert!(take(ledger, &missing[0], bytes.clone()));
    assert!(!take(ledger, &missing[0], bytes), "it is there");
    assert!(world.peers[1].has(FIRST, SECRET) && world.peers[1].missing().is_empty());
    // The state may go and come back: the set was kept.
    world.peers[1].ledger = None;
    std::fs::remove_dir_all(world.peers[1].dir.path().join("state")).unwrap();
    world.peers[1].reopen();
    assert!(world.peers[1].has(FIRST, SECRET));
}

#[test]
fn what_is_found_late_does_not_replace_what_came_after_it() {
    let world = World::new(&["Org1MSP", "Org2MSP"]);
    let old = world.put(WARDS, &[(FIRST, "old")]);
    let bytes = bytes_of(&old);
    world.commit_pushed(old, &[0]);
    let new = world.put(WARDS, &[(FIRST, "new")]);
    world.commit_pushed(new, &[0, 1]);
    let missing = world.peers[1].missing();
    assert!(take(world.peers[1].ledger(), &missing[0], bytes));
    assert!(world.peers[1].has(FIRST, "new"));
}

#[test]
fn before_a_commit_a_peer_knows_what_it_wants_and_takes_nothing_else_for_it() {
    let world = World::new(&["Org1MSP", "Org2MSP", "Org3MSP"]);
    let written = world.put(WARDS, &[(FIRST, SECRET)]);
    world.push(&written, &[0]);
    let block = world.network.block(world.peers[0].ledger(), vec![written.envelope.clone()]);
    let number = carecord_proto::block::number(&block);
    let wanted = |peer: usize| {
        let ledger = world.peers[peer].ledger();
        ledger.wanted(number, &ledger.prefetch(&block)).unwrap()
    };
    assert!(wanted(0).is_empty() && wanted(2).is_empty());
    let missing = wanted(1);
    assert_eq!(missing.len(), 1);
    let ledger = world.peers[1].ledger();
    assert!(!note_wanted(ledger, &missing[0], Bytes::from_static(b"x")));
    // Its transaction is not committed anywhere: the set still waits at the other peer.
    let given =
        world.peers[0].ledger().private_set(&missing[0].spot, &missing[0].tx_id, &missing[0].hash);
    assert!(note_wanted(ledger, &missing[0], given.unwrap().unwrap()));
    assert!(wanted(1).is_empty());
    world.commit(vec![written.envelope]);
    assert!(world.peers[1].has(FIRST, SECRET));
}

#[test]
fn after_a_purge_no_file_of_a_member_has_the_value_an_earlier_one_or_the_name() {
    let mut world = World::new(&["Org1MSP", "Org2MSP", "Org3MSP"]);
    let first = world.put(WARDS, &[(FIRST, SECRET), ("other", "this-one-stays")]);
    world.commit_pushed(first, &[0, 1]);
    for value in [LATER, SECRET] {
        let later = world.put(WARDS, &[(FIRST, value)]);
        world.commit_pushed(later, &[0, 1]);
    }
    for peer in &mut world.peers[..2] {
        peer.reopen();
        assert!(lies(peer.dir.path(), SECRET) && lies(peer.dir.path(), FIRST));
    }
    let purge = world.purge(&[FIRST]);
    let block = world.commit_pushed(purge, &[0, 1]);
    for (index, peer) in world.peers.iter().enumerate() {
        let ledger = peer.ledger();
        assert!(matches!(peer.value(WARDS, FIRST), Ok(None)));
        let before = ledger.key_status(&hashed(FIRST)).unwrap();
        assert!(!before.is_absent(), "{index}: its bytes are still in files");
        assert!(ledger.has_pending_purges().unwrap());
        assert_eq!(ledger.rewrite_purged().unwrap(), 1);
        assert!(!ledger.has_pending_purges().unwrap());
        let status = ledger.key_status(&hashed(FIRST)).unwrap();
        assert!(status.is_absent() && !status.hash_in_state);
        assert_eq!(status.purge.map(|at| (at.block, at.tx, at.gone)), Some((block, 0, true)));
        for text in [SECRET, LATER, FIRST] {
            assert!(!lies(peer.dir.path(), text), "{text} is at peer {index}");
        }
    }
    assert!(world.peers[1].has("other", "this-one-stays"));
    // State made anew from the blocks and the trimmed sets says the same.
    for peer in &mut world.peers {
        peer.ledger = None;
        std::fs::remove_dir_all(peer.dir.path().join("state")).unwrap();
        peer.reopen();
        assert!(matches!(peer.value(WARDS, FIRST), Ok(None)));
        assert!(!lies(peer.dir.path(), SECRET));
    }
    assert!(world.peers[0].has("other", "this-one-stays"));
}

#[test]
fn a_purge_reaches_what_arrives_after_it_whole_or_trimmed() {
    for is_whole in [false, true] {
        let mut world = World::new(&["Org1MSP", "Org2MSP"]);
        let written = world.put(WARDS, &[(FIRST, SECRET), ("other", "this-one-stays")]);
        let whole = bytes_of(&written);
        world.commit_pushed(written, &[0]);
        let purge = world.purge(&[FIRST]);
        world.commit_pushed(purge, &[0]);
        let [purging, writing] = &world.peers[1].missing()[..] else { panic!("two are missing") };
        assert!(purging.spot.block > writing.spot.block, "newest first");
        let (first, second) = (world.peers[0].ledger(), world.peers[1].ledger());
        let trimmed = first.private_set(&writing.spot, &writing.tx_id, &writing.hash);
        let trimmed = trimmed.unwrap().unwrap();
        assert_ne!(trimmed, whole);
        let sent = if is_whole { whole } else { trimmed };
        assert!(take(second, writing, sent));
        assert!(world.peers[1].has("other", "this-one-stays"));
        assert!(matches!(world.peers[1].value(WARDS, FIRST), Ok(None)));
        assert_eq!(second.rewrite_purged().unwrap(), 1);
        world.peers[1].reopen();
        assert!(!lies(world.peers[1].dir.path(), SECRET));
        // What is written under the key after the purge is there again.
        let again = world.put(WARDS, &[(FIRST, "new")]);
        world.commit_pushed(again, &[0, 1]);
        assert!(world.peers[1].has(FIRST, "new"));
    }
}

#[test]
fn a_set_that_leaves_out_what_nobody_purged_is_refused() {
    let world = World::new(&["Org1MSP", "Org2MSP"]);
    let written = world.put(WARDS, &[(FIRST, SECRET), ("other", "2")]);
    world.commit_pushed(written, &[0]);
    let part = bytes_of(&world.put(WARDS, &[("other", "2")]));
    let missing = world.peers[1].missing();
    assert!(!take(world.peers[1].ledger(), &missing[0], part));
    assert_eq!(world.peers[1].missing(), missing);
}

#[test]
fn two_keys_of_one_set_that_are_purged_together_both_go() {
    let world = World::new(&["Org1MSP"]);
    let written = world.put(WARDS, &[(FIRST, SECRET), ("second", LATER), ("third", "stays")]);
    world.commit_pushed(written, &[0]);
    let purge = world.purge(&[FIRST, "second"]);
    world.commit_pushed(purge, &[0]);
    assert_eq!(world.peers[0].ledger().rewrite_purged().unwrap(), 2);
    for text in [SECRET, LATER, FIRST] {
        assert!(!lies(world.peers[0].dir.path(), text), "{text}");
    }
    assert!(world.peers[0].has("third", "stays"));
}

#[test]
fn a_long_view_holds_up_the_rewriting_and_nothing_is_claimed_meanwhile() {
    let world = World::new(&["Org1MSP"]);
    let written = world.put(WARDS, &[(FIRST, SECRET)]);
    world.commit_pushed(written, &[0]);
    let ledger = world.peers[0].ledger();
    let mut view = ledger.simulator("long").unwrap();
    let purge = world.purge(&[FIRST]);
    world.commit_pushed(purge, &[0]);
    assert_eq!(ledger.rewrite_purged().unwrap(), 0);
    assert!(!ledger.key_status(&hashed(FIRST)).unwrap().is_absent());
    assert_eq!(view.get_private(CHAINCODE, WARDS, FIRST).unwrap().unwrap(), SECRET);
    drop(view);
    assert_eq!(ledger.rewrite_purged().unwrap(), 1);
    assert!(ledger.key_status(&hashed(FIRST)).unwrap().is_absent());
}

#[test]
fn block_to_live_ends_hashes_values_and_kept_sets_and_what_is_missing() {
    let world = World::new(&["Org1MSP", "Org2MSP"]);
    let written = world.put(SHORT, &[(FIRST, SECRET)]);
    let block = world.commit_pushed(written, &[0]);
    let held =
        |peer: usize| world.peers[peer].ledger().private_of_block(block, usize::MAX).unwrap().len();
    assert_eq!((held(0), held(1), world.peers[1].missing().len()), (1, 0, 1));
    for n in 0..3 {
        assert_eq!(held(0), 1, "{n}");
        let other = world.put(WARDS, &[("x", "y")]);
        world.commit_pushed(other, &[0, 1]);
    }
    assert_eq!(held(0), 0);
    assert!(world.peers[1].missing().is_empty());
    assert!(matches!(world.peers[0].value(SHORT, FIRST), Ok(None)));
}

#[test]
fn a_collection_is_what_its_definition_said_at_the_block() {
    let world = World::new(&["Org1MSP"]);
    let ledger = world.peers[0].ledger();
    assert!(ledger.collection(CHAINCODE, WARDS).unwrap().unwrap().has_member("Org2MSP"));
    assert!(ledger.collection(CHAINCODE, "nothing").unwrap().is_none());
    let collections = vec![collection(WARDS, None, 0), collection("added", None, 0)];
    let definition = Defined { name: CHAINCODE, policy: EITHER, collections };
    let block = world.commit(vec![world.network.define(definition)]);
    let added = |number| ledger.collection_at(CHAINCODE, "added", number).unwrap().is_some();
    assert!(!added(block) && added(block + 1));
    let short = |number| ledger.collection_at(CHAINCODE, SHORT, number).unwrap().is_some();
    assert!(short(block) && !short(block + 1));
}

#[test]
fn what_one_organisation_pushes_is_bounded_and_does_not_hold_up_others() {
    let world = World::new(&["Org1MSP"]);
    let ledger = world.peers[0].ledger();
    let note = |source: &str, n: usize, size: usize| {
        let value: &'static str = Box::leak("v".repeat(size).into_boxed_str());
        let value = format!("{n}{value}");
        let set = world.put(WARDS, &[("k", &value)]).set;
        let tx_id = "one".to_owned();
        let noted = Noted { tx_id, height: 1, source: source.to_owned(), set };
        ledger.note_sets(&[noted]).unwrap().pop().unwrap().map_err(|error| error.to_string())
    };
    let last = (0..20).find_map(|n| note("Org2MSP", n, 10).err()).unwrap();
    assert!(last.contains("by one organisation"), "{last}");
    note("Org1MSP", 1, 10).unwrap();
    assert!(note("Org1MSP", 2, 17 << 20).unwrap_err().contains("16777216"));
}
