//! What several unit tests need.

use std::sync::Arc;

use bytes::Bytes;
use carecord_channel::raft::{Consenters, Membership};

use crate::admission::{Class, ConfigChange};

/// A configuration that leaves one consenter as it is.
pub(crate) fn config() -> Class {
    let consenters = Consenters { change: Membership::Same, ids: vec![Some(1)] };
    let (channel_id, update) = ("care".to_owned(), Bytes::from_static(b"update"));
    Class::Config(Arc::new(ConfigChange { channel_id, update, consenters, current: 1 }))
}
