//! What a peer's message must be like before Raft sees it.
//!
//! The `raft` crate trusts its peers: about one mutated message in twenty makes it panic. So every message is held
//! against the node's own state first, and what an honest peer cannot have sent is dropped and counted by kind.

use carecord_proto::carecord::orderer::{RaftEntry, RaftMessage, RaftSnapshot};
use raft::eraftpb::MessageType;

use super::convert;
use crate::event::NodeId;
use crate::limits;

/// Why a message went no further; each kind has its own counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Dropped {
    /// Addressed to another node, or not from the node that the link belongs to.
    #[error("node id mismatch")]
    WrongAddress,
    /// No such message type.
    #[error("unknown message type")]
    UnknownType,
    /// A type that a node only sends to itself, or that this protocol does not use.
    #[error("message type is local to a node")]
    LocalType,
    /// Term 0, or a leap that no cluster makes.
    #[error("impossible term")]
    Term,
    /// An index no log reaches.
    #[error("impossible index")]
    Index,
    /// A log term above the message's term, or absent where the log is not empty.
    #[error("impossible log term")]
    LogTerm,
    /// Entries with gaps, falling terms, unknown types or too many bytes.
    #[error("impossible entries")]
    Entries,
    /// A snapshot without a point, or with impossible members.
    #[error("impossible snapshot")]
    Snapshot,
    /// A message that only a leader sends, while this node leads the same term.
    #[error("second leader in a term")]
    SecondLeader,
    /// A response to something that this node did not send.
    #[error("response to nothing")]
    Unasked,
    /// A vote was asked of a node that may not vote.
    #[error("this node does not vote")]
    NotVoting,
    /// The heartbeat's commit index is beyond the log: this node lost data; the leader is told.
    #[error("commit index is beyond the log")]
    CommitBeyondLog,
}

/// A node's part in its term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    Follower,
    PreCandidate,
    Candidate,
    Leader,
}

/// The state that messages are held against.
pub(crate) struct Facts {
    pub id: NodeId,
    pub role: Role,
    pub term: u64,
    pub last_index: u64,
    /// False if this node never votes nor leads.
    pub votes: bool,
    /// True if no entry, vote or snapshot is still on its way to disk.
    pub settled: bool,
}

