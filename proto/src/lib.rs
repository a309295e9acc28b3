//! The wire: Fabric's messages and ours, how they are built, opened, hashed and checked.
//!
//! Place in the flow: everything to the right of this room speaks in these types. The crate is pure: no I/O, no
//! clock, no randomness. What somebody signed or hashed is kept as the bytes received ([`bytes::Bytes`]) and never
//! encoded again; maps are ordered so that what we encode ourselves is always the same.

#[allow(missing_docs, unreachable_pub, clippy::all, rustdoc::all)]
mod generated {
    pub mod common {
        include!(concat!(env!("OUT_DIR"), "/common.rs"));
    }
    pub mod etcdraft {
        include!(concat!(env!("OUT_DIR"), "/etcdraft.rs"));
    }
    pub mod gateway {
        include!(concat!(env!("OUT_DIR"), "/gateway.rs"));
    }
    pub mod kvrwset {
        include!(concat!(env!("OUT_DIR"), "/kvrwset.rs"));
    }
    pub mod lifecycle {
        include!(concat!(env!("OUT_DIR"), "/lifecycle.rs"));
    }
    pub mod msp {
        include!(concat!(env!("OUT_DIR"), "/msp.rs"));
    }
    pub mod orderer {
        include!(concat!(env!("OUT_DIR"), "/orderer.rs"));
    }
    pub mod protos {
        include!(concat!(env!("OUT_DIR"), "/protos.rs"));
    }
    pub mod queryresult {
        include!(concat!(env!("OUT_DIR"), "/queryresult.rs"));
    }
    pub mod rwset {
        include!(concat!(env!("OUT_DIR"), "/rwset.rs"));
    }
    pub mod google {
        pub mod rpc {
            include!(concat!(env!("OUT_DIR"), "/google.rpc.rs"));
        }
    }
    pub mod carecord {
        pub mod ledger {
            include!(concat!(env!("OUT_DIR"), "/carecord.ledger.rs"));
        }
        pub mod orderer {
            include!(concat!(env!("OUT_DIR"), "/carecord.orderer.rs"));
        }
        pub mod privdata {
            include!(concat!(env!("OUT_DIR"), "/carecord.privdata.rs"));
        }
        pub mod vault {
            include!(concat!(env!("OUT_DIR"), "/carecord.vault.rs"));
        }
    }
}

pub mod content;

pub use generated::*;

pub mod block;
pub mod envelope;
mod error;
pub mod fabric_file;
pub mod hash;
pub mod proposal;
pub mod rwset;
#[doc(hidden)]
pub mod testdata;
pub mod transaction;
pub mod wellformed;
mod wire_types;

pub use error::{Malformed, decode};

/// The name by which a signed request means one vault: that of an organisation's peer at the address clients know.
pub fn vault_name(msp_id: &str, address: &str) -> String {
    format!("{msp_id}@{address}")
}
