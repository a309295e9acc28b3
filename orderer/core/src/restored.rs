//! From the records of a log back to the state in which a node stopped.
//!
//! Place in the flow: at start the shell feeds every record of the channel's log, in order, to a [`Replay`] and hands
//! the [`Restored`] to [`ChannelCore::new`](crate::ChannelCore::new). Only the entries that are not known to be
//! committed are kept in memory.

use std::collections::VecDeque;

use bytes::Bytes;
use carecord_proto::block;
use carecord_proto::common::Block;

use crate::chain::{self, ChainError, Tip};
use crate::raft::{ConfChange, Members, TermSpans};
use crate::record::{EntryBody, HardState, LogEntry, Record, SnapshotPoint};

/// Why the records of a log do not make sense together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// An entry does not follow the one before it.
    #[error("log entry {found} follows entry {last}")]
    Gap {
        /// The last index before it.
        last: u64,
        /// The index found.
        found: u64,
    },
    /// The commit index is outside the log.
    #[error("commit index {commit} is outside the log, which ends at {last}")]
    Commit {
        /// What the record says.
        commit: u64,
        /// The last index of the log.
        last: u64,
    },
    /// Something that is committed is declared void.
    #[error("truncation at {from} would void committed entries up to {commit}")]
    Truncate {
        /// The first void index.
        from: u64,
        /// The commit index.
        commit: u64,
    },
    /// A committed or fetched block does not follow the one before it.
    #[error("{0}")]
    Chain(String),
    /// A snapshot point names another block than the one fetched last.
    #[error("snapshot at {index} names block {number}, which was not fetched")]
    Snapshot {
        /// Its Raft index.
        index: u64,
        /// The block that it names.
        number: u64,
    },
}

impl From<ChainError> for ReplayError {
    fn from(error: ChainError) -> Self {
        Self::Chain(error.to_string())
    }
}

/// Takes the records of a log in the order in which they were appended.
#[derive(Debug)]
pub struct Replay {
    state: Restored,
}

/// The state in which a node stopped.
#[derive(Clone, Debug)]
pub struct Restored {
    pub(crate) hard_state: HardState,
    pub(crate) members: Members,
    pub(crate) spans: TermSpans,
    /// Entries after the commit index.
    pub(crate) tail: VecDeque<LogEntry>,
    /// The committed chain's tip.
    pub(crate) tip: Tip,
    /// The last block fetched beyond the tip in a catch-up that did not end.
    pub(crate) fetched: Option<Tip>,
}

impl Replay {
    /// Begins with the channel's first block, whose configuration names so many consenters.
    pub fn new(genesis: &Block, consenters: usize) -> Result<Self, ReplayError> {
        let tip = Tip::genesis(genesis, consenters)?;
        Ok(Self {
            state: Restored {
                hard_state: HardState::default(),
                members: Members::voting(tip.consenters.consenter_ids.iter().copied()),
                spans: TermSpans::after(0, 0),
                tail: VecDeque::new(),
                tip,
                fetched: None,
            },
        })
    }

    /// Takes the next record.
    pub fn push(&mut self, record: Record) -> Result<(), ReplayError> {
        let state = &mut self.state;
        match record {
            Record::Entry(entry) => state.append(entry),
            Record::HardState(hard_state) => state.set_hard_state(hard_state),
            Record::Truncate { from } => state.truncate(from),
            Record::Fetched { block, .. } => state.fetched(&block),
            Record::Snapshot(point) => state.snapshot(point),
        }
    }

    /// The state after the last record.
    pub fn finish(self) -> Restored {
        self.state
    }
}

impl Restored {
    /// How many blocks of the chain are known to be committed here; deliver no more than these before the first
    /// [`Effect::Commit`](crate::Effect::Commit).
    pub fn height(&self) -> u64 {
        self.tip.number + 1
    }

    /// How many blocks there are, those included that were fetched beyond what Raft committed here.
    pub fn stored(&self) -> u64 {
        self.newest().number + 1
    }

    /// The consenter ids as of the newest block, fetched or committed.
    pub fn newest_consenter_ids(&self) -> &[u64] {
        &self.newest().consenters.consenter_ids
    }

    /// The highest term seen.
    pub fn term(&self) -> u64 {
        self.hard_state.term
    }

