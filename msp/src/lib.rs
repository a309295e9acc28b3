//! Who somebody is: one organisation's MSP, the identities it vouches for, the principals they satisfy, and signing.
//!
//! Place in the flow: orderers and peers turn the creator and endorser bytes of every envelope into an [`Identity`]
//! through the channel's [`MspManager`], ask whether it is valid and whether its signature holds, and hand it to the
//! policies (`carecord-channel`). The rules are Fabric's to the letter: a validator that is stricter or laxer than a
//! Fabric peer would fork the chain. The crate has no clock: whether a certificate has expired is asked elsewhere.
//!
//! *Invariant:* nothing here reads the wall clock. Guard: the golden vectors, in which an expired leaf is valid.

mod attributes;
mod cache;
mod config_yaml;
mod current;
mod error;
mod identity;
pub mod keystore;
mod manager;
mod member;
mod msp;
mod nodeou;
mod pem_block;
mod principal;
mod revocation;
mod sanitize;
mod setup;
pub mod signature;
mod signer;
mod tls;
mod validate;
mod wellformed;
mod x509;

pub use current::CurrentSigner;
pub use error::Error;
pub use identity::{Identity, OrganizationalUnit};
pub use manager::MspManager;
pub use msp::{Msp, MspVersion};
pub use pem_block::{PemBlock, decode as decode_pem, encode as encode_pem};
pub use signer::{Signer, SigningIdentity};
pub use tls::{TlsAuthorities, TlsCertificate};
pub use wellformed::is_well_formed;
pub use x509::Error as CertificateError;

/// Longer creators are refused by those who take requests in (our own rule; a validator judges what it finds in blocks as
/// Fabric does). A certificate of Fabric's CA has about a thousand bytes.
pub const MAX_INGRESS_IDENTITY_BYTES: usize = 64 << 10;

/// Identities and MSPs are shared between all worker threads of a validator.
const _: () = {
    const fn shared_between_threads<T: Send + Sync>() {}
    shared_between_threads::<Identity>();
    shared_between_threads::<MspManager>();
    shared_between_threads::<SigningIdentity>();
};
