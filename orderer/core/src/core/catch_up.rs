//! A node that is too far behind fetches blocks instead of log entries.
//!
//! The leader's snapshot message names a block. It is held back until every block up to that one is fetched, checked
//! and durable, for Raft counts everything below a snapshot as committed the moment it sees it. The same way serves a
//! node that was away, a new one and one that lost its disk.

use bytes::Bytes;
use carecord_proto::block;
use carecord_proto::carecord::orderer::RaftMessage;

use super::{ChannelCore, Stop};
use crate::chain::{self, ChainError, Tip};
use crate::event::{Effect, NodeId, PersistToken};
use crate::limits;
use crate::raft::Dropped;
use crate::record::{Record, SnapshotPoint};

/// How far a catch-up is.
#[derive(Debug, Default)]
pub(super) struct CatchUp {
    /// The last block fetched beyond the committed tip.
    pub(super) fetched: Option<Tip>,
    /// The held snapshot message.
    held: Option<Held>,
    /// The last block of the fetch under way.
    pub(super) asked: Option<u64>,
    /// The tick of the last progress of the fetch under way.
    progress_at: u64,
    /// The write that makes the fetched blocks durable.
    writing: Option<PersistToken>,
    config_changed: bool,
}

#[derive(Debug)]
struct Held {
    from: NodeId,
    block_number: u64,
    block_hash: Bytes,
    index: u64,
    message: RaftMessage,
}

impl CatchUp {
    /// Goes on where an earlier run stopped. Whether a configuration block was among what is fetched already is not
    /// known any more, so it is taken for granted.
    pub(super) fn continued(fetched: Option<Tip>) -> Self {
        Self { config_changed: fetched.is_some(), fetched, ..Self::default() }
    }

    /// Forgets what Raft has brought meanwhile.
    pub(super) fn forget_below(&mut self, tip: &Tip) {
        if self.fetched.as_ref().is_some_and(|fetched| fetched.number <= tip.number) {
            self.fetched = None;
        }
        if self.held.as_ref().is_some_and(|held| held.block_number <= tip.number) {
            self.held = None;
            self.asked = None;
        }
    }
}

impl ChannelCore {
    /// A snapshot message that passed the inbox.
    pub(super) fn on_snapshot(&mut self, message: RaftMessage) -> Result<(), Stop> {
        let Some(snapshot) = &message.snapshot else { return Ok(()) };
        if snapshot.index <= self.node.committed() || message.term < self.node.term() {
            let known = self.node.entry_term(snapshot.index).is_none_or(|t| t == snapshot.term);
            if known {
                return Ok(self.node.step(message)?);
            }
            *self.counts.dropped.entry(Dropped::Snapshot).or_default() += 1;
            return Ok(());
        }
        // A target of the same leadership stays: the leader sends again before a long fetch can end.
        let same = self.catch_up.held.as_ref().is_some_and(|held| {
            held.message.term == message.term
                && held.from == message.from
                && held.block_number <= snapshot.block_number
        });
        if !same {
            self.catch_up.held = Some(Held {
                from: message.from,
                block_number: snapshot.block_number,
                block_hash: snapshot.block_hash.clone(),
                index: snapshot.index,
                message,
            });
            self.catch_up.asked = None;
        }
        self.ask_for_blocks();
        self.finish_catch_up()
    }

    /// Asks for the blocks that are missing, if nobody was asked or the answer does not come.
    pub(super) fn ask_for_blocks(&mut self) {
        let start = self.next_wanted();
        let patience =
            u64::from(limits::SNAPSHOT_ELECTIONS.saturating_mul(self.params.raft.election_tick));
        let Some(held) = &self.catch_up.held else { return };
        let waiting = self.catch_up.asked.is_some_and(|end| start <= end)
            && self.ticks < self.catch_up.progress_at + patience;
        if waiting || start > held.block_number {
            return;
        }
        let end = held.block_number.min(start + limits::MAX_FETCH_BLOCKS - 1);
        let from = held.from;
        self.catch_up.asked = Some(end);
        self.catch_up.progress_at = self.ticks;
        self.effects.push(Effect::Fetch { from, start, end });
    }

