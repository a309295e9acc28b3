//! A whole ledger checked: every byte of the log, the chain of hashes, each commit hash, and the state it leads to.

use std::path::Path;
use std::sync::Arc;

use carecord_blocks::verify::BlockVerifier;
use carecord_blocks::{BlockLog, BlockReader};
use carecord_channel::Bundle;
use carecord_proto::block;
use carecord_proto::common::Block;

use super::{base, checked, lock};
use crate::error::Error;
use crate::index::Savepoint;
use crate::ledger::{STATE, folder};
use crate::options::Options;
use crate::private::PrivateStore;
use crate::recovery;
use crate::snapshot;
use crate::state::{Column, Engine, Read, RocksEngine};

/// Folder of the state that is made for comparison; removed afterwards.
const SCRATCH: &str = "verify.tmp";

/// Rows compared at a time, and their bytes.
const CHUNK: usize = 512;
const CHUNK_BYTES: usize = 1 << 20;

/// What was found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The first block that is here.
    pub first: u64,
    /// One more than the last block.
    pub height: u64,
    /// Transactions in the blocks.
    pub transactions: u64,
    /// Commit hash of the last block.
    pub commit_hash: Option<[u8; 32]>,
    /// Blocks whose orderers' signatures were checked.
    pub signed: u64,
    /// Height of the stored state; none if there is no state.
    pub state_height: Option<u64>,
    /// Rows of stored state that were compared.
    pub rows: u64,
}

/// Checks the ledger in `dir`; the orderers' signatures too if `signatures`.
pub fn verify(dir: &Path, options: &Options, signatures: bool) -> Result<Report, Error> {
    let log = BlockLog::open(lock(dir)?, checked())?;
    let scratch = dir.join(SCRATCH);
    let clear = || match scratch.exists() {
        true => std::fs::remove_dir_all(&scratch).map_err(|error| folder(dir, error)),
        false => Ok(()),
    };
    clear()?;
    let report = RocksEngine::open(&scratch, &options.state)
        .map_err(Error::from)
        .and_then(|engine| Check { dir, options, signatures }.run(&log.reader(), &engine));
    clear()?;
    report
}

struct Check<'a> {
    dir: &'a Path,
    options: &'a Options,
    signatures: bool,
}

impl Check<'_> {
    fn run(&self, blocks: &BlockReader, engine: &dyn Engine) -> Result<Report, Error> {
        let mut savepoint = None;
        let base = base(self.dir)?;
        if base.is_some() {
            savepoint = Some(snapshot::fill(&self.dir.join(snapshot::FOLDER), engine)?.savepoint());
        }
        let first = base.as_ref().map_or(0, snapshot::Snapshot::height);
        let stored = self.stored_state()?;
        let mut report = Report {
            first,
            height: first,
            transactions: 0,
            commit_hash: base.and_then(|base| base.commit_hash),
            signed: 0,
            state_height: stored.as_ref().map(|(_, savepoint)| savepoint.height),
            rows: 0,
        };
        let mut channel = None;
        // What private values a peer holds is its own affair: they are replayed into no state here, nor compared.
        let private = PrivateStore::in_memory(None)?;
        self.compare(&mut report, stored.as_ref(), engine)?;
        for number in first..blocks.height() {
            let missing = Error::Stored { number, reason: "it is missing" };
            let stored_block = blocks.block(number)?.ok_or(missing)?;
            check_data(&stored_block)?;
            if self.signatures && number > 0 {
                self.check_signatures(&stored_block, &mut channel, engine)?;
                report.signed += 1;
            }
            let history = self.options.history;
            let next = recovery::replay(&stored_block, savepoint, engine, &private, history)?;
            report.commit_hash = next.commit_hash;
            report.height = next.height;
            report.transactions += block::envelopes(&stored_block).len() as u64;
            savepoint = Some(next);
            self.compare(&mut report, stored.as_ref(), engine)?;
        }
        match report.state_height {
            Some(state) if state > report.height => {
                Err(Error::LogBehindState { state, log: report.height })
            }
            _ => Ok(report),
        }
    }

    /// The state as it lies there; none if it was never flushed, or is gone.
    fn stored_state(&self) -> Result<Option<(RocksEngine, Savepoint)>, Error> {
        let path = self.dir.join(STATE);
        if !path.join("CURRENT").exists() {
            return Ok(None);
        }
        let engine = RocksEngine::open_to_read(&path, &self.options.state)?;
        let savepoint = Savepoint::read(&engine)?;
        Ok(savepoint.map(|savepoint| (engine, savepoint)))
    }

    fn check_signatures(
        &self,
        stored: &Block,
        channel: &mut Option<(u64, Arc<Bundle>)>,
        engine: &dyn Engine,
    ) -> Result<(), Error> {
        let number = block::number(stored);
        let config = block::last_config(stored)
            .map_err(|_| Error::Stored { number, reason: "its metadata is damaged" })?;
        // The configuration in state is that of the block before; it changes with configuration blocks alone.
        let bundle = match channel {
            Some((at, bundle)) if *at == config && !block::is_config(stored) => Arc::clone(bundle),
            _ => {
                let id = block::channel_id(stored)
                    .map_err(|_| Error::Stored { number, reason: "it names no channel" })?;
                Arc::new(recovery::current_bundle(&id, engine)?)
            }
        };
        *channel = (!block::is_config(stored)).then(|| (config, Arc::clone(&bundle)));
        let verified = BlockVerifier::new(bundle).verify_signatures(stored);
        verified.map_err(|source| Error::Block { number, source })
    }

    /// Compares the stored state once the replayed one has come to its height.
    fn compare(
        &self,
        report: &mut Report,
        stored: Option<&(RocksEngine, Savepoint)>,
        replayed: &dyn Engine,
    ) -> Result<(), Error> {
        let Some((stored, _)) = stored.filter(|(_, at)| at.height == report.height) else {
            return Ok(());
        };
        for column in [Column::State, Column::History, Column::Index] {
            report.rows += equal(column, stored, replayed)?;
        }
        Ok(())
    }
}

fn check_data(stored: &Block) -> Result<(), Error> {
    let number = block::number(stored);
    let stated = stored.header.as_ref().map(|header| &header.data_hash[..]);
    let found = stored.data.as_ref().map(block::data_hash).unwrap_or_default();
    match stated == Some(&found[..]) {
        true => Ok(()),
        false => Err(Error::Stored { number, reason: "its data hash does not match" }),
    }
}

/// How many rows both have in a column; an error at the first that only one has.
fn equal(column: Column, a: &dyn Read, b: &dyn Read) -> Result<u64, Error> {
    let end = [u8::MAX; 9];
    let (mut from, mut count) = (Vec::new(), 0);
    loop {
        let rows = a.scan_within(column, &from, &end, CHUNK, CHUNK_BYTES)?;
        let others = b.scan(column, &from, &end, rows.len().max(1))?;
        if let Some((key, _)) = difference(&rows, &others) {
            return Err(Error::StateDiffers(key.escape_ascii().to_string()));
        }
        let Some((last, _)) = rows.last() else { return Ok(count) };
        from.clone_from(last);
        from.push(0);
        count += rows.len() as u64;
    }
}

type Entry = crate::state::Entry;

fn difference<'a>(rows: &'a [Entry], others: &'a [Entry]) -> Option<&'a Entry> {
    let longer = if rows.len() > others.len() { rows } else { others };
    (0..longer.len()).find(|i| rows.get(*i) != others.get(*i)).map(|i| &longer[i])
}
