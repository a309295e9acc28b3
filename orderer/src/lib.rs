//! The orderer: takes envelopes, agrees with the other orderers on their order, and delivers blocks.
//!
//! Place in the flow: a shell around [`carecord_consensus::ChannelCore`]. One owner task per channel feeds the core and
//! carries out its effects; one thread per channel writes its log; everything else only talks to the owner.
//!
//! ```text
//! broadcast ─▶ admit ─▶ owner ⇄ core        writer thread: append, sync once, report
//!                         │ ⇅ cluster links
//!                         ▼ height
//!                      deliver ◀─ log
//! ```

mod broadcast;
mod channel;
mod cluster;
mod config;
mod credentials;
mod deliver;
mod error;
mod host;
mod orderer;
#[allow(clippy::result_large_err, reason = "an error is an answer, made once a request")]
mod participation;
mod registrar;
mod registry;
mod service;
mod storage;
mod verify;
mod writer;

use carecord_channel::Bundle;
use carecord_proto::etcdraft::Consenter;

pub use channel::{Relation, Standing};
pub use cluster::OwnCertificates;
pub use config::Config;
pub use credentials::Credentials;
pub use error::Error;
pub use orderer::{ChannelStatus, Orderer, Statuses};
pub use participation::{ConsenterView, Consenters};
pub use verify::{LogReport, verify_log};

/// The consenters that a channel's configuration names.
fn consenters(bundle: &Bundle) -> Result<Vec<Consenter>, Error> {
    let metadata = bundle.orderer().and_then(|orderer| orderer.raft());
    Ok(metadata.ok_or(Error::NotRaft)?.consenters)
}
