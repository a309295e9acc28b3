//! A CA's private key on disk: PKCS#8, encrypted under a passphrase (PBES2: scrypt and AES-256-CBC), which OpenSSL
//! reads, too.

use pkcs8::der::pem::PemLabel;
use pkcs8::pkcs5::pbes2::Parameters;
use pkcs8::pkcs5::scrypt::Params;
use pkcs8::{EncryptedPrivateKeyInfo, LineEnding, PrivateKeyInfo, SecretDocument};
use zeroize::Zeroizing;

use crate::Error;
use crate::pseudonym::random;

/// What opening costs: 2^17 blocks of 1 KiB would be dearer, but OpenSSL refuses more than 32 MiB unasked.
const SCRYPT_LOG_N: u8 = 14;
const SCRYPT_R: u32 = 8;
const SCRYPT_P: u32 = 4;
const KEY_BYTES: usize = 32;

/// Whether a PEM text is a key that needs a passphrase.
pub fn is_sealed(key_pem: &str) -> bool {
    key_pem.contains(EncryptedPrivateKeyInfo::PEM_LABEL)
}

/// Encrypts a PKCS#8 PEM key.
pub fn seal(key_pem: &str, passphrase: &str) -> Result<String, Error> {
    let failed = |reason: String| Error::Authority { name: "private key".to_owned(), reason };
    let (_, plain) =
        SecretDocument::from_pem(key_pem).map_err(|error| failed(error.to_string()))?;
    let info: PrivateKeyInfo<'_> =
        plain.as_bytes().try_into().map_err(|error| failed(format!("{error}")))?;
    let (salt, iv) = (random::<16>()?, random::<16>()?);
    let scrypt = Params::new(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P, KEY_BYTES)
        .map_err(|error| failed(error.to_string()))?;
    let parameters = Parameters::scrypt_aes256cbc(scrypt, &salt, &iv)
        .map_err(|error| failed(format!("{error:?}")))?;
    let sealed = info
        .encrypt_with_params(parameters, passphrase)
        .map_err(|error| failed(error.to_string()))?;
    let text = sealed
        .to_pem(EncryptedPrivateKeyInfo::PEM_LABEL, LineEnding::LF)
        .map_err(|error| failed(error.to_string()))?;
    Ok(text.to_string())
}

/// The PKCS#8 PEM key inside `key_pem`; one that is not encrypted comes back as it is.
pub fn open(key_pem: &str, passphrase: Option<&str>) -> Result<Zeroizing<String>, Error> {
    if !is_sealed(key_pem) {
        return Ok(Zeroizing::new(key_pem.to_owned()));
    }
    let failed = |reason: &str| Error::Authority {
        name: "encrypted private key".to_owned(),
        reason: reason.to_owned(),
    };
    let passphrase = passphrase.ok_or_else(|| failed("it needs a passphrase"))?;
    let (_, document) =
        SecretDocument::from_pem(key_pem).map_err(|_| failed("its PEM cannot be read"))?;
    let sealed: EncryptedPrivateKeyInfo<'_> =
        document.as_bytes().try_into().map_err(|_| failed("it is not PKCS#8"))?;
    let plain =
        sealed.decrypt(passphrase).map_err(|_| failed("the passphrase does not open it"))?;
    plain
        .to_pem(PrivateKeyInfo::PEM_LABEL, LineEnding::LF)
        .map_err(|_| failed("it holds no private key"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_key_opens_under_its_passphrase_only_and_openssl_agrees() {
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let sealed = seal(&key, "four small words").unwrap();
        assert!(is_sealed(&sealed) && !is_sealed(&key));
        let opened = open(&sealed, Some("four small words")).unwrap();
        let same = |text: &str| pem::parse(text).unwrap().into_contents();
        assert_eq!(same(&opened), same(&key));
        assert_eq!(*open(&key, None).unwrap(), key);
        for passphrase in [Some("four small word"), None] {
            assert!(open(&sealed, passphrase).is_err());
        }
        let by_openssl = openssl::pkey::PKey::private_key_from_pem_passphrase(
            sealed.as_bytes(),
            b"four small words",
        );
        assert!(
            by_openssl
                .unwrap()
                .public_eq(&openssl::pkey::PKey::private_key_from_pem(key.as_bytes()).unwrap())
        );
    }
}
