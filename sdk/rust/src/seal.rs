//! Encryption of a record's content, in the client, before anything leaves it.
//!
//! Format 1: a version byte (`0x01`), a random 7-byte nonce prefix, then AES-256-GCM in the STREAM construction
//! (Hoang, Reyhanitabar, Rogaway, Vizár 2015; 32-bit big-endian counter, last-segment flag) over segments of
//! [`SEGMENT_BYTES`]. Every segment is bound to the record id and version as associated data, so a ciphertext that
//! is moved to another record, another version, cut short or reordered does not open.

mod stream;

use aes_gcm::aead::KeyInit;
use aes_gcm::{Aes256Gcm, Key};
use zeroize::{Zeroize, ZeroizeOnDrop};

pub use stream::{Opener, Sealer};

/// Plaintext bytes in a segment; only the last one may be shorter.
pub const SEGMENT_BYTES: usize = 64 << 10;
/// The first byte of a sealed content.
pub const FORMAT: u8 = 1;

const NONCE_PREFIX_BYTES: usize = 7;
const TAG_BYTES: usize = 16;
/// Bytes before the first sealed segment.
pub const HEADER_BYTES: usize = 1 + NONCE_PREFIX_BYTES;
/// Bytes of a sealed segment; only the last one may be shorter.
pub const SEALED_SEGMENT_BYTES: usize = SEGMENT_BYTES + TAG_BYTES;

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
    let mut out = Vec::with_capacity(sealed_bytes(plaintext.len() as u64) as usize);
    let sealer = stream::Sealer::new(key, binding)?;
    out.extend_from_slice(sealer.header());
    let (whole, last) = split_last(plaintext, SEGMENT_BYTES);
    let mut sealer = sealer;
    for segment in whole.chunks(SEGMENT_BYTES) {
        out.extend(sealer.next(segment)?);
    }
    out.extend(sealer.last(last)?);
    Ok(out)
}

/// Opens what [`seal`] made for the same key and binding.
pub fn open(key: &DataKey, binding: Binding<'_>, sealed: &[u8]) -> Result<Vec<u8>, Error> {
    let (header, body) = sealed.split_at_checked(HEADER_BYTES).ok_or(Error::Truncated)?;
    let opener = stream::Opener::new(key, binding, header)?;
    if body.len() < TAG_BYTES {
        return Err(Error::Truncated);
    }
    let (whole, last) = split_last(body, SEALED_SEGMENT_BYTES);
    let mut plaintext = Vec::with_capacity(body.len());
    let mut number = 0;
    for segment in whole.chunks(SEALED_SEGMENT_BYTES) {
        plaintext.extend(opener.segment(number, false, segment)?);
        number += 1;
    }
    plaintext.extend(opener.segment(number, true, last)?);
    Ok(plaintext)
}

/// How long a content of so many bytes is when it is sealed.
pub fn sealed_bytes(plaintext: u64) -> u64 {
    let segments = plaintext.div_ceil(SEGMENT_BYTES as u64).max(1);
    HEADER_BYTES as u64 + plaintext + segments * TAG_BYTES as u64
}

/// How long the content of a sealed one is; `None` if nothing that is sealed has that length.
pub fn plaintext_bytes(sealed: u64) -> Option<u64> {
    let body = sealed.checked_sub(HEADER_BYTES as u64)?;
    let segments = body.div_ceil(SEALED_SEGMENT_BYTES as u64).max(1);
    let plaintext = body.checked_sub(segments * TAG_BYTES as u64)?;
    (sealed_bytes(plaintext) == sealed).then_some(plaintext)
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
    pub fn associated_data(&self) -> Vec<u8> {
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
    fn lengths_of_sealed_contents_are_known_beforehand() {
        let key = DataKey::random().unwrap();
        for size in [0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 3 * SEGMENT_BYTES] {
            let sealed = seal(&key, HERE, &content(size)).unwrap().len() as u64;
            assert_eq!(sealed, sealed_bytes(size as u64), "{size}");
            assert_eq!(plaintext_bytes(sealed), Some(size as u64));
        }
        assert_eq!(plaintext_bytes((HEADER_BYTES + TAG_BYTES) as u64 - 1), None);
        let between = (HEADER_BYTES + SEALED_SEGMENT_BYTES + TAG_BYTES) as u64;
        assert_eq!(plaintext_bytes(between), None, "a last segment without a byte");
    }

    #[test]
    fn any_segment_opens_alone_at_its_own_place_only() {
        let key = DataKey::random().unwrap();
        let plaintext = content(2 * SEGMENT_BYTES + 5);
        let sealed = seal(&key, HERE, &plaintext).unwrap();
        let (header, body) = sealed.split_at(HEADER_BYTES);
        let opener = Opener::new(&key, HERE, header).unwrap();
        let pieces: Vec<&[u8]> = body.chunks(SEALED_SEGMENT_BYTES).collect();
        let second = &plaintext[SEGMENT_BYTES..2 * SEGMENT_BYTES];
        assert_eq!(opener.segment(1, false, pieces[1]).unwrap(), second);
        assert_eq!(opener.segment(2, true, pieces[2]).unwrap(), &plaintext[2 * SEGMENT_BYTES..]);
        for (number, is_last, piece) in [(0, false, 1), (1, true, 1), (2, false, 2), (1, true, 2)] {
            let moved = opener.segment(number, is_last, pieces[piece]);
            assert_eq!(moved, Err(Error::NotAuthentic), "{number} {is_last}");
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
