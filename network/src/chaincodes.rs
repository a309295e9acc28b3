//! Chaincode of a running network: packages, definitions, approvals.
//!
//! ```text
//! package ─▶ install (each peer) ─▶ approve (each organisation) ─▶ readiness ─▶ commit (the channel) ─▶ call
//! ```
//!
//! Place in the flow: `carecord chaincode` takes these steps one by one or, as `deploy`, all of them; bringing up a network
//! deploys what its topology names in the same way. Everything is an ordinary call of `_lifecycle`.

mod approved;
mod built_in;
mod calls;
mod collections;
mod definition;
mod deploy;
mod package;
mod shown;
mod strangers;

pub use approved::is_approved_before;
pub use built_in::{built_in, refuse_unknown};
pub use calls::{Approval, approve, commit};
pub use calls::{Installed, committed, committed_all, install, installed, readiness};
pub use collections::collections;
pub use definition::{Definition, policy};
pub use deploy::{Deployed, Deployment, deploy};
pub use package::{Content, Package};
pub use shown::{collection_names, policy_text};
pub use strangers::refuse_strangers;
