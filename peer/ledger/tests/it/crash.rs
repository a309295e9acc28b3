//! The process dies, or the power goes, at every step of every commit; what was acknowledged is there afterwards.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use carecord_blocks::BlockLog;
use carecord_blocks::block_log::LABEL;
use carecord_blocks::record_log::Options as LogOptions;
use carecord_blocks::storage::{Simulated, Storage, StoredFile};
use carecord_ledger::state::{Column, Engine, MemoryEngine};
use carecord_ledger::{Ledger, Options};
use carecord_proto::common::Block;
use carecord_proto::{block, testdata};

use crate::support::{GOLDEN, commit, random};

/// Blocks of the golden ledger that are used: lifecycle, definitions, conflicts, deletes.
const BLOCKS: usize = 12;

/// Crashes at each step.
const SEEDS: u64 = 20;

/// A simulated disk that stops working after so many operations, and whose sync may be a lie.
#[derive(Debug)]
struct Mortal {
    disk: Arc<Simulated>,
    left: Arc<AtomicU64>,
    syncs: Arc<AtomicBool>,
}

#[derive(Debug)]
struct MortalFile {
    file: Arc<dyn StoredFile>,
    left: Arc<AtomicU64>,
    syncs: Arc<AtomicBool>,
}

fn step(left: &AtomicU64) -> io::Result<()> {
    let before = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    before.map(|_| ()).map_err(|_| io::Error::other("the process is dead"))
}

impl Mortal {
    fn file(&self, file: Arc<dyn StoredFile>) -> Arc<dyn StoredFile> {
        let (left, syncs) = (Arc::clone(&self.left), Arc::clone(&self.syncs));
        Arc::new(MortalFile { file, left, syncs })
    }
}

