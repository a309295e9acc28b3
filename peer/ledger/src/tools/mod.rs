//! What an operator does to the ledger of a stopped peer: verify it, roll it back, rebuild its state.
//!
//! Each takes the block log's lock first, so that none runs beside a node. Order makes them safe to cut short: state is put
//! aside before the log is touched, and a ledger without state is replayed at the next start.

mod verify;

use std::path::Path;
use std::sync::Arc;

use carecord_blocks::BlockLog;
use carecord_blocks::block_log::LABEL;
use carecord_blocks::record_log::{Check, Options as LogOptions};
use carecord_blocks::storage::{Disk, Storage};

pub use verify::{Report, verify};

use crate::error::Error;
use crate::ledger::{BLOCKS, Ledger, STATE, folder};
use crate::options::Options;
use crate::snapshot::{self, Snapshot};

/// State that is no longer used; what a crash left of it goes with the next call.
const DISCARDED: &str = "state.discarded";

/// Takes the blocks after `to` away, and the state with them; the next start replays what is left.
pub fn rollback(dir: &Path, to: u64) -> Result<(), Error> {
    let storage = lock(dir)?;
    let mut log = BlockLog::open(storage, LogOptions::new(LABEL))?;
    let base = base(dir)?.map(|snapshot| snapshot.block);
    let reader = log.reader();
    let (first, next) = match base {
        Some(block) => (block, reader.height().max(block + 1)),
        None => (0, reader.height()),
    };
    if to < first || to + 1 >= next {
        return Err(Error::NoSuchEnd { to, first, last: next.saturating_sub(1) });
    }
    discard_state(dir)?;
    Ok(log.cut(to + 1)?)
}

/// Replays state, history and indexes from the block log, each commit hash compared; gives the height.
pub fn rebuild(dir: &Path, options: Options) -> Result<u64, Error> {
    let storage = lock(dir)?;
    discard_state(dir)?;
    drop(storage);
    let ledger = Ledger::open(dir, options)?;
    ledger.engine().flush()?;
    Ok(ledger.height())
}

/// Puts the state out of the way in one step, then removes it.
fn discard_state(dir: &Path) -> Result<(), Error> {
    let (state, discarded) = (dir.join(STATE), dir.join(DISCARDED));
    let remove = || -> std::io::Result<()> {
        if discarded.exists() {
            std::fs::remove_dir_all(&discarded)?;
        }
        if state.exists() {
            std::fs::rename(&state, &discarded)?;
            std::fs::File::open(dir)?.sync_all()?;
            std::fs::remove_dir_all(&discarded)?;
        }
        Ok(())
    };
    remove().map_err(|error| folder(dir, error))
}

/// The block log's storage, which no other process has open.
fn lock(dir: &Path) -> Result<Arc<dyn Storage>, Error> {
    if !dir.join(BLOCKS).exists() {
        return Err(folder(dir, "holds no ledger"));
    }
    match Disk::open(dir.join(BLOCKS)) {
        Ok(storage) => Ok(storage),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            Err(Error::InUse { path: dir.display().to_string() })
        }
        Err(error) => Err(folder(dir, error)),
    }
}

fn base(dir: &Path) -> Result<Option<Snapshot>, Error> {
    let folder = dir.join(snapshot::FOLDER);
    Ok(folder.exists().then(|| Snapshot::read(&folder)).transpose()?)
}

/// Every byte is read, whatever opening alone would look at.
fn checked() -> LogOptions {
    LogOptions { check: Check::Everything, ..LogOptions::new(LABEL) }
}
