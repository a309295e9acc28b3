//! Logs that survive what disks and crashes do, blocks of real ledgers verified, deliver sessions as on the wire.

mod block_log;
mod deliver;
mod record_log;
mod verify;
