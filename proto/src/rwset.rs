//! Read-write sets: what a simulation read, wrote and scanned, in the bytes that endorsers sign.
//!
//! Place in the flow: the simulator fills a [`RwSetBuilder`], whose order and de-duplication decide those bytes; the
//! validator and the committer read them as [`TxRwSet`]. The messages themselves are here too.

mod builder;
mod parsed;
mod ranges;

pub use crate::generated::rwset::*;
pub use builder::{KeyMetadata, Results, RwSetBuilder};
pub use parsed::{
    CollHashedRwSet, CollPvtRwSet, NsPvtRwSet, NsRwSet, TxPvtRwSet, TxRwSet,
    hashed_write_is_delete, write_is_delete,
};
pub use ranges::{MAX_DEGREE, RangeQueryResults, kv_read};
