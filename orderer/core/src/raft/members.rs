//! Who votes and who listens, and the log entries that change it.
//!
//! A leader proposes them so that Raft follows the configuration; what is here applies them, from a running log and
//! from a replayed one alike. A change's bytes are in Raft's encoding but are read by prost.

use bytes::Bytes;
use prost::Message;
use raft::eraftpb;

/// The consenters that take part, by id, each set in rising order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Members {
    pub voters: Vec<u64>,
    pub learners: Vec<u64>,
}

/// A change of one or more consenters.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ConfChange {
    #[prost(int32, tag = "1")]
    transition: i32,
    #[prost(message, repeated, tag = "2")]
    changes: Vec<Change>,
    #[prost(bytes = "bytes", tag = "3")]
    context: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Change {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(uint64, tag = "2")]
    node_id: u64,
}

const ADD_VOTER: i32 = 0;
const REMOVE: i32 = 1;
const ADD_LEARNER: i32 = 2;

/// Why a change cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("change of consenters: {0}")]
pub(crate) struct BadChange(String);

/// What happens to one consenter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It listens from now on.
    AddLearner(u64),
    /// It listened and votes from now on.
    Promote(u64),
    /// It takes no part any more.
    Remove(u64),
}

impl ConfChange {
    /// The change that a step is, encoded.
    pub(crate) fn encode(step: Step) -> Bytes {
        let (kind, node_id) = match step {
            Step::AddLearner(id) => (ADD_LEARNER, id),
            Step::Promote(id) => (ADD_VOTER, id),
            Step::Remove(id) => (REMOVE, id),
        };
        let changes = vec![Change { kind, node_id }];
        Self { changes, ..Self::default() }.encode_to_vec().into()
    }

    /// Reads a change; only one consenter at a time may change.
    pub(crate) fn decode(bytes: &Bytes) -> Result<Self, BadChange> {
        let change = <Self as Message>::decode(bytes.clone())
            .map_err(|error| BadChange(error.to_string()))?;
        let [single] = &change.changes[..] else {
            return Err(BadChange(format!("{} consenters at once", change.changes.len())));
        };
        if change.transition != 0 || !(ADD_VOTER..=ADD_LEARNER).contains(&single.kind) {
            return Err(BadChange("unknown kind".to_owned()));
        }
        if single.node_id == 0 {
            return Err(BadChange("id 0".to_owned()));
        }
        Ok(change)
    }

    pub(crate) fn to_raft(&self) -> eraftpb::ConfChangeV2 {
        let mut change = eraftpb::ConfChangeV2::default();
        for single in &self.changes {
            let kind = match single.kind {
                REMOVE => eraftpb::ConfChangeType::RemoveNode,
                ADD_LEARNER => eraftpb::ConfChangeType::AddLearnerNode,
                _ => eraftpb::ConfChangeType::AddNode,
            };
            let mut out = eraftpb::ConfChangeSingle::default();
            out.node_id = single.node_id;
            out.set_change_type(kind);
            change.mut_changes().push(out);
        }
        change
    }
}

impl Members {
    /// All of these vote.
    pub(crate) fn voting(ids: impl IntoIterator<Item = u64>) -> Self {
        let mut voters: Vec<u64> = ids.into_iter().collect();
        voters.sort_unstable();
        Self { voters, learners: Vec::new() }
    }

    /// True if it votes or listens.
    pub(crate) fn contains(&self, id: u64) -> bool {
        self.voters.contains(&id) || self.learners.contains(&id)
    }

    /// Applies a change as Raft does.
    pub(crate) fn apply(&mut self, change: &ConfChange) {
        for single in &change.changes {
            self.voters.retain(|id| *id != single.node_id);
            self.learners.retain(|id| *id != single.node_id);
            match single.kind {
                REMOVE => {}
                ADD_LEARNER => self.learners.push(single.node_id),
                _ => self.voters.push(single.node_id),
            }
        }
        self.voters.sort_unstable();
        self.learners.sort_unstable();
    }

    pub(crate) fn to_raft(&self) -> eraftpb::ConfState {
        let mut state = eraftpb::ConfState::default();
        state.voters = self.voters.clone();
        state.learners = self.learners.clone();
        state
    }

    pub(crate) fn from_raft(state: &eraftpb::ConfState) -> Self {
        let mut members = Self { voters: state.voters.clone(), learners: state.learners.clone() };
        members.voters.sort_unstable();
        members.learners.sort_unstable();
        members
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(kind: i32, node_id: u64) -> ConfChange {
        ConfChange { changes: vec![Change { kind, node_id }], ..ConfChange::default() }
    }

    #[test]
    fn a_consenter_listens_then_votes_then_leaves() {
        let mut members = Members::voting([3, 1, 2]);
        members.apply(&change(ADD_LEARNER, 4));
        assert_eq!((&members.voters[..], &members.learners[..]), (&[1, 2, 3][..], &[4][..]));
        members.apply(&change(ADD_VOTER, 4));
        members.apply(&change(REMOVE, 1));
        assert_eq!((&members.voters[..], &members.learners[..]), (&[2, 3, 4][..], &[][..]));
    }

    #[test]
    fn a_change_of_two_consenters_is_refused() {
        let mut two = change(ADD_VOTER, 4);
        two.changes.push(Change { kind: REMOVE, node_id: 1 });
        let bytes = Bytes::from(two.encode_to_vec());
        assert!(ConfChange::decode(&bytes).is_err());
        let one = Bytes::from(change(ADD_VOTER, 4).encode_to_vec());
        assert_eq!(ConfChange::decode(&one), Ok(change(ADD_VOTER, 4)));
    }
}