    /// The last index of the log.
    pub fn log_end(&self) -> u64 {
        self.last_index()
    }

    fn newest(&self) -> &Tip {
        self.fetched
            .as_ref()
            .filter(|fetched| fetched.number > self.tip.number)
            .unwrap_or(&self.tip)
    }

    /// The number of the last committed configuration block.
    pub fn last_config(&self) -> u64 {
        self.tip.last_config
    }

    /// The consenter ids as of the last committed block, in the order of the configuration's consenters.
    pub fn consenter_ids(&self) -> &[u64] {
        &self.tip.consenters.consenter_ids
    }

    fn last_index(&self) -> u64 {
        self.spans.last_index()
    }

    fn append(&mut self, entry: LogEntry) -> Result<(), ReplayError> {
        if entry.index != self.last_index() + 1 {
            return Err(ReplayError::Gap { last: self.last_index(), found: entry.index });
        }
        if let EntryBody::Block(bytes) = &entry.body {
            forget_overtaken(&mut self.fetched, bytes);
        }
        self.spans.push(entry.index, entry.term);
        self.tail.push_back(entry);
        Ok(())
    }

    fn set_hard_state(&mut self, hard_state: HardState) -> Result<(), ReplayError> {
        let commit = hard_state.commit;
        if commit > self.last_index() || commit < self.hard_state.commit {
            return Err(ReplayError::Commit { commit, last: self.last_index() });
        }
        self.hard_state = hard_state;
        while self.tail.front().is_some_and(|entry| entry.index <= commit) {
            let Some(entry) = self.tail.pop_front() else { break };
            self.apply(&entry)?;
        }
        Ok(())
    }

    fn apply(&mut self, entry: &LogEntry) -> Result<(), ReplayError> {
        match &entry.body {
            EntryBody::Block(bytes) => {
                self.tip = self.tip.follow_at(&chain::decode(bytes)?, entry.index)?;
            }
            EntryBody::ConfChange(bytes) => {
                let change =
                    ConfChange::decode(bytes).map_err(|e| ReplayError::Chain(e.to_string()))?;
                self.members.apply(&change);
            }
            EntryBody::Empty => {}
        }
        if self.fetched.as_ref().is_some_and(|fetched| fetched.number <= self.tip.number) {
            self.fetched = None;
        }
        Ok(())
    }

    fn truncate(&mut self, from: u64) -> Result<(), ReplayError> {
        if from <= self.hard_state.commit {
            return Err(ReplayError::Truncate { from, commit: self.hard_state.commit });
        }
        self.spans.truncate(from);
        while self.tail.back().is_some_and(|entry| entry.index >= from) {
            self.tail.pop_back();
        }
        Ok(())
    }

    fn fetched(&mut self, bytes: &Bytes) -> Result<(), ReplayError> {
        let block = chain::decode(bytes)?;
        // A catch-up that was given up begins anew after the tip.
        let anew = block::number(&block) == self.tip.number + 1;
        let before = self.fetched.as_ref().filter(|_| !anew).unwrap_or(&self.tip);
        self.fetched = Some(before.follow(&block)?);
        Ok(())
    }

    fn snapshot(&mut self, point: SnapshotPoint) -> Result<(), ReplayError> {
        let tip = self.fetched.take().unwrap_or_else(|| self.tip.clone());
        if tip.number != point.block_number || tip.hash != point.block_hash {
            return Err(ReplayError::Snapshot { index: point.index, number: point.block_number });
        }
        if point.index < self.hard_state.commit {
            let commit = self.hard_state.commit;
            return Err(ReplayError::Commit { commit, last: point.index });
        }
        self.tip = tip;
        self.members = Members { voters: point.voters, learners: point.learners };
        self.spans = TermSpans::after(point.index, point.term);
        self.tail.clear();
        self.hard_state.commit = point.index;
        Ok(())
    }
}

/// An entry that holds a block number already fetched overtakes the fetched one: for every committed number the last
/// record must be the committed block, so what was fetched from there on is fetched again if need be.
pub(crate) fn forget_overtaken(fetched: &mut Option<Tip>, bytes: &Bytes) {
    let Some(tip) = fetched else { return };
    if chain::claimed_number(bytes).is_none_or(|number| number <= tip.number) {
        *fetched = None;
    }
}
