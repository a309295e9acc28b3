//! A person's keys: twelve words, from which all of them come again on another device.
//!
//! ```text
//! words ── BIP-39 ──► seed ── HKDF-SHA256, one label each ──► signature, encryption, pseudonym, backup
//! ```
//!
//! The words and the seed never leave the caller; nothing here speaks to anybody.

pub mod custody;
mod derive;
mod error;
mod mnemonic;
pub mod shares;

pub use derive::{BACKUP, ENCRYPTION, Keys, PSEUDONYM, SIGNATURE};
pub use error::Error;
pub use mnemonic::{Seed, WORDS, Words};
