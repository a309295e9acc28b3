//! Commitments, and the transient values that open them.
//!
//! Insurer and provider hold what a claim is about; the ledger holds commitments to it. A call that needs the content
//! is sent it as transient data, to peers of insurer and provider only, and checks it against the commitment. What the
//! peers see for the length of a call is amounts, days and tags: codes and diagnoses are never sent to a peer.
//! `docs/decisions/0010-claims.md` tells why, and what changes when this moves to a private data collection.

use carecord_chaincode::{Context, ContractError, codes, json_object};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{
    error,
    ids::{Commitment, Id, MspId},
};

/// Longest transient value.
pub const OPENING_BYTES_MAX: usize = 2 << 20;
const DOMAIN: &[u8] = b"carecord-claims-v1";

/// What a commitment is to; a commitment to one kind never opens as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`super::terms::Schedule`].
    Schedule,
    /// [`super::outcome::ClaimLines`].
    Claim,
    /// [`super::outcome::EncounterFacts`].
    Encounter,
    /// [`super::outcome::Accumulators`].
    Accumulators,
    /// [`super::outcome::Outcome`].
    Outcome,
    /// [`AuthorisedService`].
    Authorisation,
    /// [`MemberSecret`].
    Member,
}

json_object! {
    /// What only insurer, member and the member's providers know; it makes the marks of services unguessable.
    pub struct MemberSecret {
        /// 128 random bits.
        pub secret: Id,
    }
}

json_object! {
    /// A service that is to be authorised.
    pub struct AuthorisedService {
        /// Makes the commitment unguessable.
        pub salt: Id,
        /// The service's tag.
        pub tag: Id,
    }
}

json_object! {
    /// Fresh salts for what a call commits to.
    pub struct Salts {
        /// For the outcome.
        pub outcome: Id,
        /// For what the member has paid.
        pub accumulators: Id,
    }
}

/// The commitment to exact bytes, which hold a salt.
pub fn commitment(kind: Kind, bytes: &[u8]) -> Commitment {
    let mut hash = Sha256::new();
    hash.update(DOMAIN);
    hash.update([0, kind.number()]);
    hash.update(bytes);
    Commitment::new(hex::encode(hash.finalize())).expect("a SHA-256 in hex")
}

/// The exact bytes that are committed to, and what is committed: how clients and the contract write an opening.
pub fn seal<T: Serialize>(kind: Kind, value: &T) -> Result<(Vec<u8>, Commitment), ContractError> {
    let bytes = serde_json::to_vec(value).map_err(|e| codes::FAILED.because(e.to_string()))?;
    let commitment = commitment(kind, &bytes);
    Ok((bytes, commitment))
}

/// The mark of a service: equal for the same service of the same provider to the same member in the same period.
pub fn service_mark(
    secret: &MemberSecret,
    provider: &MspId,
    tag: &Id,
    from: i64,
    until: i64,
) -> Commitment {
    let mut hash = Sha256::new();
    hash.update(DOMAIN);
    hash.update([0, 0]);
    hash.update(secret.secret.as_str());
    hash.update(tag.as_str());
    hash.update(from.to_be_bytes());
    hash.update(until.to_be_bytes());
    hash.update(provider.as_str());
    Commitment::new(hex::encode(hash.finalize())).expect("a SHA-256 in hex")
}

/// A transient value that opens a commitment.
pub(super) fn open<T: DeserializeOwned>(
    context: &mut Context<'_>,
    field: &str,
    kind: Kind,
    expected: &Commitment,
) -> Result<T, ContractError> {
    let bytes = transient(context, field)?;
    check(field, kind, expected, &bytes)?;
    parse(field, &bytes)
}

/// Transient values that open commitments, in the same order: a JSON list with the text of each.
pub(super) fn open_each<T: DeserializeOwned>(
    context: &mut Context<'_>,
    field: &str,
    kind: Kind,
    expected: &[Commitment],
) -> Result<Vec<T>, ContractError> {
    if expected.is_empty() {
        return Ok(Vec::new());
    }
    let texts: Vec<String> = parse(field, &transient(context, field)?)?;
    if texts.len() != expected.len() {
        let reason = format!("{} openings are needed, {} were sent", expected.len(), texts.len());
        return Err(codes::VALUE.because(reason).at(format!("/{field}")));
    }
    let mut all = Vec::with_capacity(texts.len());
    for (text, commitment) in texts.iter().zip(expected) {
        check(field, kind, commitment, text.as_bytes())?;
        all.push(parse(field, text.as_bytes())?);
    }
    Ok(all)
}

/// A transient value that opens nothing.
pub(super) fn plain<T: DeserializeOwned>(
    context: &mut Context<'_>,
    field: &str,
) -> Result<T, ContractError> {
    let bytes = transient(context, field)?;
    parse(field, &bytes)
}

fn check(
    field: &str,
    kind: Kind,
    expected: &Commitment,
    bytes: &[u8],
) -> Result<(), ContractError> {
    if commitment(kind, bytes) == *expected {
        return Ok(());
    }
    let reason = "the transient value is not what the ledger has the commitment of";
    Err(error::OPENING.because(reason).at(format!("/{field}")))
}

fn transient(context: &mut Context<'_>, field: &str) -> Result<bytes::Bytes, ContractError> {
    let refuse = |reason: &str| codes::VALUE.because(reason).at(format!("/{field}"));
    let found = context.stub().transient().get(field).cloned();
    let bytes = found.ok_or_else(|| refuse("this transient field is missing"))?;
    if bytes.len() > OPENING_BYTES_MAX {
        return Err(refuse("a transient value has at most 2 MiB"));
    }
    Ok(bytes)
}

/// A refusal does not quote the value: refusals are shown and logged.
fn parse<T: DeserializeOwned>(field: &str, bytes: &[u8]) -> Result<T, ContractError> {
    serde_json::from_slice(bytes).map_err(|e| {
        let reason = format!("not of the expected form, at byte {}", e.column());
        codes::TYPE.because(reason).at(format!("/{field}"))
    })
}

impl Kind {
    fn number(self) -> u8 {
        match self {
            Self::Schedule => 1,
            Self::Claim => 2,
            Self::Encounter => 3,
            Self::Accumulators => 4,
            Self::Outcome => 5,
            Self::Authorisation => 6,
            Self::Member => 7,
        }
    }
}
