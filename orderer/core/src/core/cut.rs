//! A leader makes blocks: it fixes number, previous hash and Raft index, has the block signed, then proposes it.
//!
//! Several blocks may be under way at once, up to the channel's limit. A new leader cuts nothing until its own first
//! entry is applied, hence its whole log; and nobody cuts beyond a configuration block before it is in force.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use carecord_proto::block;
use carecord_proto::common::{Block, MetadataSignature, Status};
use carecord_proto::etcdraft::BlockMetadata;
use prost::Message;

use super::{ChannelCore, Stop};
use crate::admission::Class;
use crate::config::ChannelParams;
use crate::cutter::{Batch, Cutter};
use crate::event::{Effect, Millis, RequestId, SignToken};
use crate::limits;

/// What a node keeps while it leads.
#[derive(Debug)]
pub(super) struct Leadership {
    pub(super) term: u64,
    /// The first entry of this leadership; cutting waits until it is applied.
    pub(super) first_index: u64,
    pub(super) cutter: Cutter,
    /// Blocks cut and not yet committed, oldest first.
    pub(super) under_way: VecDeque<UnderWay>,
    last_cut: Option<Millis>,
    /// How many envelopes the last block got.
    last_count: usize,
}

/// A block between its cutting and its commit.
#[derive(Debug)]
pub(super) struct UnderWay {
    number: u64,
    pub(super) index: u64,
    /// The envelopes that still wait for an answer.
    ids: Vec<RequestId>,
    is_config: bool,
    hash: [u8; 32],
    block: Block,
    metadata_value: Bytes,
    last_config: u64,
    token: SignToken,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    AwaitsSignature,
    Signed(MetadataSignature),
    Proposed(Arc<Block>),
}

impl Leadership {
    /// Envelopes not yet answered.
    pub(super) fn pending(&self) -> usize {
        let under_way: usize = self.under_way.iter().map(|block| block.ids.len()).sum();
        self.cutter.waiting().0 + under_way
    }

    /// When an idle pipeline takes a batch that is not full. Under load it waits for envelopes to stop coming, but not
    /// long: a block costs every node a write to disk and a signature, however few it holds.
    fn idle_cut_at(&self, interval: Duration) -> Millis {
        let idle = self.last_cut.map_or(Millis(0), |last| last.after(interval));
        let (Some(since), true) =
            (self.cutter.growing_since(), self.last_count > limits::FEW_ENVELOPES)
        else {
            return idle;
        };
        let quiet = self.cutter.latest().after(limits::QUIET);
        idle.max(quiet.min(since.after(limits::MAX_GATHERING)))
    }
}

impl UnderWay {
    pub(super) fn is_proposed(&self) -> bool {
        matches!(self.stage, Stage::Proposed(_))
    }

    /// The finished block and whom to answer, if it was proposed.
    pub(super) fn into_proposed(self) -> Option<(Vec<RequestId>, Arc<Block>)> {
        match self.stage {
            Stage::Proposed(block) => Some((self.ids, block)),
            _ => None,
        }
    }
}

impl ChannelCore {
    /// Begins or ends leadership as Raft says, and tells the shell who leads.
    pub(super) fn watch_leadership(&mut self) {
        let term = self.node.term();
        let leads = self.node.is_leader();
        if self.leadership.as_ref().is_some_and(|l| !leads || l.term != term) {
            self.give_up_leadership("leadership was lost");
        }
        if leads && self.leadership.is_none() {
            self.leadership = Some(Leadership {
                term,
                first_index: self.node.last_index(),
                cutter: Cutter::new(self.params.batch),
                under_way: VecDeque::new(),
                last_cut: None,
                last_count: 0,
            });
        }
        let leader = (self.node.leader(), term, leads);
        if leader != self.told_leader {
            self.told_leader = leader;
            self.hurry_old_leader(leader.0);
            let (leader, term, is_self) = leader;
            self.effects.push(Effect::LeaderChanged { leader, term, is_self });
        }
    }

    /// Answers everything that this leader took in and did not get committed.
    pub(super) fn give_up_leadership(&mut self, why: &str) {
        let Some(mut leadership) = self.leadership.take() else { return };
        let under_way = leadership.under_way.drain(..).flat_map(|block| block.ids);
        let waiting = leadership.cutter.drain().into_iter().filter(|s| !s.answered).map(|s| s.id);
        let ids: Vec<RequestId> = under_way.chain(waiting).collect();
        for id in ids {
            self.reply(id, Status::ServiceUnavailable, why);
        }
    }

    /// Cuts what may be cut now; true if something was.
    pub(super) fn cut(&mut self, now: Millis) -> Result<bool, Stop> {
        let mut any = false;
        while let Some(batch) = self.next_batch(now) {
            self.begin_block(now, batch);
            any = true;
        }
        Ok(any)
    }

    fn next_batch(&mut self, now: Millis) -> Option<Batch> {
        let applied = self.node.applied();
        let max_under_way = self.params.raft.max_inflight_blocks as usize;
        let waits = self.change_is_due() || self.node.is_transferring();
        let leadership = self.leadership.as_mut()?;
        let blocked = self.awaits_configuration
            || waits
            || applied < leadership.first_index
            || leadership.under_way.len() >= max_under_way.max(1)
            || leadership.under_way.back().is_some_and(|block| block.is_config);
        if blocked {
            return None;
        }
        if let Some(batch) = leadership.cutter.take() {
            return Some(batch);
        }
        let timeout = leadership.cutter.growing_since()?.after(self.params.batch_timeout);
        let idle = leadership.idle_cut_at(self.config.idle_cut_interval);
        let due = if leadership.under_way.is_empty() { timeout.min(idle) } else { timeout };
        if due <= now {
            return leadership.cutter.take_early();
        }
        if self.timer != Some(due) {
            self.timer = Some(due);
            self.effects.push(Effect::SetTimer { at: due });
        }
        None
    }

