//! A channel's rules: its configuration, compiled, and the policies in it.
//!
//! Place in the flow: a configuration block becomes a [`Bundle`]; orderers ask it who may write, how blocks are cut and
//! whether an update follows; peers ask it who signed a block, who may read, and whether endorsements suffice. The next
//! configuration block gives the next bundle. [`genesis`] makes the first block of all.
//!
//! *Invariant:* no clock, no randomness, no order but that of the bytes: every node comes to the same answer. Guard: the
//! golden vectors of `tests/it`, whose answers are Fabric's.

pub mod acl;
mod application;
mod bundle;
mod capabilities;
mod change;
mod channel;
pub mod config;
mod consortiums;
pub mod duration;
mod error;
pub mod genesis;
mod maintenance;
mod orderer;
mod organization;
pub mod policy;
pub mod raft;
mod values;

pub use application::{ApplicationConfig, ApplicationError, ApplicationOrganization};
pub use bundle::{
    BLOCK_VALIDATION, Bundle, CHANNEL_READERS, CHANNEL_WRITERS, ENDORSEMENT, LIFECYCLE_ENDORSEMENT,
    ORDERER_WRITERS, ROOT,
};
pub use capabilities::{
    ApplicationCapabilities, CapabilityError, ChannelCapabilities, OrdererCapabilities,
};
pub use error::{ChangeError, ChannelError, Error};
pub use maintenance::MaintenanceError;
pub use orderer::{ETCDRAFT, OrdererConfig, OrdererError, OrdererOrganization};
pub use organization::OrganizationError;
pub use policy::SignedData;
pub use values::ValueError;