impl Storage for Mortal {
    fn create(&self, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        step(&self.left)?;
        Ok(self.file(self.disk.create(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        Ok(self.file(self.disk.open(name)?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        step(&self.left)?;
        Storage::remove(&*self.disk, name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn describe(&self, name: &str) -> String {
        self.disk.describe(name)
    }
}

impl StoredFile for MortalFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        step(&self.left)?;
        self.file.write_at(bytes, offset)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        step(&self.left)?;
        self.file.truncate(len)
    }

    fn sync(&self) -> io::Result<()> {
        step(&self.left)?;
        if self.syncs.load(Ordering::SeqCst) { self.file.sync() } else { Ok(()) }
    }
}

/// A run without crashes: what the others must reach.
struct Expected {
    blocks: Vec<Block>,
    commit_hash: Option<[u8; 32]>,
    rows: Vec<Vec<carecord_ledger::state::Entry>>,
    steps: u64,
}

fn options() -> Options {
    Options { threads: 1, ..GOLDEN[1].options() }
}

fn expected() -> Option<Expected> {
    let blocks: Vec<Block> = GOLDEN[1].orderer_blocks()?.into_iter().take(BLOCKS).collect();
    let (left, syncs) = (Arc::new(AtomicU64::new(u64::MAX)), Arc::new(AtomicBool::new(true)));
    let storage = Arc::new(Mortal { disk: Simulated::new(), left: Arc::clone(&left), syncs });
    let engine = MemoryEngine::default();
    let ledger = Ledger::start(storage, Box::new(engine.clone()), &blocks[0], options()).unwrap();
    for block in &blocks[1..] {
        commit(&ledger, block).unwrap();
    }
    let commit_hash = ledger.commit_hash();
    let steps = u64::MAX - left.load(Ordering::SeqCst);
    let rows = Column::ALL.map(|column| engine.dump(column)).to_vec();
    Some(Expected { blocks, commit_hash, rows, steps })
}

/// What survives of state: RocksDB without a log keeps some flushed prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StateLoss {
    Nothing,
    SinceFlush,
    All,
}

/// Dies after `steps` disk operations (or, from there on, `engine_writes` batches), recovers, and goes on to the end.
fn dies(
    expected: &Expected,
    steps: u64,
    engine_writes: Option<u32>,
    seed: u64,
    syncs: bool,
) -> Result<(), String> {
    let mut seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(steps);
    let disk = Simulated::new();
    let (left, syncs) = (Arc::new(AtomicU64::new(steps)), Arc::new(AtomicBool::new(syncs)));
    let storage = Arc::new(Mortal { disk: Arc::clone(&disk), left, syncs });
    let engine = MemoryEngine::default();
    if let Some(writes) = engine_writes {
        engine.fail_after(writes);
    }
    let mut acknowledged = 0;
    let flush_at = random(&mut seed) % BLOCKS as u64;
    if let Ok(ledger) =
        Ledger::start(storage, Box::new(engine.clone()), &expected.blocks[0], options())
    {
        acknowledged = 1;
        for block in &expected.blocks[1..] {
            if commit(&ledger, block).is_err() {
                break;
            }
            acknowledged += 1;
            if acknowledged == flush_at {
                engine.flush().unwrap();
            }
        }
    }
    disk.crash(|n| usize::try_from(random(&mut seed)).unwrap() % n);
    let losses = [StateLoss::Nothing, StateLoss::SinceFlush, StateLoss::All];
    let engine = match losses[(random(&mut seed) % 3) as usize] {
        StateLoss::Nothing => engine.fork(),
        StateLoss::SinceFlush => {
            engine.crash();
            engine
        }
        StateLoss::All => MemoryEngine::default(),
    };
    recovers(expected, &disk, &engine, acknowledged)
}

fn recovers(
    expected: &Expected,
    disk: &Arc<Simulated>,
    engine: &MemoryEngine,
    acknowledged: u64,
) -> Result<(), String> {
    let genesis = &expected.blocks[0];
    let ledger = Ledger::start(disk.clone(), Box::new(engine.clone()), genesis, options())
        .map_err(|error| format!("does not open: {error}"))?;
    if ledger.height() < acknowledged {
        return Err(format!(
            "{acknowledged} blocks were acknowledged, {} are there",
            ledger.height()
        ));
    }
    let height = usize::try_from(ledger.height()).unwrap();
    for block in &expected.blocks[height..] {
        commit(&ledger, block).map_err(|error| error.to_string())?;
    }
    if ledger.commit_hash() != expected.commit_hash {
        return Err("another commit hash".into());
    }
    let rows = Column::ALL.map(|column| engine.dump(column)).to_vec();
    if rows != expected.rows {
        return Err("another state".into());
    }
    for (number, original) in (0..).zip(&expected.blocks) {
        let stored = ledger.block(number).unwrap().ok_or("a block is missing")?;
        if stored.data != original.data || block::flags(&stored).is_empty() {
            return Err(format!("block {number} is another one"));
        }
    }
    Ok(())
}

#[test]
fn a_crash_at_any_step_loses_nothing_that_was_acknowledged() {
    let Some(expected) = expected() else { return testdata::skipped("crash at any step") };
    let mut runs = 0;
    for seed in 0..SEEDS {
        for steps in 0..=expected.steps {
            dies(&expected, steps, None, seed, true)
                .unwrap_or_else(|error| panic!("step {steps}, seed {seed}: {error}"));
            runs += 1;
        }
        for writes in 0..BLOCKS as u32 {
            dies(&expected, u64::MAX, Some(writes), seed, true)
                .unwrap_or_else(|error| panic!("batch {writes}, seed {seed}: {error}"));
            runs += 1;
        }
    }
    println!("crashes: {runs} runs over {} disk steps, nothing lost", expected.steps);
}

#[test]
fn without_its_fsync_the_same_check_fails() {
    let Some(expected) = expected() else { return testdata::skipped("missing fsync") };
    let lost =
        (0..SEEDS).filter(|seed| dies(&expected, expected.steps, None, *seed, false).is_err());
    let lost = lost.count();
    println!("without fsync: {lost} of {SEEDS} runs lose acknowledged blocks");
    assert!(lost > 0);
}

#[test]
fn a_ledger_on_disk_is_rebuilt_from_its_blocks_alone() {
    let Some(blocks) = GOLDEN[1].orderer_blocks() else {
        return testdata::skipped("rebuild on disk");
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    let ledger = Ledger::create(&path, &blocks[0], options()).unwrap();
    for block in &blocks[1..BLOCKS] {
        commit(&ledger, block).unwrap();
    }
    let (height, hash) = (ledger.height(), ledger.commit_hash());
    drop(ledger);
    assert!(Ledger::create(&path, &blocks[0], options()).is_err());
    for lose_state in [false, true] {
        if lose_state {
            std::fs::remove_dir_all(path.join("state")).unwrap();
        }
        let ledger = Ledger::open(&path, options()).unwrap();
        assert_eq!((ledger.height(), ledger.commit_hash()), (height, hash));
        assert_eq!(ledger.info().current_block_hash, &ledger.header_hash()[..]);
        let last = ledger.block_by_hash(&ledger.header_hash()).unwrap().unwrap();
        assert_eq!(block::number(&last), height - 1);
    }
    let ledger = Ledger::open(&path, options()).unwrap();
    for block in &blocks[BLOCKS..] {
        commit(&ledger, block).unwrap();
    }
    let expected = block::commit_hash(GOLDEN[1].peer_blocks().unwrap().last().unwrap());
    assert_eq!(ledger.commit_hash().map(|hash| hash.to_vec()), expected.map(|hash| hash.to_vec()));
}

#[test]
fn a_start_that_was_cut_short_can_be_repeated() {
    let Some(blocks) = GOLDEN[1].orderer_blocks() else { return testdata::skipped("cut start") };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    assert!(Ledger::open(&path, options()).is_err());
    std::fs::create_dir_all(path.join("blocks")).unwrap();
    assert!(Ledger::open(&path, options()).is_err());
    drop(Ledger::create(&path, &blocks[0], options()).unwrap());
    assert_eq!(Ledger::open(&path, options()).unwrap().height(), 1);
}

/// Every row of a ledger's engine, or the error that says it cannot be read.
fn rows(ledger: &Ledger) -> Result<Vec<carecord_ledger::state::Entry>, String> {
    let all = |column| ledger.engine().scan(column, b"", &[u8::MAX; 9], usize::MAX);
    let columns = Column::ALL.into_iter().map(all);
    let columns: Result<Vec<_>, _> = columns.collect();
    columns.map(|columns| columns.concat()).map_err(|error| error.to_string())
}

#[test]
fn damaged_state_is_noticed_and_rebuilt_or_refused() {
    let Some(blocks) = GOLDEN[1].orderer_blocks() else {
        return testdata::skipped("damaged state");
    };
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    let ledger = Ledger::create(&whole, &blocks[0], options()).unwrap();
    for block in &blocks[1..BLOCKS] {
        commit(&ledger, block).unwrap();
    }
    ledger.engine().flush().unwrap();
    let (hash, expected) = (ledger.commit_hash(), rows(&ledger).unwrap());
    drop(ledger);
    let mut seed = 7;
    let (mut rebuilt_or_equal, mut refused) = (0, 0);
    for run in 0..60 {
        let path = dir.path().join(format!("run{run}"));
        copy_dir(&whole, &path);
        let files: Vec<_> =
            std::fs::read_dir(path.join("state")).unwrap().map(|f| f.unwrap().path()).collect();
        let files: Vec<_> =
            files.into_iter().filter(|f| std::fs::metadata(f).unwrap().len() > 0).collect();
        let file = &files[usize::try_from(random(&mut seed)).unwrap() % files.len()];
        let mut bytes = std::fs::read(file).unwrap();
        let at = usize::try_from(random(&mut seed)).unwrap() % bytes.len();
        bytes[at] ^= 1 << (random(&mut seed) % 8);
        std::fs::write(file, bytes).unwrap();
        match Ledger::open(&path, options()).map_err(|error| error.to_string()) {
            Err(_) => refused += 1,
            Ok(ledger) => match rows(&ledger) {
                Err(_) => refused += 1,
                Ok(found) => {
                    assert!(
                        found == expected && ledger.commit_hash() == hash,
                        "{}",
                        file.display()
                    );
                    rebuilt_or_equal += 1;
                }
            },
        }
        std::fs::remove_dir_all(path).unwrap();
    }
    println!(
        "damaged state: {rebuilt_or_equal} of 60 runs equal or rebuilt, {refused} refused, none silently wrong"
    );
}

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_dir(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

#[test]
fn a_rollback_cut_short_at_any_step_leaves_a_ledger_that_goes_on_to_the_same_end() {
    let Some(expected) = expected() else { return testdata::skipped("rollback cut short") };
    let small = LogOptions { segment_bytes: 8 << 10, ..LogOptions::new(LABEL) };
    let (mut runs, mut heights) = (0, std::collections::BTreeSet::new());
    for to in [1, 4, 9] {
        for steps in 0..40 {
            let disk = Simulated::new();
            let stored = {
                let source = Simulated::new();
                let engine = Box::new(MemoryEngine::default());
                let ledger = Ledger::start(source, engine, &expected.blocks[0], options()).unwrap();
                for block in &expected.blocks[1..] {
                    commit(&ledger, block).unwrap();
                }
                (0..BLOCKS as u64).map(|n| ledger.block(n).unwrap().unwrap()).collect::<Vec<_>>()
            };
            let mut log = BlockLog::open(disk.clone(), small).unwrap();
            for block in &stored {
                log.append_block(block).unwrap();
                log.sync().unwrap();
            }
            drop(log);
            let (left, syncs) = (Arc::new(AtomicU64::new(steps)), Arc::new(AtomicBool::new(true)));
            let storage = Arc::new(Mortal { disk: Arc::clone(&disk), left, syncs });
            let cut = BlockLog::open(storage, small).and_then(|mut log| log.cut(to + 1));
            let mut seed = steps * 31 + to;
            disk.crash(|n| usize::try_from(random(&mut seed)).unwrap() % n);
            let height = BlockLog::open(disk.clone(), small).unwrap().height();
            assert!(height > to && (cut.is_err() || height == to + 1), "step {steps}: {height}");
            heights.insert(height);
            recovers(&expected, &disk, &MemoryEngine::default(), 0)
                .unwrap_or_else(|error| panic!("rollback to {to}, step {steps}: {error}"));
            runs += 1;
        }
    }
    println!("rollbacks cut short: {runs} runs, all go on; they ended at heights {heights:?}");
    assert!(heights.len() > 3);
}
