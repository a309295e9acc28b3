//! Who may break the glass: named by an administrator of their own organisation and approved by one of another.

use carecord_chaincode::{Context, ContractError, json_object};

use crate::{
    error,
    events::{EMERGENCY_ROLE_CHANGED, SubjectChange},
    ids::{Id, MspId},
    person, policy, store,
    vocabulary::Role,
};

json_object! {
    /// The right to emergency access, as two organisations gave it.
    pub struct EmergencyRole {
        /// The practitioner.
        pub subject: Id,
        /// Their organisation, which named them.
        pub org: MspId,
        /// When, seconds since 1970.
        pub named: i64,
        /// The other organisation, once it has approved.
        pub approved_by: Option<MspId>,
        /// When it ended; absent while it holds.
        pub ended: Option<i64>,
    }
}

impl EmergencyRole {
    /// Whether it is given and not taken back.
    pub fn holds(&self) -> bool {
        self.approved_by.is_some() && self.ended.is_none()
    }
}

/// `NameEmergency(subjectId)`; again after it ended.
pub(super) fn name(context: &mut Context<'_>, id: Id) -> Result<EmergencyRole, ContractError> {
    let org = person::admin_org(context)?;
    let subject = person::find(context, &id)?.filter(|s| s.role == Role::Practitioner && s.active);
    let subject = subject.ok_or_else(|| error::ABSENT.because("no such practitioner"))?;
    if subject.msp != org.msp {
        return Err(error::FOREIGN.because("the person belongs to another organisation"));
    }
    let key = store::emergency_role(&id);
    let old: Option<EmergencyRole> = context.get(&key)?;
    if old.is_some_and(|old| old.ended.is_none()) {
        return Err(error::STATE.because("the practitioner is named already"));
    }
    let named = context.now();
    let role =
        EmergencyRole { subject: id, org: org.msp.clone(), named, approved_by: None, ended: None };
    context.put(&key, &role)?;
    policy::protect_jointly(context, &[key])?;
    announce(context, &role)?;
    Ok(role)
}

/// `ApproveEmergency(subjectId)`: never by the organisation that named.
pub(super) fn approve(context: &mut Context<'_>, id: Id) -> Result<EmergencyRole, ContractError> {
    let org = person::admin_org(context)?;
    let (key, mut role) = named(context, &id)?;
    if role.org == org.msp {
        let reason = "another organisation than the practitioner's has to approve";
        return Err(error::FOREIGN.because(reason));
    }
    if role.approved_by.is_some() {
        return Err(error::STATE.because("it is approved already"));
    }
    role.approved_by = Some(org.msp);
    context.put(&key, &role)?;
    announce(context, &role)?;
    Ok(role)
}

/// `EndEmergency(subjectId)`: by either organisation.
pub(super) fn end(context: &mut Context<'_>, id: Id) -> Result<(), ContractError> {
    let org = person::admin_org(context)?;
    let (_, role) = named(context, &id)?;
    if role.org != org.msp && role.approved_by.as_ref() != Some(&org.msp) {
        return Err(error::FOREIGN.because("one of the two organisations that gave it ends it"));
    }
    take_back(context, &id)?;
    announce(context, &EmergencyRole { ended: Some(context.now()), ..role })
}

/// `Emergency(subjectId)`.
pub(super) fn get(context: &mut Context<'_>, id: Id) -> Result<EmergencyRole, ContractError> {
    of(context, &id)?.ok_or_else(|| error::ABSENT.because("nobody named this person"))
}

/// The right of a practitioner, given or not.
pub(crate) fn of(
    context: &mut Context<'_>,
    id: &Id,
) -> Result<Option<EmergencyRole>, ContractError> {
    context.get(&store::emergency_role(id))
}

/// Ends the right, if there is one: what an unjustified use leads to.
pub(crate) fn take_back(context: &mut Context<'_>, id: &Id) -> Result<(), ContractError> {
    let Some(mut role) = of(context, id)? else { return Ok(()) };
    role.ended.get_or_insert(context.now());
    context.put(&store::emergency_role(id), &role)
}

fn named(context: &mut Context<'_>, id: &Id) -> Result<(String, EmergencyRole), ContractError> {
    let role = of(context, id)?.filter(|role| role.ended.is_none());
    let role = role.ok_or_else(|| error::ABSENT.because("nobody named this person"))?;
    Ok((store::emergency_role(id), role))
}

fn announce(context: &mut Context<'_>, role: &EmergencyRole) -> Result<(), ContractError> {
    let change = SubjectChange { subject: role.subject.clone(), active: role.holds() };
    context.event(EMERGENCY_ROLE_CHANGED, &change)
}
