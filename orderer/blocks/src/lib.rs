//! Blocks as things that are kept and handed on: the log they lie in, the check they pass, the session that delivers them.
//!
//! Place in the flow: an orderer appends the blocks it makes, a peer the blocks it has validated; both deliver from here,
//! and both check a block that came from somebody else with [`verify`]. Synchronous: who needs async wraps it in a thread.
//!
//! | module | what |
//! |---|---|
//! | [`storage`] | files as the logs need them: on disk, or simulated with lost, torn and rotten writes |
//! | [`record_log`] | append-only checksummed records; the orderer's Raft log is one |
//! | [`block_log`] | a record log of blocks by number, with readers for other threads |
//! | [`verify`] | whether a received block is the next one of its channel |
//! | [`deliver`] | the deliver session of orderers and peers as a state machine |

pub mod block_log;
pub mod deliver;
mod error;
pub mod record_log;
pub mod storage;
pub mod verify;

pub use block_log::{BlockLog, BlockReader};
pub use carecord_proto::fabric_file;
pub use error::Error;
pub use record_log::{Record, RecordLog, RecordReader};
