//! Configurations as trees: what they may look like, and how an update changes one.
//!
//! Place in the flow: an administrator's CONFIG_UPDATE names what it read and what it wants written ([`update`]); the
//! orderer decides, every node decides again when the result comes in a block. [`compute`] makes an update out of what
//! a configuration is and should be. What a configuration *means* is the
//! [`crate::Bundle`]'s matter.

pub mod compute;
pub(crate) mod elements;
pub mod limits;
pub mod names;
pub mod update;
