//! People: registered by their organisation under a random pseudonym, known by the key of their certificates.

use carecord_chaincode::{Context, ContractError, codes, json_object};

use crate::{
    error,
    events::{SUBJECT_CHANGED, SUBJECT_REGISTERED, SubjectChange},
    ids::{Commitment, Id, KeyHash, MspId},
    keys::EncryptionKey,
    model::Subject,
    person, policy, store,
    vocabulary::{OrgKind, Role},
};

json_object! {
    /// What everyone on the channel may know of a person.
    pub struct PublicSubject {
        /// The pseudonym.
        pub id: Id,
        /// What they are.
        pub role: Role,
        /// Their organisation.
        pub msp: MspId,
        /// The public key of their certificates.
        pub key_hash: KeyHash,
        /// Whether they may act.
        pub active: bool,
        /// The encryption key to wrap to.
        pub encryption_key: Option<EncryptionKey>,
    }
}

impl From<Subject> for PublicSubject {
    fn from(subject: Subject) -> Self {
        let Subject { id, role, msp, key_hash, active, encryption_key, .. } = subject;
        Self { id, role, msp, key_hash, active, encryption_key }
    }
}

/// `RegisterPatient(subjectId, keyHash)`.
pub(super) fn register_patient(
    context: &mut Context<'_>,
    id: Id,
    key_hash: KeyHash,
) -> Result<PublicSubject, ContractError> {
    let home = person::admin_org_of(context, OrgKind::Hospital)?.msp;
    let subject = register(context, id, key_hash, Role::Patient, home.clone())?;
    let epoch = store::epoch(&subject.id);
    context.put(&epoch, &0_u64)?;
    policy::protect(context, &home, &[epoch, store::subject(&subject.id)])?;
    Ok(subject.into())
}

/// `RegisterPractitioner(subjectId, keyHash)`.
pub(super) fn register_practitioner(
    context: &mut Context<'_>,
    id: Id,
    key_hash: KeyHash,
) -> Result<PublicSubject, ContractError> {
    let home = person::admin_org_of(context, OrgKind::Hospital)?.msp;
    Ok(register(context, id, key_hash, Role::Practitioner, home)?.into())
}

/// `RegisterMember(subjectId, keyHash, role)`.
pub(super) fn register_member(
    context: &mut Context<'_>,
    id: Id,
    key_hash: KeyHash,
    role: Role,
) -> Result<PublicSubject, ContractError> {
    let org = match role {
        Role::Auditor | Role::Regulator => person::admin_org(context)?,
        Role::Insurer => person::admin_org_of(context, OrgKind::Insurer)?,
        Role::Researcher => person::admin_org_of(context, OrgKind::Research)?,
        Role::Device => person::admin_org_of(context, OrgKind::Hospital)?,
        Role::StorageProvider => person::admin_org(context)?,
        Role::Patient | Role::Practitioner | Role::Admin => {
            let reason = "a member is an insurer, researcher, auditor, regulator, device or storage provider";
            return Err(codes::VALUE.because(reason).at("/role"));
        }
    };
    Ok(register(context, id, key_hash, role, org.msp)?.into())
}

fn register(
    context: &mut Context<'_>,
    id: Id,
    key_hash: KeyHash,
    role: Role,
    msp: MspId,
) -> Result<Subject, ContractError> {
    if person::find(context, &id)?.is_some() {
        return Err(error::TAKEN.because("the subject id is taken").at("/subjectId"));
    }
    if context.bytes(&store::key_ref(&key_hash))?.is_some() {
        return Err(error::TAKEN.because("the key belongs to a registered person").at("/keyHash"));
    }
    let subject = Subject {
        id: id.clone(),
        role,
        msp: msp.clone(),
        key_hash: key_hash.clone(),
        active: true,
        encryption_key: None,
        profile: None,
        registered: context.now(),
    };
    context.put(&store::subject(&id), &subject)?;
    context.put(&store::key_ref(&key_hash), &id)?;
    context.put(&store::member(&msp, &id), &role)?;
    context.event(SUBJECT_REGISTERED, &SubjectChange { subject: id, active: true })?;
    Ok(subject)
}

/// `Suspend(subjectId)`.
pub(super) fn suspend(context: &mut Context<'_>, id: Id) -> Result<(), ContractError> {
    set_active(context, id, false)
}

/// `Reinstate(subjectId)`.
pub(super) fn reinstate(context: &mut Context<'_>, id: Id) -> Result<(), ContractError> {
    set_active(context, id, true)
}

fn set_active(context: &mut Context<'_>, id: Id, active: bool) -> Result<(), ContractError> {
    let org = person::admin_org(context)?;
    let Some(mut subject) = person::find(context, &id)? else {
        return Err(error::ABSENT.because("no such person"));
    };
    if subject.msp != org.msp {
        return Err(error::FOREIGN.because("the person belongs to another organisation"));
    }
    if subject.active == active {
        return Err(error::STATE.because("the person is in that state already"));
    }
    subject.active = active;
    context.put(&store::subject(&id), &subject)?;
    context.event(SUBJECT_CHANGED, &SubjectChange { subject: id, active })
}

/// `UpsertProfile(commitment)`.
pub(super) fn upsert_profile(
    context: &mut Context<'_>,
    commitment: Commitment,
) -> Result<(), ContractError> {
    let mut subject = person::caller(context)?;
    subject.profile = Some(commitment);
    context.put(&store::subject(&subject.id), &subject)
}

/// `Me()`.
pub(super) fn me(context: &mut Context<'_>) -> Result<Subject, ContractError> {
    person::caller(context)
}

/// `Get(subjectId)`.
pub(super) fn get(context: &mut Context<'_>, id: Id) -> Result<PublicSubject, ContractError> {
    person::find(context, &id)?
        .map(PublicSubject::from)
        .ok_or_else(|| error::ABSENT.because("no such person"))
}
