//! The chain of a person's encryption keys.

use carecord_chaincode::{Context, ContractError};

use crate::{
    error,
    events::{KEY_REGISTERED, KEY_REVOKED, KeyChange, REWRAP_NEEDED},
    ids::{Id, Kid},
    keys::{self, EncryptionKey, KeyRegistration},
    model::Subject,
    page, person, store,
};

/// Longest chain that one answer lists.
const CHAIN_MAX: usize = 100;

/// `RegisterKey(registration)`.
pub(super) fn register(
    context: &mut Context<'_>,
    registration: KeyRegistration,
) -> Result<(), ContractError> {
    let subject = person::caller(context)?;
    if subject.encryption_key.is_some() {
        return Err(error::STATE.because("the caller has an encryption key: rotate it"));
    }
    install(context, subject, registration, 1, KEY_REGISTERED)
}

/// `RotateKey(registration)`.
pub(super) fn rotate(
    context: &mut Context<'_>,
    registration: KeyRegistration,
) -> Result<(), ContractError> {
    let subject = person::caller(context)?;
    let Some(current) = &subject.encryption_key else {
        return Err(error::STATE.because("the caller has no encryption key: register one"));
    };
    let seq = current.registration.seq + 1;
    install(context, subject, registration, seq, REWRAP_NEEDED)
}

fn install(
    context: &mut Context<'_>,
    mut subject: Subject,
    registration: KeyRegistration,
    seq: u64,
    event: &str,
) -> Result<(), ContractError> {
    let previous = subject.encryption_key.as_ref().map(|k| k.registration.kid.clone());
    if registration.seq != seq || registration.previous != previous {
        let reason = "sequence and previous key do not follow on the caller's current key";
        return Err(error::STATE.because(reason).at("/registration/seq"));
    }
    if previous.as_ref() == Some(&registration.kid) {
        return Err(error::STATE.because("the new key is the old one").at("/registration/kid"));
    }
    let caller = context.caller()?;
    keys::verify(context.channel_id(), &subject.id, &registration, &caller.public_key)
        .map_err(|e| error::PROOF.because(e.to_string()).at("/registration"))?;
    let change =
        KeyChange { subject: subject.id.clone(), kid: registration.kid.clone(), previous, seq };
    let key = EncryptionKey {
        registration,
        signer: person::key_hash(context)?,
        signer_key: keys::encode(&caller.public_key),
        registered: context.now(),
        revoked: None,
    };
    context.put(&store::encryption_key(&subject.id, seq), &key)?;
    subject.encryption_key = Some(key);
    context.put(&store::subject(&subject.id), &subject)?;
    context.event(event, &change)
}

/// `RevokeKey(kid)`.
pub(super) fn revoke(context: &mut Context<'_>, kid: Kid) -> Result<(), ContractError> {
    let mut subject = person::caller(context)?;
    let now = context.now();
    let current = subject
        .encryption_key
        .as_mut()
        .filter(|k| k.registration.kid == kid && k.revoked.is_none())
        .ok_or_else(|| error::STATE.because("it is not the caller's current key"))?;
    current.revoked = Some(now);
    let key = current.clone();
    let seq = key.registration.seq;
    context.put(&store::encryption_key(&subject.id, seq), &key)?;
    context.put(&store::subject(&subject.id), &subject)?;
    let previous = key.registration.previous;
    context.event(KEY_REVOKED, &KeyChange { subject: subject.id, kid, previous, seq })
}

/// `Keys(subjectId)`.
pub(super) fn chain(
    context: &mut Context<'_>,
    id: Id,
) -> Result<Vec<EncryptionKey>, ContractError> {
    let listed = page::index(context, "enckey", &[id.as_str()], "", CHAIN_MAX)?;
    let mut keys = Vec::with_capacity(listed.items.len());
    for seq in 1..=listed.items.len() as u64 {
        keys.extend(context.get::<EncryptionKey>(&store::encryption_key(&id, seq))?);
    }
    Ok(keys)
}
