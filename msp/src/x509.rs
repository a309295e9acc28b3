//! Certificates as Go's `crypto/x509` reads and verifies them.
//!
//! Place in the flow: under everything here. Fabric peers decide with Go's library, which is laxer than the standard
//! in some places and stricter in others; a general X.509 crate would accept or refuse other certificates and fork
//! the chain. So this module follows Go's behaviour: the reader ([`der`]), the fields that decide something
//! ([`Certificate`]), and the search for chains ([`verify`]).

pub(crate) mod certificate;
pub(crate) mod constraints;
pub(crate) mod crl;
pub(crate) mod der;
mod error;
pub(crate) mod extensions;
pub(crate) mod key;
pub(crate) mod name;
pub(crate) mod time;
pub(crate) mod verify;

pub(crate) use certificate::Certificate;
pub(crate) use crl::RevocationList;
pub use error::Error;
pub(crate) use verify::{CertPool, Chain};
