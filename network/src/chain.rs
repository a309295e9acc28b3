//! Chains as the command line sees them: fetched from a node, exported, shown.
//!
//! Place in the flow: `ledger export`, `block`, `tx show`, `network status` and the demonstration read blocks through
//! here, always over the wire with Deliver, so that they see what any reader of the channel sees.

mod export;
mod fetch;
mod show;
mod tip;

pub use export::{Export, export, read_export};
pub use fetch::{Range, block, stream, stream_as};
pub use show::{BlockSummary, TransactionSummary, summary};
pub use tip::{Tip, height, settle, tip};
