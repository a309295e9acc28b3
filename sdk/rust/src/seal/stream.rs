//! Sealing and opening piece by piece: one segment in memory, whatever the content's length.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::Payload;
use aes_gcm::aead::stream::{EncryptorBE32, NewStream, StreamBE32, StreamPrimitive};

use super::{Binding, DataKey, Error, FORMAT, HEADER_BYTES, NONCE_PREFIX_BYTES, SEGMENT_BYTES};

/// Seals a content segment by segment, in order.
pub struct Sealer {
    header: [u8; HEADER_BYTES],
    associated_data: Vec<u8>,
    stream: EncryptorBE32<Aes256Gcm>,
}

/// Opens segments, in any order: a part of a large content needs only the segments that it lies in.
pub struct Opener {
    associated_data: Vec<u8>,
    stream: StreamBE32<Aes256Gcm>,
}

// === impl Sealer ===

impl Sealer {
    /// Begins a content, under a key that must not be used for another one.
    pub fn new(key: &DataKey, binding: Binding<'_>) -> Result<Self, Error> {
        let mut prefix = [0; NONCE_PREFIX_BYTES];
        getrandom::fill(&mut prefix).map_err(|_| Error::NoRandomness)?;
        Ok(Self::with_prefix(key, binding, &prefix))
    }

    /// A second sealer with the same key and header gives the same bytes for the same content: a content is sealed twice, once
    /// to learn its id and once to send it, and never lies in memory as a whole. The content must be the same both times.
    pub fn again(&self, key: &DataKey, binding: Binding<'_>) -> Self {
        let mut prefix = [0; NONCE_PREFIX_BYTES];
        prefix.copy_from_slice(&self.header[1..]);
        Self::with_prefix(key, binding, &prefix)
    }

    fn with_prefix(key: &DataKey, binding: Binding<'_>, prefix: &[u8; NONCE_PREFIX_BYTES]) -> Self {
        let mut header = [FORMAT; HEADER_BYTES];
        header[1..].copy_from_slice(prefix);
        let stream = EncryptorBE32::from_aead(key.cipher(), prefix.as_slice().into());
        Self { header, associated_data: binding.associated_data(), stream }
    }

    /// The first bytes of the sealed content.
    pub fn header(&self) -> &[u8; HEADER_BYTES] {
        &self.header
    }

    /// Seals a segment of [`SEGMENT_BYTES`] behind which another one comes.
    pub fn next(&mut self, segment: &[u8]) -> Result<Vec<u8>, Error> {
        if segment.len() != SEGMENT_BYTES {
            return Err(Error::TooLong);
        }
        let payload = Payload { msg: segment, aad: &self.associated_data };
        self.stream.encrypt_next(payload).map_err(|_| Error::TooLong)
    }

    /// Seals the last segment, which is not empty unless the content is.
    pub fn last(self, segment: &[u8]) -> Result<Vec<u8>, Error> {
        if segment.len() > SEGMENT_BYTES {
            return Err(Error::TooLong);
        }
        let payload = Payload { msg: segment, aad: &self.associated_data };
        self.stream.encrypt_last(payload).map_err(|_| Error::TooLong)
    }
}

// === impl Opener ===

impl Opener {
    /// Reads the first bytes of a sealed content.
    pub fn new(key: &DataKey, binding: Binding<'_>, header: &[u8]) -> Result<Self, Error> {
        let (format, prefix) = header.split_first().ok_or(Error::Truncated)?;
        if *format != FORMAT {
            return Err(Error::UnknownFormat(*format));
        }
        if prefix.len() != NONCE_PREFIX_BYTES {
            return Err(Error::Truncated);
        }
        let stream = StreamBE32::from_aead(key.cipher(), prefix.into());
        Ok(Self { associated_data: binding.associated_data(), stream })
    }

    /// Opens a segment: its number, from 0, and whether the content ends with it.
    pub fn segment(&self, number: u32, is_last: bool, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let payload = Payload { msg: sealed, aad: &self.associated_data };
        self.stream.decrypt(number, is_last, payload).map_err(|_| Error::NotAuthentic)
    }
}
