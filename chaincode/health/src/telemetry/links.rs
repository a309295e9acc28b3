//! Links: a patient wants to be measured by a device, the device takes it on, either may end it.

use carecord_chaincode::{Context, ContractError, codes};

use crate::{
    consent::{decision::Facts, lookup},
    error,
    events::{DEVICE_LINKED, LinkChange},
    ids::Id,
    model::Subject,
    person, policy,
    store::MARK,
    telemetry::{
        model::{Link, NewLink, Tip},
        statement, store,
        words::LinkStatus,
    },
    vocabulary::{Decision, Purpose, Role, Verb},
};

/// Longest link: a year.
pub const LINK_SECONDS_MAX: i64 = 366 * 24 * 3600;

/// `LinkDevice(link)`: for a device of the patient's home organisation.
pub(super) fn propose(context: &mut Context<'_>, new: NewLink) -> Result<Link, ContractError> {
    let patient = person::caller(context)?;
    let now = context.now();
    if new.until <= now || new.until > now.saturating_add(LINK_SECONDS_MAX) {
        return Err(codes::VALUE.because("a link ends within a year").at("/link/until"));
    }
    if context.bytes(&store::link(&new.id))?.is_some() {
        return Err(error::TAKEN.because("the link id is taken").at("/link/id"));
    }
    let device = person::find(context, &new.device)?
        .filter(|d| d.role == Role::Device && d.active && d.msp == patient.msp);
    let absent = || error::ABSENT.because("no such device of the caller's home").at("/link/device");
    let device = device.ok_or_else(absent)?;
    let link = Link {
        id: new.id,
        device: device.id,
        patient: patient.id,
        home: patient.msp,
        from: now,
        until: new.until,
        status: LinkStatus::Proposed,
    };
    context.put_bytes(&store::of_patient(&link.patient, &link.id), MARK)?;
    save(context, &link)?;
    policy::protect(context, &link.home, &[store::link(&link.id)])?;
    Ok(link)
}

/// `AcceptLink(linkId)`: by the device, which measures one patient at a time.
pub(super) fn accept(context: &mut Context<'_>, id: Id) -> Result<Link, ContractError> {
    let device = person::caller(context)?;
    let mut link = of_device(context, &device, &id)?;
    if link.status != LinkStatus::Proposed || context.now() >= link.until {
        return Err(error::STATE.because("the link is not waiting for the device"));
    }
    if active_link(context, &device.id)?.is_some() {
        return Err(error::STATE.because("the device measures somebody already"));
    }
    link.status = LinkStatus::Active;
    link.from = context.now();
    let hash = statement::link_hash(context.channel_id(), &id);
    context.put(&store::tip(&id), &Tip { seq: 0, hash, to: 0, gaps: 0 })?;
    context.put(&store::device(&device.id), &id)?;
    save(context, &link)?;
    Ok(link)
}

/// `UnlinkDevice(linkId)`: by the patient or the device.
pub(super) fn end(context: &mut Context<'_>, id: Id) -> Result<(), ContractError> {
    let caller = person::caller(context)?;
    let mut link = find(context, &id)?
        .filter(|l| l.patient == caller.id || l.device == caller.id)
        .ok_or_else(absent)?;
    if link.status == LinkStatus::Ended {
        return Err(error::STATE.because("the link is over"));
    }
    if link.status == LinkStatus::Active {
        context.delete(&store::device(&link.device))?;
    }
    link.status = LinkStatus::Ended;
    save(context, &link)
}

/// The link that a device is bound by, unless its time is over.
fn active_link(context: &mut Context<'_>, device: &Id) -> Result<Option<Link>, ContractError> {
    let id: Option<Id> = context.get(&store::device(device))?;
    let Some(id) = id else { return Ok(None) };
    let now = context.now();
    Ok(find(context, &id)?.filter(|link| now < link.until))
}

fn save(context: &mut Context<'_>, link: &Link) -> Result<(), ContractError> {
    context.put(&store::link(&link.id), link)?;
    let change = LinkChange { link: link.id.clone(), status: link.status };
    context.event(DEVICE_LINKED, &change)
}

pub(super) fn find(context: &mut Context<'_>, id: &Id) -> Result<Option<Link>, ContractError> {
    context.get(&store::link(id))
}

pub(super) fn absent() -> ContractError {
    error::ABSENT.because("no such link, or none that the caller may know of")
}

/// A link of the calling device.
pub(super) fn of_device(
    context: &mut Context<'_>,
    device: &Subject,
    id: &Id,
) -> Result<Link, ContractError> {
    find(context, id)?.filter(|link| link.device == device.id).ok_or_else(absent)
}

/// A link of the calling device that is active now.
pub(super) fn measuring(
    context: &mut Context<'_>,
    device: &Subject,
    id: &Id,
) -> Result<Link, ContractError> {
    let link = of_device(context, device, id)?;
    if link.status == LinkStatus::Active && context.now() < link.until {
        return Ok(link);
    }
    Err(error::STATE.because("the link is not active"))
}

/// Whether the patient lets somebody do something with what a link measures.
pub(super) fn permits(
    context: &mut Context<'_>,
    link: &Link,
    who: &Subject,
    verb: Verb,
) -> Result<bool, ContractError> {
    let facts = Facts { id: link.id.clone(), tags: vec![], created: link.from, withdrawn: false };
    let purpose = match who.role {
        Role::Patient => Purpose::PatientRequest,
        _ => Purpose::Treatment,
    };
    let (verdict, _) = lookup::ask(context, who, &link.patient, &facts, verb, purpose)?;
    Ok(verdict.decision == Decision::Permit)
}

/// A link that the caller may see: its patient, its device, and whom the patient lets read or be notified.
pub(super) fn visible(
    context: &mut Context<'_>,
    id: &Id,
) -> Result<(Link, Subject), ContractError> {
    let caller = person::caller(context)?;
    let link = find(context, id)?.ok_or_else(absent)?;
    let own = link.device == caller.id || link.patient == caller.id;
    if own
        || permits(context, &link, &caller, Verb::Notify)?
        || permits(context, &link, &caller, Verb::Read)?
    {
        return Ok((link, caller));
    }
    Err(absent())
}