    /// Blocks come: each must follow the one before and lead to the hash that the leader named.
    pub(super) fn on_blocks_fetched(&mut self, blocks: Vec<Bytes>) -> Result<(), Stop> {
        let mut fetched = Vec::new();
        for bytes in blocks {
            match self.accept_fetched(&bytes) {
                Ok(Some(index)) => fetched.push(Record::Fetched { index, block: bytes }),
                Ok(None) => {}
                Err(_) => {
                    self.catch_up.asked = None;
                    break;
                }
            }
        }
        if !fetched.is_empty() {
            self.counts.fetched += fetched.len() as u64;
            self.catch_up.progress_at = self.ticks;
            // The tip that they follow must be the tip for a replay, too.
            let mut records: Vec<Record> = self.node.take_commit_record().into_iter().collect();
            records.append(&mut fetched);
            self.persist(records, true, 0, Vec::new());
            self.catch_up.writing = Some(PersistToken(self.last_token));
            self.ask_for_blocks();
        }
        Ok(())
    }

    /// The fetched block's own Raft index, or nothing if the block is not wanted (any more).
    fn accept_fetched(&mut self, bytes: &Bytes) -> Result<Option<u64>, ChainError> {
        let Some(held) = &self.catch_up.held else { return Ok(None) };
        let fetched = chain::decode(bytes)?;
        let number = block::number(&fetched);
        if number != self.next_wanted() || number > held.block_number {
            return Ok(None);
        }
        let before = self.catch_up.fetched.as_ref().unwrap_or(&self.tip);
        let tip = before.follow(&fetched)?;
        let at_target = number == held.block_number;
        if at_target && tip.hash[..] != held.block_hash || tip.raft_index > held.index {
            // Either the leader's word or the source's blocks are false; both are asked for again.
            self.catch_up.held = None;
            self.catch_up.fetched = None;
            return Err(ChainError::Target(number));
        }
        let index = tip.raft_index;
        self.catch_up.config_changed |= block::is_config(&fetched);
        self.catch_up.fetched = Some(tip);
        Ok(Some(index))
    }

    pub(super) fn on_blocks_persisted(&mut self, token: PersistToken) -> Result<(), Stop> {
        if self.catch_up.writing.take_if(|writing| *writing <= token).is_some() {
            self.finish_catch_up()?;
        }
        Ok(())
    }

    /// Lets Raft see the snapshot once all blocks up to it are durable.
    fn finish_catch_up(&mut self) -> Result<(), Stop> {
        let Some(held) = &self.catch_up.held else { return Ok(()) };
        let end = self.catch_up.fetched.as_ref().unwrap_or(&self.tip);
        if end.number < held.block_number || self.catch_up.writing.is_some() {
            return Ok(());
        }
        let fits = end.number == held.block_number && end.hash[..] == held.block_hash;
        let Some(held) = self.catch_up.held.take() else { return Ok(()) };
        self.catch_up.asked = None;
        // What was fetched beyond the target, for a later one, waits for that one to be sent again. A message of an
        // old term is of no use: the new leader will send its own.
        if fits { Ok(self.node.step(held.message)?) } else { Ok(()) }
    }

    /// Raft took the snapshot: the fetched blocks are the chain now.
    pub(super) fn on_snapshot_installed(&mut self, point: &SnapshotPoint) -> Result<(), Stop> {
        let tip = self.catch_up.fetched.take().unwrap_or_else(|| self.tip.clone());
        if tip.number != point.block_number || tip.hash != point.block_hash {
            let text = "a snapshot was installed without the blocks below it";
            return Err(Stop(text.to_owned()));
        }
        if tip.number > self.tip.number {
            let config_changed = std::mem::take(&mut self.catch_up.config_changed);
            self.awaits_configuration |= config_changed;
            self.effects.push(Effect::CaughtUp { number: tip.number, config_changed });
        }
        self.tip = tip;
        self.effects.push(Effect::MembersChanged);
        Ok(())
    }

    fn next_wanted(&self) -> u64 {
        self.catch_up.fetched.as_ref().unwrap_or(&self.tip).number + 1
    }
}
