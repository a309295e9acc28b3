//! Everything that names a type of the `raft` crate; nothing outside this folder does.
//!
//! Place in the flow: the core gives [`Node`] messages that passed the [`inbox`], takes [`Work`] out of it, and never
//! sees protobuf 2. Network bytes are parsed by prost only; the fields are carried over one by one.

#![expect(
    clippy::field_reassign_with_default,
    reason = "protobuf 2's messages have fields that belong to nobody but its generated code"
)]

mod convert;
mod inbox;
mod members;
mod node;
mod spans;
mod view;

pub(crate) use convert::{body_in, is_append};
pub use inbox::Dropped;
pub(crate) use inbox::check;
pub(crate) use members::{ConfChange, Members, Step};
pub(crate) use node::{Fault, Node, Work};
pub(crate) use spans::TermSpans;
