//! Wraps of data keys: HPKE (RFC 9180) base mode to a reader's X25519 key, suite 1.
//!
//! Suite 1 is DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. The record and its version are the associated
//! data and the reader's key id is part of the info string, so a wrap serves one reader of one content only.

use carecord_proto::carecord::vault::Wrap;
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem as _, OpModeR, OpModeS, Serializable};
use zeroize::Zeroizing;

use crate::seal::{Binding, DataKey};

/// The only suite so far; a later one (X-Wing) gets the next number.
pub const SUITE: u32 = 1;

type Kem = X25519HkdfSha256;

/// A reader's decryption key; stays with its owner.
#[derive(Clone)]
pub struct EncryptionKey {
    private: <Kem as hpke::Kem>::PrivateKey,
    public: [u8; 32],
}

/// Why a data key cannot be wrapped or unwrapped.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The bytes are no X25519 key.
    #[error("not an X25519 key of 32 bytes")]
    BadKey,
    /// The wrap names a suite that this client does not know.
    #[error("wrap has suite {0}, this client knows suite 1")]
    UnknownSuite(u32),
    /// The wrap is for another reader, record or version, or was altered.
    #[error("wrap does not belong to this reader, record and version, or was altered")]
    NotAuthentic,
}

/// Wraps `key` for the reader whose registered key is `public`.
pub fn wrap(
    key: &DataKey,
    data_key_id: &str,
    binding: Binding<'_>,
    recipient_kid: &str,
    public: &[u8],
) -> Result<Wrap, Error> {
    let public = <Kem as hpke::Kem>::PublicKey::from_bytes(public).map_err(|_| Error::BadKey)?;
    let (enc, ciphertext) = hpke::single_shot_seal::<AesGcm256, HkdfSha256, Kem, _>(
        &OpModeS::Base,
        &public,
        &info(recipient_kid),
        key.as_bytes(),
        &binding.associated_data(),
        &mut rand::rng(),
    )
    .map_err(|_| Error::BadKey)?;
    Ok(Wrap {
        data_key_id: data_key_id.to_owned(),
        recipient_kid: recipient_kid.to_owned(),
        recipient_id: String::new(),
        suite: SUITE,
        enc: enc.to_bytes().to_vec().into(),
        ciphertext: ciphertext.into(),
    })
}

/// Opens a wrap that was made for `reader`.
pub fn unwrap(wrap: &Wrap, binding: Binding<'_>, reader: &EncryptionKey) -> Result<DataKey, Error> {
    if wrap.suite != SUITE {
        return Err(Error::UnknownSuite(wrap.suite));
    }
    let enc =
        <Kem as hpke::Kem>::EncappedKey::from_bytes(&wrap.enc).map_err(|_| Error::NotAuthentic)?;
    let bytes = hpke::single_shot_open::<AesGcm256, HkdfSha256, Kem>(
        &OpModeR::Base,
        &reader.private,
        &enc,
        &info(&wrap.recipient_kid),
        &wrap.ciphertext,
        &binding.associated_data(),
    )
    .map(Zeroizing::new)
    .map_err(|_| Error::NotAuthentic)?;
    DataKey::from_bytes(&bytes).ok_or(Error::NotAuthentic)
}

/// Wraps anew, for another reader, what was wrapped for `own`: a referral, or the next key after a rotation.
pub fn rewrap(
    wrap_of_own: &Wrap,
    binding: Binding<'_>,
    own: &EncryptionKey,
    recipient_kid: &str,
    public: &[u8],
) -> Result<Wrap, Error> {
    let key = unwrap(wrap_of_own, binding, own)?;
    wrap(&key, &wrap_of_own.data_key_id, binding, recipient_kid, public)
}

fn info(recipient_kid: &str) -> Vec<u8> {
    [b"carecord-wrap-v1".as_slice(), recipient_kid.as_bytes()].concat()
}

// === impl EncryptionKey ===

impl EncryptionKey {
    /// A fresh key pair from the operating system's randomness.
    pub fn random() -> Self {
        let (private, public) = Kem::gen_keypair(&mut rand::rng());
        Self { private, public: public.to_bytes().into() }
    }

    /// The key pair of a stored private key; refuses other lengths than 32 bytes.
    pub fn from_bytes(private: &[u8]) -> Result<Self, Error> {
        let private =
            <Kem as hpke::Kem>::PrivateKey::from_bytes(private).map_err(|_| Error::BadKey)?;
        let public = Kem::sk_to_pk(&private).to_bytes().into();
        Ok(Self { private, public })
    }

    /// The private key, to store it under its owner's protection.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.private.to_bytes().to_vec())
    }

    pub(crate) fn private(&self) -> &<Kem as hpke::Kem>::PrivateKey {
        &self.private
    }

    /// The public key, to register it.
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }
}

impl std::fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EncryptionKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Binding<'_> = Binding { record_id: "r1", version: 1 };

    #[test]
    fn only_the_reader_unwraps_and_only_for_this_content() {
        let (reader, stranger) = (EncryptionKey::random(), EncryptionKey::random());
        let key = DataKey::random().unwrap();
        let wrapped = wrap(&key, "dek", HERE, "kid", reader.public()).unwrap();
        assert_eq!(unwrap(&wrapped, HERE, &reader).unwrap().as_bytes(), key.as_bytes());

        let refused = |wrapped: &Wrap, binding, reader| unwrap(wrapped, binding, reader).err();
        assert_eq!(refused(&wrapped, HERE, &stranger), Some(Error::NotAuthentic));
        let later = Binding { record_id: "r1", version: 2 };
        assert_eq!(refused(&wrapped, later, &reader), Some(Error::NotAuthentic));
        let renamed = Wrap { recipient_kid: "other".into(), ..wrapped.clone() };
        assert_eq!(refused(&renamed, HERE, &reader), Some(Error::NotAuthentic));
        let foreign = Wrap { suite: 2, ..wrapped };
        assert_eq!(refused(&foreign, HERE, &reader), Some(Error::UnknownSuite(2)));
    }

    #[test]
    fn a_referral_gives_the_next_reader_the_same_data_key() {
        let (first, second) = (EncryptionKey::random(), EncryptionKey::random());
        let key = DataKey::random().unwrap();
        let own = wrap(&key, "dek", HERE, "first", first.public()).unwrap();
        let handed_on = rewrap(&own, HERE, &first, "second", second.public()).unwrap();
        assert_eq!(handed_on.data_key_id, "dek");
        assert_eq!(unwrap(&handed_on, HERE, &second).unwrap().as_bytes(), key.as_bytes());
        assert_eq!(unwrap(&handed_on, HERE, &first).err(), Some(Error::NotAuthentic));
        let foreign = rewrap(&own, HERE, &second, "second", second.public());
        assert_eq!(foreign.err(), Some(Error::NotAuthentic));
    }

    #[test]
    fn a_stored_key_is_the_same_key() {
        let key = EncryptionKey::random();
        let again = EncryptionKey::from_bytes(&key.to_bytes()).unwrap();
        assert_eq!(again.public(), key.public());
        assert_eq!(EncryptionKey::from_bytes(&[1; 31]).err(), Some(Error::BadKey));
    }
}
