//! The keys that a seed stands for: HKDF-SHA256 (RFC 5869) without salt, one label each.
//!
//! The labels are for good: another one would be another key. `…/0` is a key's generation; a rotated encryption key is
//! `…/1`, so that the words restore it too.

use aws_lc_rs::hkdf;
use p256::SecretKey;
use p256::pkcs8::{EncodePrivateKey, LineEnding};
use zeroize::Zeroizing;

use super::{Error, Seed};
use crate::wrap::EncryptionKey;

/// Label of the signature key, P-256; the key of the person's certificate.
pub const SIGNATURE: &str = "carecord/sig/p256/0";
/// Label of the encryption key, X25519; without its generation it ends in `/`.
pub const ENCRYPTION: &str = "carecord/enc/x25519/0";
/// Label of the secret behind pairwise pseudonyms.
pub const PSEUDONYM: &str = "carecord/pseudonym/0";
/// Label of the key under which a person backs up what the words do not give back.
pub const BACKUP: &str = "carecord/backup/0";

const ENCRYPTION_ANY: &str = "carecord/enc/x25519/";
/// Bytes of a pseudonym.
const PSEUDONYM_BYTES: usize = 16;

/// Derives a person's keys from their seed.
#[derive(Clone, Debug)]
pub struct Keys(Seed);

// === impl Keys ===

impl Keys {
    /// The keys of this seed.
    pub fn new(seed: Seed) -> Self {
        Self(seed)
    }

    /// The private signature key, PKCS#8 in PEM: what a certificate is asked for with, and transactions are signed with.
    pub fn signature_pem(&self) -> Result<Zeroizing<String>, Error> {
        let key = self.signature_key()?;
        key.to_pkcs8_pem(LineEnding::LF).map_err(|_| Error::NoKey("signature"))
    }

    /// The public signature key, a point of SEC 1 without compression.
    pub fn signature_public(&self) -> Result<Vec<u8>, Error> {
        let point = self.signature_key()?.public_key();
        Ok(p256::EncodedPoint::from(point).as_bytes().to_vec())
    }

    /// The first encryption key.
    pub fn encryption(&self) -> EncryptionKey {
        self.encryption_of(0)
    }

    /// The encryption key of a generation: 0 for the first, one more at each rotation.
    pub fn encryption_of(&self, generation: u32) -> EncryptionKey {
        let bytes = self.derive(&format!("{ENCRYPTION_ANY}{generation}"));
        EncryptionKey::from_bytes(bytes.as_slice()).expect("any 32 bytes are an X25519 key")
    }

    /// The person's pseudonym towards one organisation: 128 bits of an HMAC that nobody else can compute or link.
    pub fn pseudonym(&self, msp_id: &str) -> String {
        use aws_lc_rs::hmac;
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.derive(PSEUDONYM).as_slice());
        let tag = hmac::sign(&key, msp_id.as_bytes());
        hex::encode(&tag.as_ref()[..PSEUDONYM_BYTES])
    }

    /// The key of the person's backups.
    pub fn backup(&self) -> Zeroizing<[u8; 32]> {
        self.derive(BACKUP)
    }

    fn signature_key(&self) -> Result<SecretKey, Error> {
        // A number of 256 bits is no P-256 key (0, or above the order) once in 2^32.
        SecretKey::from_slice(self.derive(SIGNATURE).as_slice())
            .map_err(|_| Error::NoKey("signature"))
    }

    fn derive(&self, label: &str) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        let pseudorandom = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(self.0.as_bytes());
        let label = [label.as_bytes()];
        let expanded = pseudorandom.expand(&label, hkdf::HKDF_SHA256);
        let filled = expanded.and_then(|okm| okm.fill(key.as_mut()));
        filled.expect("HKDF-SHA256 gives 32 bytes");
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Words;

    const ABOUT: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

    /// Signature, encryption, pseudonym and backup key of the words `ABOUT`, and a pseudonym.
    const VECTORS: [&str; 5] = [
        "590a6cf42da2fa55e4d2a162e325fa74752e058cbd2b3d4f7e921df294f8c6fe",
        "ef8854979635f1fcc9b2db9071d0c58261201bbdb105d60e103fa541aa7705d4",
        "0c63bde83ea42c75fbe4d7ebebf597e096c0d8491991374bfefc2606e4bbb09b",
        "240c9156bde0c18ffab7356ea87de2868fc5f06024b6afcd81036e9ccb973d64",
        "1330f4ba96526e58ab14530b9d301cd8",
    ];

    fn keys(passphrase: &str) -> Keys {
        Keys::new(Words::parse(ABOUT).unwrap().seed(passphrase))
    }

    /// Another implementation's values: Python's hashlib and hmac, see `docs/decisions/0013-keys-and-copies.md`.
    #[test]
    fn the_derived_keys_are_the_documented_ones() {
        let keys = keys("");
        assert_eq!(hex::encode(keys.derive(SIGNATURE)), VECTORS[0]);
        assert_eq!(hex::encode(keys.derive(ENCRYPTION)), VECTORS[1]);
        assert_eq!(hex::encode(keys.derive(PSEUDONYM)), VECTORS[2]);
        assert_eq!(hex::encode(keys.backup()), VECTORS[3]);
        assert_eq!(hex::encode(keys.encryption().to_bytes()), VECTORS[1]);
        assert_eq!(keys.pseudonym("HospitalAMSP"), VECTORS[4]);
    }

    #[test]
    fn the_signature_key_is_a_key_that_an_identity_can_sign_with() {
        let keys = keys("");
        let pem = keys.signature_pem().unwrap();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"));
        assert_eq!(keys.signature_public().unwrap().len(), 65);
        let pair = aws_lc_rs::signature::EcdsaKeyPair::from_private_key_der(
            &aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1_SIGNING,
            &keys.signature_key().unwrap().to_pkcs8_der().unwrap().to_bytes(),
        );
        use aws_lc_rs::signature::KeyPair;
        assert_eq!(pair.unwrap().public_key().as_ref(), keys.signature_public().unwrap());
    }

    #[test]
    fn each_passphrase_generation_and_organisation_has_its_own() {
        let (plain, with) = (keys(""), keys("a passphrase"));
        assert_ne!(plain.encryption().public(), with.encryption().public());
        assert_ne!(plain.encryption().public(), plain.encryption_of(1).public());
        assert_ne!(plain.pseudonym("AMSP"), plain.pseudonym("BMSP"));
        assert_ne!(plain.pseudonym("AMSP"), with.pseudonym("AMSP"));
    }
}
