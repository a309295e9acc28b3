//! Raft's work goes to disk, and what may only happen after that happens after that.
//!
//! A leader's messages leave while its own write is under way; everybody else's wait until the write is durable.
//! Writes become durable in the order of their tokens.

use carecord_proto::carecord::orderer::RaftMessage;

use super::{ChannelCore, Stop};
use crate::event::{Effect, PersistToken};
use crate::raft::Work;
use crate::record::{EntryBody, Record};
use crate::restored::forget_overtaken;

/// A write that the shell has not yet reported durable.
#[derive(Debug)]
pub(super) struct Outstanding {
    token: PersistToken,
    /// Raft's name for the newest work that it completes; 0 if it is none of Raft's.
    work: u64,
    /// It voids entries, maybe such as an earlier write brought and a later one brings again.
    truncates: bool,
    /// It must be durable before Raft counts on it.
    sync: bool,
    messages: Vec<RaftMessage>,
}

impl Outstanding {
    /// True if others are told what it holds once it is durable: votes, entries, a snapshot.
    pub(super) fn promises(&self) -> bool {
        self.sync
    }
}

impl ChannelCore {
    /// Runs Raft's work until there is none.
    pub(super) fn run_work(&mut self) -> Result<(), Stop> {
        while let Some(work) = self.node.take_work()? {
            self.on_work(work)?;
        }
        Ok(())
    }

    fn on_work(&mut self, work: Work) -> Result<(), Stop> {
        self.send(work.messages);
        for record in &work.records {
            if let Record::Entry(entry) = record
                && let EntryBody::Block(bytes) = &entry.body
            {
                forget_overtaken(&mut self.catch_up.fetched, bytes);
            }
        }
        if !work.records.is_empty() {
            self.persist(work.records, true, work.number, work.persisted_messages);
        } else if let Some(last) = self.outstanding.back_mut() {
            last.work = work.number;
            last.messages.extend(work.persisted_messages);
        } else {
            self.node.persisted(work.number)?;
            self.send(work.persisted_messages);
        }
        if let Some(point) = work.snapshot {
            self.on_snapshot_installed(&point)?;
        }
        self.on_committed(work.committed)
    }

    /// Hands records to the shell; the messages leave when they are durable.
    pub(super) fn persist(
        &mut self,
        records: Vec<Record>,
        sync: bool,
        work: u64,
        messages: Vec<RaftMessage>,
    ) {
        let token = self.next_token();
        let truncates = records.iter().any(|record| matches!(record, Record::Truncate { .. }));
        self.outstanding.push_back(Outstanding { token, work, truncates, sync, messages });
        self.effects.push(Effect::Persist { token, records, sync });
    }

    pub(super) fn on_persisted(&mut self, token: PersistToken) -> Result<(), Stop> {
        let mut work = 0;
        let mut messages = Vec::new();
        while self.outstanding.front().is_some_and(|write| write.token <= token) {
            let Some(write) = self.outstanding.pop_front() else { break };
            work = work.max(write.work);
            messages.extend(write.messages);
        }
        // While a truncation is under way, a crash may leave it and not what follows it, so nothing before it counts;
        // its own report will speak for what came before, too.
        let voided = self.outstanding.iter().any(|write| write.truncates);
        if work > 0 && !voided {
            self.node.persisted(work)?;
        }
        self.send(messages);
        self.on_blocks_persisted(token)
    }

    pub(super) fn send(&mut self, messages: Vec<RaftMessage>) {
        let effects = messages.into_iter().map(|message| Effect::Send { to: message.to, message });
        self.effects.extend(effects);
    }
}
