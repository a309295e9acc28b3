//! Logs that survive what disks and crashes do, blocks of real ledgers verified, deliver sessions as on the wire.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod block_log;
mod deliver;
mod record_log;
mod verify;
