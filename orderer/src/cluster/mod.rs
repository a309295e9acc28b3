//! Orderer to orderer: Raft messages and forwarded envelopes over mutually authenticated streams, blocks on request.
//!
//! Place in the flow: the owner of a channel hands messages to one [`Link`] for each other consenter; the
//! [`service`] takes what the others send, checks by their TLS certificate who they are, and feeds the owner.

mod fetch;
mod greeting;
mod link;
mod links;
mod members;
mod own;
mod pins;
mod service;

pub(crate) use fetch::{Start as FetchStart, fetch};
pub(crate) use greeting::Greeting;
pub(crate) use link::Link;
pub(crate) use links::Links;
pub(crate) use members::{Member, Members};
pub use own::OwnCertificates;
pub(crate) use pins::Pins;
pub(crate) use service::ClusterService;
