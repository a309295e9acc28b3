//! Ordering as a pure state machine: Raft behind a checked inbox, admission, cutting, block making and catch-up.
//!
//! Place in the flow: the orderer's shell owns one [`ChannelCore`] per channel, feeds it [`Event`]s and carries out
//! the [`Effect`]s. The core has no clock, no file, no socket and no random numbers of its own, so a simulator can
//! run whole clusters of it and crash them between any two steps.
//!
//! ```text
//! envelope ─ admit ─▶ Submit ─▶ cutter ─▶ block ─▶ Sign ─▶ Raft ─▶ Persist ∥ Send ─▶ Commit, Reply
//! ```

mod admission;
mod chain;
mod config;
mod core;
mod cutter;
mod event;
pub mod limits;
mod raft;
mod reader;
mod record;
mod restored;
#[cfg(test)]
mod testing;
mod transfer;

pub use crate::core::{ChannelCore, ConsenterStatus, Counts, StartError};
pub use crate::raft::Dropped;
pub use admission::{
    Admitted, Class, ConfigChange, Proposed, Rejection, TIME_WINDOW_S, admit, admit_bytes,
    is_config_update, propose,
};
pub use config::{Acknowledge, BatchSize, ChannelParams, Config, ConfigError, RaftOptions};
pub use event::{Effect, Event, Millis, NodeId, PersistToken, RequestId, SignToken, Submission};
pub use reader::{LogReadError, LogReader};
pub use record::{EntryBody, HardState, LogEntry, Record, SnapshotPoint};
pub use restored::{Replay, ReplayError, Restored};
pub use transfer::{TransferError, TransferToken};
