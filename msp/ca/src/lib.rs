//! The certificate authority of an organisation: who is who, put into X.509.
//!
//! Place in the flow: before anything else. Bring-up creates an [`Organisation`] (one CA for identities, one for TLS),
//! issues the certificates of its nodes, admins and users, and writes them in the folder layout that Fabric's
//! `cryptogen` uses ([`layout`]), so that `carecord-msp` and the tools of others find their keys.
//!
//! Roles are NodeOU values in the subject ([`NodeRole`]); what a person may do is an attribute in Fabric-CA's
//! extension ([`attributes`]). A patient's certificate carries a random pseudonym and no name.

pub mod attributes;
mod authority;
pub mod client;
mod csr;
mod error;
mod issuing;
mod key;
pub mod layout;
mod low_s;
mod organisation;
mod pseudonym;
mod refusal;
pub mod rules;
pub mod sealed_key;
mod secret;
pub mod server;
pub mod service;
mod store;
pub mod token;
mod validity;

pub use authority::{Authority, Issued, NodeRole, Request};
pub use csr::Csr;
pub use error::Error;
pub use issuing::{Content, Edition, Issuing, Purpose, Signed};
pub use key::KeyKind;
pub use organisation::{Organisation, Person, Subject};
pub use pseudonym::pseudonym;
pub use refusal::{Code, Refusal};
pub use secret::{Cost, Secrets, make as make_secret};
pub use store::{
    Attribute, Change, Identity, Issued as IssuedRecord, LogEntry, Revocation, Store, StoreError,
};
pub use validity::Validity;