    /// Makes the next block of a batch and asks for its signature.
    fn begin_block(&mut self, now: Millis, batch: Batch) {
        let log_end = self.node.last_index();
        let consenters = self.consenters_after(&batch);
        let Some(leadership) = &mut self.leadership else { return };
        let last = leadership.under_way.back();
        let (number, previous, index) = match last {
            Some(last) => (last.number + 1, last.hash, last.index + 1),
            None => (self.tip.number + 1, self.tip.hash, log_end + 1),
        };
        let last_config = if batch.is_config { number } else { self.tip.last_config };
        let count = batch.submissions.len();
        let ids = batch.submissions.iter().filter(|s| !s.answered).map(|s| s.id).collect();
        let data = batch.submissions.into_iter().map(|s| s.admitted.envelope).collect();
        let block = block::new(number, Bytes::copy_from_slice(&previous), data);
        let header = block.header.clone().unwrap_or_default();
        let consenters = BlockMetadata { raft_index: index, ..consenters };
        let metadata_value = block::orderer_metadata_value(last_config, &consenters);
        // Tokens go on over leaderships, so that a late signature finds no block of a later one.
        self.last_sign_token += 1;
        let token = SignToken(self.last_sign_token);
        leadership.last_cut = Some(now);
        leadership.last_count = count;
        leadership.under_way.push_back(UnderWay {
            number,
            index,
            ids,
            is_config: batch.is_config,
            hash: block::header_hash(&header),
            block,
            metadata_value: metadata_value.clone(),
            last_config,
            token,
            stage: Stage::AwaitsSignature,
        });
        let header = Bytes::from(block::header_bytes(&header));
        self.effects.push(Effect::Sign { token, metadata_value, header });
    }

    /// Who orders after this batch: a new consenter gets an id that nobody ever had.
    fn consenters_after(&self, batch: &Batch) -> BlockMetadata {
        let mut consenters = self.tip.consenters.clone();
        if let [only] = &batch.submissions[..]
            && let Class::Config(change) = &only.admitted.class
        {
            let fresh = &mut consenters.next_consenter_id;
            let mut number = || std::mem::replace(fresh, *fresh + 1);
            let ids = change.consenters.ids.iter().map(|id| id.unwrap_or_else(&mut number));
            consenters.consenter_ids = ids.collect();
        }
        consenters
    }

    /// A signature is there; blocks are proposed in order as far as theirs are.
    pub(super) fn on_signed(
        &mut self,
        token: SignToken,
        signature: MetadataSignature,
    ) -> Result<(), Stop> {
        let Some(leadership) = &mut self.leadership else { return Ok(()) };
        let found = leadership.under_way.iter_mut().find(|block| block.token == token);
        if let Some(block) = found
            && matches!(block.stage, Stage::AwaitsSignature)
        {
            block.stage = Stage::Signed(signature);
        }
        self.propose_signed()
    }

    /// Nothing can be proposed while leadership is being handed over; if that fails, it goes on.
    pub(super) fn propose_signed(&mut self) -> Result<(), Stop> {
        if self.node.is_transferring() {
            return Ok(());
        }
        while let Some(leadership) = &mut self.leadership {
            let next = leadership
                .under_way
                .iter_mut()
                .find(|block| !matches!(block.stage, Stage::Proposed(_)));
            let Some(next) = next else { break };
            let Stage::Signed(signature) = &next.stage else { break };
            let expected = next.index;
            let mut block = std::mem::take(&mut next.block);
            block::set_signature(
                &mut block,
                next.metadata_value.clone(),
                signature.signature_header.clone(),
                signature.signature.clone(),
                next.last_config,
            );
            let encoded = Bytes::from(block.encode_to_vec());
            next.stage = Stage::Proposed(Arc::new(block));
            let in_place = self.node.is_leader() && self.node.last_index() + 1 == expected;
            if !in_place || !self.node.propose(encoded)? {
                self.give_up_leadership("the block could not be proposed");
                break;
            }
            self.counts.proposed += 1;
        }
        Ok(())
    }

    /// The shell has the bundle of the last configuration block.
    pub(super) fn on_configured(&mut self, now: Millis, params: ChannelParams) -> Result<(), Stop> {
        params.check().map_err(|error| Stop(error.to_string()))?;
        self.params = params;
        self.node.set_pace(&self.params.raft);
        self.awaits_configuration = false;
        let Some(leadership) = &mut self.leadership else { return Ok(()) };
        let waiting = leadership.cutter.drain();
        leadership.cutter.resize(self.params.batch);
        for submission in waiting {
            if submission.admitted.config_seq < self.params.config_seq {
                self.effects.push(Effect::Readmit { submission });
            } else if let Some(leadership) = &mut self.leadership {
                leadership.cutter.push(now, submission);
            }
        }
        Ok(())
    }
}

const _: () = assert!(limits::MAX_APPEND_LAG > 64, "a leader's own blocks under way are no lag");
