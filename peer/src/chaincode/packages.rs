//! Chaincode packages on this peer: what an administrator has installed, whole and unchanged.
//!
//! Place in the flow: `_lifecycle` installs and lists them; an approval names one, and with it which code this peer runs
//! for a definition. A package is a gzipped tar of `metadata.json` and `code.tar.gz`; its id is its label and its hash.
//!
//! | type | `code.tar.gz` holds | runs here |
//! |---|---|---|
//! | `carecord` | `chaincode.json`, which names a chaincode that is built into the peer | yes |
//! | `ccaas` | `connection.json`, the address of a chaincode service | not yet: kept, and a call says so |
//! | others | source code | refused: this peer builds nothing |

mod archive;
mod content;
mod store;

pub(crate) use content::Code;
pub(crate) use store::{Installed, Packages};
