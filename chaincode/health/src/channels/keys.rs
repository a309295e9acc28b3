//! Every state key of contract `channels`, in one table.
//!
//! | key | value |
//! |---|---|
//! | `channel` id | [`super::Channel`] |
//! | `chanbeat` id | [`super::Beats`]: the blocks that a waiting close has seen |
//! | `chanof` person, id | a mark |
//!
//! The beats have a key of their own, so that counting them never conflicts with a challenge.

use carecord_chaincode::key::composite;

use super::ChannelId;
use crate::ids::Id;

/// Object type of the index from people to their channels.
pub(super) const OF: &str = "chanof";

fn build(object_type: &str, attributes: &[&str]) -> String {
    composite(object_type, attributes).expect("ids hold no reserved character")
}

pub(super) fn channel(id: &ChannelId) -> String {
    build("channel", &[id.as_str()])
}

pub(super) fn beats(id: &ChannelId) -> String {
    build("chanbeat", &[id.as_str()])
}

pub(super) fn of(person: &Id, id: &ChannelId) -> String {
    build(OF, &[person.as_str(), id.as_str()])
}
