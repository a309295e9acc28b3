//! Every limit of the core, in one place.

use std::time::Duration;

/// Envelopes that may wait for their block at a time; beyond it the answer is SERVICE_UNAVAILABLE.
pub const MAX_PENDING_ENVELOPES: usize = 50_000;

/// Bytes of envelopes that may wait for their block at a time.
pub const MAX_PENDING_BYTES: usize = 256 << 20;

/// Envelopes that a follower may have forwarded and not yet heard of.
pub const MAX_FORWARDED_ENVELOPES: usize = 50_000;

/// Election timeouts after which a forwarded envelope without an answer is given up.
pub const FORWARD_ELECTIONS: u32 = 3;

/// Election timeouts after which a leader that sent a snapshot tries again.
pub const SNAPSHOT_ELECTIONS: u32 = 2;

/// Entries by which a follower may lag and still be served from Raft's log instead of by fetching blocks.
pub const MAX_APPEND_LAG: u64 = 1_000;

/// Bytes of applied entries kept in memory for followers that lag a little.
pub const WINDOW_BYTES: usize = 1 << 20;

/// Bytes of committed entries taken from Raft in one go, save that one entry always goes.
pub const MAX_COMMITTED_BYTES: u64 = 32 << 20;

/// After a block of more envelopes than this the next idle cut waits until no more come.
pub const FEW_ENVELOPES: usize = 4;

/// No envelope for so long: those who send wait for answers themselves.
pub const QUIET: Duration = Duration::from_millis(2);

/// The longest that an idle cut waits for more.
pub const MAX_GATHERING: Duration = Duration::from_millis(20);

/// Bytes of entries in one append message, save that one entry always goes.
pub const MAX_APPEND_BYTES: u64 = 4 << 20;

/// Append messages under way to one follower.
pub const MAX_INFLIGHT_APPENDS: usize = 64;

/// Entries that one inbound message may carry.
pub const MAX_ENTRIES_PER_MESSAGE: usize = 4_096;

/// Bytes of entries that one inbound message may carry.
pub const MAX_MESSAGE_BYTES: usize = 128 << 20;

/// How far a message may lift the term; no honest cluster holds that many elections between two messages.
pub const MAX_TERM_STEP: u64 = 1 << 32;

/// No index of an honest cluster gets here.
pub const MAX_INDEX: u64 = 1 << 56;

/// Consenters in one channel.
pub const MAX_CONSENTERS: usize = carecord_channel::raft::MAX_CONSENTERS;

/// The shortest tick: a shorter one would leave no time for anything else.
pub const MIN_TICK: Duration = Duration::from_millis(1);

/// The longest tick: with a longer one a dead leader would be missed for hours.
pub const MAX_TICK: Duration = Duration::from_secs(60);

/// Raft's ticks for one of the channel's, when the channel's election timeout was made shorter at run time.
pub const MAX_TICKS_AT_ONCE: u64 = 1_000;

/// Entries by which a new consenter may lag when it is made a voter.
pub const CAUGHT_UP_LAG: u64 = 16;

/// Election timeouts without a leader after which the shell is told to look elsewhere.
pub const LEADERLESS_ELECTIONS: u32 = 5;

/// Election timeouts that a leader waits for another to take over; it orders nothing meanwhile.
pub const TRANSFER_ELECTIONS: u64 = 1;

/// Election timeouts more in which somebody must be elected, once this node does not lead any more.
pub const ELECTED_ELECTIONS: u64 = 2;

/// Election timeouts in which a leader that was replaced may still answer what was forwarded to it.
pub const OLD_LEADER_ELECTIONS: u32 = 1;

/// Blocks asked for in one fetch.
pub const MAX_FETCH_BLOCKS: u64 = 10_000;

const _: () = assert!(MAX_APPEND_BYTES as usize <= MAX_MESSAGE_BYTES);
const _: () = assert!(MAX_TERM_STEP < MAX_INDEX);
