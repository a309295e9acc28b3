//! What the core is told once (its name, its seed, its limits) and what each configuration block changes.

use std::time::Duration;

use carecord_channel::{Bundle, duration};
use carecord_proto::etcdraft::Options;

use crate::event::{Millis, NodeId};
use crate::limits;

/// Why a configuration cannot drive a core.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A channel without an Orderer group orders nothing.
    #[error("the channel has no orderer configuration")]
    NoOrderer,
    /// The channel is ordered by another protocol, or its metadata does not parse.
    #[error("the channel's consensus metadata is not Raft's")]
    NotRaft,
    /// The tick interval is no duration.
    #[error("tick interval '{0}' is not a positive duration")]
    TickInterval(String),
    /// A value is outside its bounds.
    #[error("{name} must be {rule}, but it is {value}")]
    Bounds {
        /// Which value.
        name: &'static str,
        /// What it must be.
        rule: &'static str,
        /// What it is.
        value: u64,
    },
}

/// When a client hears SUCCESS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acknowledge {
    /// When its block is committed by Raft.
    #[default]
    Committed,
    /// When its envelope is queued at the leader, as Fabric does; a crash may lose it.
    Queued,
}

/// What a core is told at its start and that no configuration block changes.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node among the consenters; not 0.
    pub id: NodeId,
    /// Seeds the election timeouts; give every start of every node another one.
    pub seed: u64,
    /// When clients hear SUCCESS.
    pub acknowledge: Acknowledge,
    /// False for a node that lost its data and came back under its old id: it replicates but never votes or leads.
    pub votes: bool,
    /// Least time between two blocks that are cut only because the pipeline is idle.
    pub idle_cut_interval: Duration,
    /// Envelopes that may wait, see [`limits::MAX_PENDING_ENVELOPES`].
    pub max_pending_envelopes: usize,
    /// Bytes that may wait, see [`limits::MAX_PENDING_BYTES`].
    pub max_pending_bytes: usize,
    /// See [`limits::MAX_APPEND_LAG`].
    pub max_append_lag: u64,
    /// See [`limits::WINDOW_BYTES`].
    pub window_bytes: usize,
}

impl Config {
    /// The usual settings for one node.
    pub fn new(id: NodeId, seed: u64) -> Self {
        Self {
            id,
            seed,
            acknowledge: Acknowledge::default(),
            votes: true,
            idle_cut_interval: Duration::from_millis(5),
            max_pending_envelopes: limits::MAX_PENDING_ENVELOPES,
            max_pending_bytes: limits::MAX_PENDING_BYTES,
            max_append_lag: limits::MAX_APPEND_LAG,
            window_bytes: limits::WINDOW_BYTES,
        }
    }
}

/// What the core needs to know of the channel's current configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelParams {
    /// The configuration's sequence: envelopes admitted under an older one are admitted again.
    pub config_seq: u64,
    /// Cutting by count and size.
    pub batch: BatchSize,
    /// Cutting by time.
    pub batch_timeout: Duration,
    /// Raft's clockwork.
    pub raft: RaftOptions,
    /// How many consenters the configuration names.
    pub consenters: usize,
}

/// How large a block may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSize {
    /// Envelopes in a block.
    pub max_message_count: u32,
    /// No envelope is larger.
    pub absolute_max_bytes: u32,
    /// A block of several envelopes is no larger.
    pub preferred_max_bytes: u32,
}

/// The options of the channel's consensus metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RaftOptions {
    /// How often the shell sends [`Event::Tick`](crate::Event::Tick).
    pub tick_interval: Duration,
    /// Ticks without a leader after which a follower stands for election.
    pub election_tick: u32,
    /// Ticks between two heartbeats.
    pub heartbeat_tick: u32,
    /// Blocks cut and not yet committed.
    pub max_inflight_blocks: u32,
}

impl Default for RaftOptions {
    fn default() -> Self {
        Self {
            tick_interval: Duration::from_millis(100),
            election_tick: 10,
            heartbeat_tick: 1,
            max_inflight_blocks: 5,
        }
    }
}

impl Millis {
    pub(crate) fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        at_least_1("id", self.id)?;
        at_least_1("max_append_lag", self.max_append_lag)?;
        at_least_1("max_pending_envelopes", self.max_pending_envelopes as u64)
    }
}

impl ChannelParams {
    /// Reads what a channel's configuration says about ordering.
    pub fn from_bundle(bundle: &Bundle) -> Result<Self, ConfigError> {
        let orderer = bundle.orderer().ok_or(ConfigError::NoOrderer)?;
        let metadata = orderer.raft().ok_or(ConfigError::NotRaft)?;
        let size = &orderer.batch_size;
        let params = Self {
            config_seq: bundle.sequence(),
            batch: BatchSize {
                max_message_count: size.max_message_count,
                absolute_max_bytes: size.absolute_max_bytes,
                preferred_max_bytes: size.preferred_max_bytes,
            },
            batch_timeout: orderer.batch_timeout,
            raft: metadata
                .options
                .as_ref()
                .map_or_else(|| Ok(RaftOptions::default()), raft_options)?,
            consenters: metadata.consenters.len(),
        };
        params.check()?;
        Ok(params)
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let RaftOptions { election_tick, heartbeat_tick, max_inflight_blocks, .. } = self.raft;
        at_least_1("max_message_count", self.batch.max_message_count.into())?;
        at_least_1("absolute_max_bytes", self.batch.absolute_max_bytes.into())?;
        at_least_1("preferred_max_bytes", self.batch.preferred_max_bytes.into())?;
        at_least_1("heartbeat_tick", heartbeat_tick.into())?;
        at_least_1("max_inflight_blocks", max_inflight_blocks.into())?;
        at_least_1("consenters", self.consenters as u64)?;
        if !(limits::MIN_TICK..=limits::MAX_TICK).contains(&self.raft.tick_interval) {
            let value = self.raft.tick_interval.as_millis().try_into().unwrap_or(u64::MAX);
            let rule = "from 1 ms to 1 minute";
            return Err(ConfigError::Bounds { name: "tick_interval (ms)", rule, value });
        }
        if election_tick <= heartbeat_tick {
            let value = election_tick.into();
            let rule = "above heartbeat_tick";
            return Err(ConfigError::Bounds { name: "election_tick", rule, value });
        }
        Ok(())
    }
}

fn raft_options(options: &Options) -> Result<RaftOptions, ConfigError> {
    let text = &options.tick_interval;
    let nanos = duration::parse_nanos(text).ok().and_then(|nanos| u64::try_from(nanos).ok());
    let nanos = nanos.filter(|nanos| *nanos > 0);
    let nanos = nanos.ok_or_else(|| ConfigError::TickInterval(text.clone()))?;
    Ok(RaftOptions {
        tick_interval: Duration::from_nanos(nanos),
        election_tick: options.election_tick,
        heartbeat_tick: options.heartbeat_tick,
        max_inflight_blocks: options.max_inflight_blocks,
    })
}

fn at_least_1(name: &'static str, value: u64) -> Result<(), ConfigError> {
    if value == 0 {
        return Err(ConfigError::Bounds { name, rule: "at least 1", value });
    }
    Ok(())
}
