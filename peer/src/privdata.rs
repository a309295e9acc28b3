//! Private data between peers: handed on when it is endorsed, fetched when it is missing, and the proof that it is gone.
//!
//! Place in the flow: the endorser [hands on](distribute) what a simulation wrote before its endorsement leaves; the
//! committer [fetches](fetch_wanted) what a block needs and did not arrive; a [keeper](keep) for each channel fetches later what
//! is still missing and rewrites files after a purge. Other peers and readers of the channel ask [`service`]. The rules are in
//! `docs/decisions/0011-private-data.md`; what is stored is the ledger's matter.

mod distribute;
mod keep;
mod limits;
mod notes;
mod pull;
mod push;
mod receipt;
mod service;
mod signed;

pub(crate) use distribute::{Outgoing, distribute};
pub(crate) use keep::{Keeper, keep};
pub(crate) use limits::{MAX_CALLS, MAX_DELIVERED_BYTES};
pub(crate) use notes::Notes;
pub(crate) use pull::fetch_wanted;
pub(crate) use push::Pushers;
pub(crate) use service::PrivateDataService;
