//! Who is who: organisations, people, and the keys that people vouch for.

use carecord_health::identity::PublicSubject;
use carecord_health::ids::{Id, KeyHash, Kid};
use carecord_health::keys::{self, EncryptionKey, KeyRegistration};
use carecord_health::vocabulary::{OrgKind, Role};
use carecord_proto::hash::sha256;
use data_encoding::BASE64;

use super::{Person, json};
use crate::wrap::SUITE;
use crate::{Contract, Error};

/// Registers the caller's organisation; an administrator's act.
pub async fn register_org(admin: &Contract, kind: OrgKind) -> Result<(), Error> {
    admin.submit("identity:RegisterOrg", [kind.as_str().to_owned()]).await?;
    Ok(())
}

/// Registers a person of the caller's organisation under a pseudonym; an administrator's act.
pub async fn register_person(
    admin: &Contract,
    id: &Id,
    key: &KeyHash,
    role: Role,
) -> Result<(), Error> {
    let mut args = vec![id.to_string(), key.to_string()];
    let function = match role {
        Role::Patient => "identity:RegisterPatient",
        Role::Practitioner => "identity:RegisterPractitioner",
        _ => {
            args.push(role.as_str().to_owned());
            "identity:RegisterMember"
        }
    };
    admin.submit(function, args).await?;
    Ok(())
}

impl Person {
    /// Registers the person's first encryption key, signed by their certificate key.
    pub async fn register_key(&self) -> Result<(), Error> {
        let registration = self.statement(1, None)?;
        self.contract.submit("identity:RegisterKey", [json(&registration)]).await?;
        Ok(())
    }

    /// A person's public registration.
    pub async fn subject(&self, id: &Id) -> Result<PublicSubject, Error> {
        self.evaluate("identity:Get", [id.to_string()]).await
    }

    /// The same, as peers of two organisations answer alike.
    pub(super) async fn agreed_subject(&self, id: &Id) -> Result<PublicSubject, Error> {
        self.agreed("identity:Get", &[id.to_string()]).await
    }

    fn statement(&self, seq: u64, previous: Option<Kid>) -> Result<KeyRegistration, Error> {
        let (key, kid) = (self.encryption.public(), self.kid());
        let channel = self.network().name();
        let message = keys::statement(channel, &self.id, &kid, SUITE, key, seq, previous.as_ref());
        let signature = BASE64.encode(&self.gateway().sign(&message)?);
        let key = BASE64.encode(key);
        Ok(KeyRegistration { kid, suite: SUITE, key, seq, previous, signature })
    }

    /// The public key of a registration, once its owner's signature has been checked here.
    pub(super) fn verified_key(&self, owner: &Id, key: &EncryptionKey) -> Result<Vec<u8>, Error> {
        verified_key(self.network().name(), owner, key)
    }
}

/// See [`Person::verified_key`].
pub(super) fn verified_key(
    channel: &str,
    owner: &Id,
    key: &EncryptionKey,
) -> Result<Vec<u8>, Error> {
    let signer = BASE64
        .decode(key.signer_key.as_bytes())
        .map_err(|_| Error::Untrusted("a registered key names no signing key"))?;
    if hex::encode(sha256(&[&signer])) != key.signer.as_str() {
        return Err(Error::Untrusted("a registered key names another signing key"));
    }
    keys::verify(channel, owner, &key.registration, &signer).map_err(|error| match error {
        keys::KeyError::Key => Error::Untrusted("a registered key is no usable X25519 key"),
        _ => Error::Untrusted("a registered key is not signed by its owner"),
    })
}