/// Lets a message pass or names the reason why not.
pub(crate) fn check(from: NodeId, m: &RaftMessage, facts: &Facts) -> Result<(), Dropped> {
    if m.to != facts.id || m.from != from || from == facts.id || from == 0 {
        return Err(Dropped::WrongAddress);
    }
    let kind = convert::message_type(m.r#type).ok_or(Dropped::UnknownType)?;
    check_numbers(m, facts)?;
    if kind != MessageType::MsgSnapshot && m.snapshot.is_some() {
        return Err(Dropped::Snapshot);
    }
    if kind != MessageType::MsgAppend && !m.entries.is_empty() {
        return Err(Dropped::Entries);
    }
    match kind {
        MessageType::MsgAppend => check_append(m, facts),
        MessageType::MsgSnapshot => check_snapshot(m, facts),
        MessageType::MsgHeartbeat => check_heartbeat(m, facts),
        MessageType::MsgAppendResponse => check_append_response(m, facts),
        MessageType::MsgHeartbeatResponse if !m.context.is_empty() => Err(Dropped::Unasked),
        MessageType::MsgHeartbeatResponse => Ok(()),
        MessageType::MsgTimeoutNow if !facts.settled => Err(Dropped::Unasked),
        MessageType::MsgRequestVote
        | MessageType::MsgRequestPreVote
        | MessageType::MsgTimeoutNow => {
            if facts.votes {
                Ok(())
            } else {
                Err(Dropped::NotVoting)
            }
        }
        MessageType::MsgRequestVoteResponse | MessageType::MsgRequestPreVoteResponse => {
            check_vote_response(kind, m, facts)
        }
        _ => Err(Dropped::LocalType),
    }
}

fn check_numbers(m: &RaftMessage, facts: &Facts) -> Result<(), Dropped> {
    let highest_term = facts.term.saturating_add(limits::MAX_TERM_STEP);
    if m.term == 0 || m.term > highest_term.min(u64::MAX >> 1) {
        return Err(Dropped::Term);
    }
    if m.log_term > m.term || m.commit_term > m.term {
        return Err(Dropped::LogTerm);
    }
    if m.index.max(m.commit).max(m.reject_hint) > limits::MAX_INDEX || m.request_snapshot != 0 {
        return Err(Dropped::Index);
    }
    Ok(())
}

fn check_append(m: &RaftMessage, facts: &Facts) -> Result<(), Dropped> {
    check_sender_leads(m, facts)?;
    if (m.index == 0) != (m.log_term == 0) {
        return Err(Dropped::LogTerm);
    }
    check_entries(m.index, m.log_term, m.term, &m.entries)
}

fn check_entries(
    index: u64,
    log_term: u64,
    term: u64,
    entries: &[RaftEntry],
) -> Result<(), Dropped> {
    if entries.len() > limits::MAX_ENTRIES_PER_MESSAGE {
        return Err(Dropped::Entries);
    }
    let mut bytes = 0_usize;
    let mut before = (index, log_term);
    for entry in entries {
        let follows = entry.index == before.0 + 1 && entry.term >= before.1.max(1);
        bytes = bytes.saturating_add(entry.data.len()).saturating_add(entry.context.len());
        let sound = entry.term <= term && convert::entry_type_known(entry.r#type);
        if !follows || !sound || bytes > limits::MAX_MESSAGE_BYTES {
            return Err(Dropped::Entries);
        }
        before = (entry.index, entry.term);
    }
    Ok(())
}

fn check_heartbeat(m: &RaftMessage, facts: &Facts) -> Result<(), Dropped> {
    check_sender_leads(m, facts)?;
    if !m.context.is_empty() {
        return Err(Dropped::Unasked);
    }
    if m.commit > facts.last_index && m.term >= facts.term {
        return Err(Dropped::CommitBeyondLog);
    }
    Ok(())
}

fn check_snapshot(m: &RaftMessage, facts: &Facts) -> Result<(), Dropped> {
    check_sender_leads(m, facts)?;
    let snapshot = m.snapshot.as_ref().ok_or(Dropped::Snapshot)?;
    let point_sound = (1..=limits::MAX_INDEX).contains(&snapshot.index)
        && (1..=m.term).contains(&snapshot.term)
        && snapshot.block_hash.len() == 32
        && snapshot.block_number <= snapshot.index;
    if !point_sound || !members_sound(snapshot) {
        return Err(Dropped::Snapshot);
    }
    Ok(())
}

fn members_sound(snapshot: &RaftSnapshot) -> bool {
    let mut all: Vec<u64> = snapshot.voters.iter().chain(&snapshot.learners).copied().collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    !snapshot.voters.is_empty()
        && count <= limits::MAX_CONSENTERS
        && all.len() == count
        && !all.contains(&0)
}

fn check_append_response(m: &RaftMessage, facts: &Facts) -> Result<(), Dropped> {
    let to_this_leader = facts.role == Role::Leader && m.term == facts.term;
    if to_this_leader && m.index.max(m.reject_hint) > facts.last_index {
        return Err(Dropped::Unasked);
    }
    Ok(())
}

fn check_vote_response(kind: MessageType, m: &RaftMessage, facts: &Facts) -> Result<(), Dropped> {
    let candidate = matches!(facts.role, Role::Candidate | Role::PreCandidate);
    // The request leaves only when all before it is durable, so nobody can have answered it earlier.
    if candidate && !facts.settled {
        return Err(Dropped::Unasked);
    }
    let granted_pre_vote = kind == MessageType::MsgRequestPreVoteResponse && !m.reject;
    if granted_pre_vote && m.term > facts.term + 1 {
        return Err(Dropped::Unasked);
    }
    if kind == MessageType::MsgRequestVoteResponse && !m.reject && m.term > facts.term {
        return Err(Dropped::Unasked);
    }
    Ok(())
}

fn check_sender_leads(m: &RaftMessage, facts: &Facts) -> Result<(), Dropped> {
    if facts.role == Role::Leader && m.term == facts.term {
        return Err(Dropped::SecondLeader);
    }
    Ok(())
}
