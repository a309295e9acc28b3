//! Enrolment secrets: made at random, kept as Argon2id hashes.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::pseudonym::random;

/// Random bytes of a secret that the service makes.
const SECRET_BYTES: usize = 15;
const SALT_BYTES: usize = 16;

/// What hashing a secret costs; OWASP's smallest recommendation for Argon2id if nothing else is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Memory of one hash, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

/// Hashes and compares secrets.
pub struct Secrets {
    argon: Argon2<'static>,
    /// Hash of no secret, for names that nobody has.
    nobody: String,
}

// === impl Cost ===

impl Default for Cost {
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2 }
    }
}

// === impl Secrets ===

impl Secrets {
    /// Hashes at this cost.
    pub fn new(cost: Cost) -> Result<Self, Error> {
        let unusable = |error| Error::Secret { reason: format!("secret_cost: {error}") };
        let params = Params::new(cost.memory_kib, cost.passes, 1, None).map_err(unusable)?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut secrets = Self { argon, nobody: String::new() };
        secrets.nobody = secrets.hash(&make()?)?;
        Ok(secrets)
    }

    /// The hash to keep of `secret`.
    pub fn hash(&self, secret: &str) -> Result<String, Error> {
        let failed =
            |error: argon2::password_hash::Error| Error::Secret { reason: error.to_string() };
        let salt = SaltString::encode_b64(&random::<SALT_BYTES>()?).map_err(failed)?;
        Ok(self.argon.hash_password(secret.as_bytes(), &salt).map_err(failed)?.to_string())
    }

    /// Whether `secret` is the one whose hash is `kept`; without one, the same work for nothing.
    pub fn verify(&self, secret: &str, kept: Option<&str>) -> bool {
        let kept_is_ours = kept.is_some();
        let Ok(hash) = PasswordHash::new(kept.unwrap_or(&self.nobody)) else { return false };
        self.argon.verify_password(secret.as_bytes(), &hash).is_ok() && kept_is_ours
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

/// A fresh random secret, 30 hexadecimal digits.
pub fn make() -> Result<String, Error> {
    random::<SECRET_BYTES>().map(hex::encode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_its_hash_and_nobodys_by_none() {
        let secrets = Secrets::new(Cost { memory_kib: 64, passes: 1 }).unwrap();
        let kept = secrets.hash("tulip").unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=64,t=1,p=1$") && !kept.contains("tulip"));
        assert!(secrets.verify("tulip", Some(&kept)));
        assert!(!secrets.verify("Tulip", Some(&kept)));
        assert!(!secrets.verify("tulip", None));
        assert_ne!(make().unwrap(), make().unwrap());
    }
}
