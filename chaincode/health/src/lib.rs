//! The health contracts: people and their keys, encrypted records, consent, and the trail of every access.
//!
//! Place in the flow: the peer runs [`chaincode`] when a transaction names `health`; clients call
//! `contract:Function`; a vault checks [`access`] before it hands out a key wrap. Three rules hold everywhere:
//!
//! * The caller is who signed the transaction. No argument ever says who calls.
//! * A block and a state key hold random ids, hashes, content ids, salted commitments, numbers and words of
//!   [`vocabulary`], never a name, code, title, data key or wrap. The argument types let nothing else through, and
//!   arguments matter: they are part of the transaction, and so of the block.
//! * A refusal is an error and changes nothing. The one exception is `records:Open`, whose denial is a valid
//!   transaction, because a denied attempt belongs on the ledger too.

pub mod access;
pub mod appointments;
pub mod audit;
pub mod channels;
pub mod claims;
pub mod consent;
pub mod error;
pub mod events;
pub mod identity;
pub mod ids;
pub mod keys;
pub mod merkle;
pub mod model;
pub mod page;
mod person;
pub mod policy;
pub mod records;
pub mod research;
pub mod storage;
mod store;
pub mod telemetry;
pub mod token;
pub mod vocabulary;

use carecord_chaincode::Contracts;

/// The name under which the chaincode is defined on a channel.
pub const NAME: &str = "health";

/// The chaincode, ready to be run by a peer.
pub fn chaincode() -> Contracts {
    let contracts = vec![
        identity::contract(),
        records::contract(),
        consent::contract(),
        audit::contract(),
        token::contract(),
        channels::contract(),
        claims::contract(),
        research::contract(),
        appointments::contract(),
        telemetry::contract(),
        storage::contract(),
    ];
    Contracts::new(NAME, env!("CARGO_PKG_VERSION"), contracts)
}
