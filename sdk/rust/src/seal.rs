//! Encryption of a record's content, in the client, before anything leaves it.
//!
//! Format 1: a version byte (`0x01`), a random 7-byte nonce prefix, then AES-256-GCM in the STREAM construction
//! (Hoang, Reyhanitabar, Rogaway, Vizár 2015; 32-bit big-endian counter, last-segment flag) over segments of
//! [`SEGMENT_BYTES`]. Every segment is bound to the record id and version as associated data, so a ciphertext that
//! is moved to another record, another version, cut short or reordered does not open.

use aes_gcm::aead::stream::{DecryptorBE32, EncryptorBE32};
use aes_gcm::aead::{KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Plaintext bytes in a segment; only the last one may be shorter.
pub const SEGMENT_BYTES: usize = 64 << 10;
/// The first byte of a sealed content.
pub const FORMAT: u8 = 1;

const NONCE_PREFIX_BYTES: usize = 7;
const TAG_BYTES: usize = 16;
const HEADER_BYTES: usize = 1 + NONCE_PREFIX_BYTES;

/// The key of one version of one record; wiped from memory when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DataKey([u8; 32]);

/// What a sealed content belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    /// The record's id, as on the ledger.
    pub record_id: &'a str,
    /// The version of the record, from 1.
    pub version: u64,
}

/// Why a content cannot be sealed or opened.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The first byte names a format that this client does not know.
    #[error("sealed content has format {0}, this client knows format 1")]
    UnknownFormat(u8),
    /// Shorter than any sealed content.
    #[error("sealed content is cut short")]
    Truncated,
    /// Altered, moved to another record or version, or sealed under another key.
    #[error("sealed content does not belong to this record, version and key, or was altered")]
    NotAuthentic,
    /// The counter of the construction would overflow.
    #[error("content is too long to seal")]
    TooLong,
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system")]
    NoRandomness,
}

/// Seals `plaintext` under a key that must not be used for another content.
pub fn seal(key: &DataKey, binding: Binding<'_>, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
    let mut prefix = [0; NONCE_PREFIX_BYTES];
    getrandom::fill(&mut prefix).map_err(|_| Error::NoRandomness)?;
    let segments = plaintext.len() / SEGMENT_BYTES + 1;
    let mut out = Vec::with_capacity(HEADER_BYTES + plaintext.len() + segments * TAG_BYTES);
    out.push(FORMAT);
    out.extend_from_slice(&prefix);

    let aad = binding.associated_data();
    let mut stream = EncryptorBE32::from_aead(key.cipher(), prefix.as_slice().into());
    let (whole, last) = split_last(plaintext, SEGMENT_BYTES);
    for segment in whole.chunks(SEGMENT_BYTES) {
        let payload = Payload { msg: segment, aad: &aad };
        out.extend(stream.encrypt_next(payload).map_err(|_| Error::TooLong)?);
    }
    let payload = Payload { msg: last, aad: &aad };
    out.extend(stream.encrypt_last(payload).map_err(|_| Error::TooLong)?);
    Ok(out)
}

/// Opens what [`seal`] made for the same key and binding.
pub fn open(key: &DataKey, binding: Binding<'_>, sealed: &[u8]) -> Result<Vec<u8>, Error> {
    let (header, body) = sealed.split_at_checked(HEADER_BYTES).ok_or(Error::Truncated)?;
    if header[0] != FORMAT {
        return Err(Error::UnknownFormat(header[0]));
    }
    if body.len() < TAG_BYTES {
        return Err(Error::Truncated);
    }
    let aad = binding.associated_data();
    let mut stream = DecryptorBE32::from_aead(key.cipher(), (&header[1..]).into());
    let (whole, last) = split_last(body, SEGMENT_BYTES + TAG_BYTES);
    let mut plaintext = Vec::with_capacity(body.len());
    for segment in whole.chunks(SEGMENT_BYTES + TAG_BYTES) {
        let payload = Payload { msg: segment, aad: &aad };
        plaintext.extend(stream.decrypt_next(payload).map_err(|_| Error::NotAuthentic)?);
    }
    let payload = Payload { msg: last, aad: &aad };
    plaintext.extend(stream.decrypt_last(payload).map_err(|_| Error::NotAuthentic)?);
    Ok(plaintext)
}

/// The whole segments, and the last one, which is never empty unless everything is.
fn split_last(bytes: &[u8], segment: usize) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.len().saturating_sub(1) / segment * segment)
}

// === impl DataKey ===

impl DataKey {
    /// A fresh key from the operating system's randomness.
    pub fn random() -> Result<Self, Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|_| Error::NoRandomness)?;
        Ok(Self(key))
    }

    /// A key that was unwrapped; `None` unless it has 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The key's bytes, to wrap them.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(&self.0))
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey(..)")
    }
}

// === impl Binding ===

impl Binding<'_> {
    /// A domain, then each part behind its length, so that no two bindings encode alike.
    pub(crate) fn associated_data(&self) -> Vec<u8> {
        let mut out = b"carecord-record-v1".to_vec();
        out.extend((self.record_id.len() as u32).to_be_bytes());
        out.extend(self.record_id.as_bytes());
        out.extend(self.version.to_be_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Binding<'_> = Binding { record_id: "r1", version: 1 };

    fn content(size: usize) -> Vec<u8> {
        (0..size).map(|i| (i * 7) as u8).collect()
    }

    #[test]
    fn what_was_sealed_opens_at_every_segment_boundary() {
        let key = DataKey::random().unwrap();
        for size in [0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 3 * SEGMENT_BYTES] {
            let plaintext = content(size);
            let sealed = seal(&key, HERE, &plaintext).unwrap();
            assert_eq!(open(&key, HERE, &sealed).unwrap(), plaintext, "{size}");
        }
    }

    #[test]
    fn nothing_opens_elsewhere_or_altered() {
        let key = DataKey::random().unwrap();
        let sealed = seal(&key, HERE, &content(2 * SEGMENT_BYTES + 5)).unwrap();
        let other = DataKey::random().unwrap();
        assert_eq!(open(&other, HERE, &sealed), Err(Error::NotAuthentic));
        let elsewhere = Binding { record_id: "r2", version: 1 };
        assert_eq!(open(&key, elsewhere, &sealed), Err(Error::NotAuthentic));
        let later = Binding { record_id: "r1", version: 2 };
        assert_eq!(open(&key, later, &sealed), Err(Error::NotAuthentic));

        let segment = SEGMENT_BYTES + TAG_BYTES;
        let cut = &sealed[..HEADER_BYTES + segment];
        assert_eq!(open(&key, HERE, cut), Err(Error::NotAuthentic), "whole segments dropped");
        let mut swapped = sealed.clone();
        let (first, second) = swapped[HEADER_BYTES..].split_at_mut(segment);
        first.swap_with_slice(&mut second[..segment]);
        assert_eq!(open(&key, HERE, &swapped), Err(Error::NotAuthentic), "segments swapped");
        for at in (1..sealed.len()).step_by(4_099) {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert_eq!(open(&key, HERE, &flipped), Err(Error::NotAuthentic), "byte {at}");
        }
    }

    #[test]
    fn a_foreign_format_is_named() {
        let key = DataKey::random().unwrap();
        assert_eq!(open(&key, HERE, &[9; 40]), Err(Error::UnknownFormat(9)));
        assert_eq!(open(&key, HERE, &[1; 12]), Err(Error::Truncated));
        assert_eq!(open(&key, HERE, &[]), Err(Error::Truncated));
    }
}
