//! The chaincode side of the ledger: what a contract sees of a transaction, and how a call finds its function.
//!
//! Place in the flow: the peer simulates a proposal, gives the chaincode a [`Stub`] over a snapshot, and the chaincode
//! answers with a [`Response`]; every read and write goes through the stub, so the peer can record them. A chaincode
//! made of contracts is built declaratively ([`Contract`], [`Function`], [`Contracts`]): the same lines give dispatch,
//! argument types, role checks and the published metadata. Nothing here reads a clock, a random source or a file.

extern crate self as carecord_chaincode;

mod argument;
pub mod bench;
mod caller;
mod context;
mod contract;
mod dispatch;
mod error;
pub mod key;
mod metadata;
mod response;
mod stub;
#[cfg(feature = "test-util")]
pub mod test_util;

#[doc(hidden)]
pub use argument::camel_case;
pub use argument::{ARGUMENT_BYTES_MAX, Argument, Raw, Reply, Schema, parse_json};
pub use caller::{Caller, CallerError, ROLE_ATTRIBUTE};
pub use context::Context;
pub use contract::{Contract, Function, Handler, Mode};
pub use dispatch::Contracts;
pub use error::{Class, ContractError, ErrorCode, codes};
pub use metadata::METADATA_FUNCTION;
pub use response::Response;
pub use stub::{KeyModification, KeyValue, Stub, StubError, Timestamp};

#[doc(hidden)]
pub use serde;
#[doc(hidden)]
pub use serde_json;

/// A program that the peer can run: one per chaincode name, shared by all transactions.
pub trait Chaincode: Send + Sync {
    /// The name under which the channel's definition and clients know it.
    fn name(&self) -> &str;

    /// Runs one call; whatever it does to the state it does through `stub`.
    fn invoke(&self, stub: &mut dyn Stub) -> Response;
}
