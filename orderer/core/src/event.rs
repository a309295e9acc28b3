//! What the shell tells the core and what the core asks of the shell: the whole surface of the state machine.
//!
//! Place in the flow: the shell owns one core per channel, gives it one [`Event`] at a time and carries out the
//! [`Effect`]s in the order in which they come. Nothing else goes in or out.

use std::sync::Arc;

use bytes::Bytes;
use carecord_proto::carecord::orderer::RaftMessage;
use carecord_proto::common::{Block, MetadataSignature, Status};

use crate::admission::Admitted;
use crate::config::ChannelParams;
use crate::record::Record;
use crate::transfer::{TransferError, TransferToken};

/// Names a consenter of the channel; comes from the consenter metadata and is never used twice.
pub type NodeId = u64;

/// A point on the shell's monotonic clock, for the batch timer only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

/// Names one envelope between its submission and its single reply; the shell never uses one twice at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Names one write; tokens rise, and reporting one means that all lower ones are durable too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersistToken(pub u64);

/// Names one block that waits for its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignToken(pub u64);

/// Something that happened outside and that the core has to hear of.
#[derive(Clone, Debug)]
pub enum Event {
    /// One tick interval of the channel's Raft options went by.
    Tick,
    /// The time of the last [`Effect::SetTimer`] has come; an early or a late one does no harm.
    Timer,
    /// An admitted envelope asks to be ordered.
    Submit(Submission),
    /// What the leader answered to an [`Effect::Forward`], or what the shell says when the link broke.
    ForwardReply {
        /// The forwarded envelope.
        id: RequestId,
        /// The leader's verdict.
        status: Status,
        /// The leader's text.
        info: String,
    },
    /// A Raft message from another consenter.
    Inbound {
        /// The consenter that the TLS certificate of the link names.
        from: NodeId,
        /// The message as decoded from the wire.
        message: RaftMessage,
    },
    /// A link is down, so what was sent to that node is probably lost.
    Unreachable {
        /// The node at the other end.
        node: NodeId,
    },
    /// Everything up to this token is durable.
    Persisted {
        /// The token of the last durable write.
        token: PersistToken,
    },
    /// A block's signature is made.
    Signed {
        /// The token of the [`Effect::Sign`].
        token: SignToken,
        /// Signature header and signature for the metadata slot.
        signature: MetadataSignature,
    },
    /// Blocks asked for by [`Effect::Fetch`], in order, each checked by the shell against the channel's policy.
    BlocksFetched {
        /// Encoded blocks; the first is the one after the last that was fetched.
        blocks: Vec<Bytes>,
    },
    /// No source could give the blocks asked for; the core asks again at a later tick.
    FetchFailed,
    /// The shell has built the bundle of the last committed configuration block.
    Configured {
        /// What the core needs to know of it.
        params: ChannelParams,
    },
    /// Hand leadership to another, as when this node is about to stop; [`Effect::TransferEnded`] tells what became of it.
    TransferLeadership {
        /// To be told back.
        token: TransferToken,
        /// The next leader; none for the one that has most of the log.
        to: Option<NodeId>,
    },
}

/// An envelope on its way into a block.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Under which it is answered.
    pub id: RequestId,
    /// The envelope with the verdict of [`crate::admit`].
    pub admitted: Admitted,
    /// True if another consenter forwarded it: it is not forwarded a second time.
    pub forwarded: bool,
    /// True if its one reply is out already, as when SUCCESS is told on queueing; the shell begins with false.
    pub answered: bool,
}

/// Something that the shell has to do.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Append these records to the channel's log, then report [`Event::Persisted`].
    Persist {
        /// To be reported back; writes become durable in the order of their tokens.
        token: PersistToken,
        /// What to append, in order.
        records: Vec<Record>,
        /// False if losing the records would do no harm (only the commit index): no fsync is needed.
        sync: bool,
    },
    /// Send a Raft message; it may be lost, doubled or reordered.
    Send {
        /// The receiver.
        to: NodeId,
        /// The message.
        message: RaftMessage,
    },
    /// Sign a block: the signature covers `metadata_value ‖ signature_header ‖ header`.
    Sign {
        /// To be reported back.
        token: SignToken,
        /// The encoded `OrdererBlockMetadata`.
        metadata_value: Bytes,
        /// The block header as it is hashed.
        header: Bytes,
    },
    /// A block is committed and durable here: it may be delivered.
    Commit {
        /// The block, as all orderers hold it.
        block: Arc<Block>,
        /// The very bytes that the log holds.
        encoded: Bytes,
        /// True if it is a configuration block: the core cuts nothing until [`Event::Configured`].
        is_config: bool,
    },
    /// All blocks up to this one were fetched, verified and are durable: they may be delivered.
    CaughtUp {
        /// The number of the last one.
        number: u64,
        /// True if a configuration block was among them: the core cuts nothing until [`Event::Configured`].
        config_changed: bool,
    },
    /// The one answer to an envelope.
    Reply {
        /// The envelope.
        id: RequestId,
        /// Status for the client.
        status: Status,
        /// Text for the client.
        info: String,
    },
    /// Pass an envelope to the leader and report [`Event::ForwardReply`].
    Forward {
        /// The leader.
        to: NodeId,
        /// The envelope's name here.
        id: RequestId,
        /// Its bytes.
        envelope: Bytes,
    },
    /// The configuration moved on since this envelope was admitted. It is the shell's again: admit it once more and
    /// submit it under the same id, or answer it with the rejection unless it is answered already.
    Readmit {
        /// What was submitted.
        submission: Submission,
    },
    /// Fetch the blocks from `start` to `end` (both included) from other orderers, any first.
    Fetch {
        /// The node that surely has them.
        from: NodeId,
        /// First block wanted.
        start: u64,
        /// Last block wanted.
        end: u64,
    },
    /// Send [`Event::Timer`] at this time; replaces an earlier wish.
    SetTimer {
        /// When.
        at: Millis,
    },
    /// Somebody else, or nobody, leads now.
    LeaderChanged {
        /// The leader, if one is known.
        leader: Option<NodeId>,
        /// Its term.
        term: u64,
        /// True if it is this node.
        is_self: bool,
    },
    /// What became of an [`Event::TransferLeadership`]; comes once for each, within three election timeouts.
    TransferEnded {
        /// The wish's token.
        token: TransferToken,
        /// Why the other does not lead, unless it does.
        outcome: Result<(), TransferError>,
    },
    /// A change of who takes part is in force in Raft: links to nodes that are neither in the configuration nor among
    /// [`ChannelCore::members`](crate::ChannelCore::members) are not needed any more.
    MembersChanged,
    /// No leader was heard of for so long that this node may have been removed, or numbered anew, without hearing of it:
    /// look at newer blocks elsewhere. Comes again as long as it stays so.
    LeaderMissing,
    /// A leader knows that this node confirmed entries that it does not have, so it lost data. From now on it does not
    /// vote; its next starts must be told so ([`Config::votes`](crate::Config::votes)) as long as it has this id.
    LostData,
    /// The configuration names this node no more and Raft does not need it any more: the core has stopped. What is on
    /// disk is a prefix of the chain; the shell may go on as a follower, and come back under a new id.
    Evicted,
    /// The channel cannot go on here; the process and its other channels can. Nothing is accepted any more.
    Halt {
        /// What is wrong.
        reason: String,
    },
}
