//! Referrals: who was granted something passes it on, and who it is passed on to accepts.
//!
//! What is passed on is never more than what the sender has: verbs, purposes, period and scope within the sender's
//! grant, and one step fewer to pass on. The grant that comes of it is the patient's, names its origin, and ends with it.

use carecord_chaincode::{Context, ContractError, codes, json_object};

use crate::{
    audit::{self, Act},
    consent::{
        decision::is_grantee,
        functions::write,
        grant::{self, Grant, Grantee, NewGrant, NewScope},
        lookup, passed,
        within::is_within,
    },
    error,
    events::{CONSENT_GRANTED, ConsentChange, REFERRAL_CHANGED},
    ids::Id,
    model::Subject,
    page::{self, Page},
    person, policy, store,
    vocabulary::{Effect, Purpose, Verb, vocabulary},
};

vocabulary! {
    /// How far a referral has come.
    ReferralStatus {
        /// The other side has not answered.
        Offered = "offered",
        /// A grant came of it.
        Accepted = "accepted",
        /// One side ended it.
        Ended = "ended",
    }
}

json_object! {
    /// What somebody passes on.
    pub struct NewReferral {
        /// Chosen by the client; the grant that comes of it has the same id.
        pub id: Id,
        /// The grant that is passed on, in part or whole.
        pub grant: Id,
        /// To whom.
        pub to: Id,
        /// What they may do.
        pub verbs: Vec<Verb>,
        /// For which purposes.
        pub purposes: Vec<Purpose>,
        /// About which records; about all of the grant's if its scope is empty, too.
        pub scope: Option<NewScope>,
        /// Until when, not including, seconds since 1970.
        pub until: i64,
        /// How many times in a row they may pass it on.
        pub delegate: Option<u32>,
    }
}

json_object! {
    /// A referral on the ledger.
    pub struct Referral {
        /// Who passes on.
        pub from: Id,
        /// To whom.
        pub to: Id,
        /// The grant that is to come of it.
        pub grant: Grant,
        /// How far it has come.
        pub status: ReferralStatus,
        /// When it was offered, seconds since 1970.
        pub at: i64,
    }
}

json_object! {
    /// A referral changed; only its sides know what it is about.
    pub struct ReferralChange {
        /// The referral.
        pub referral: Id,
        /// How far it has come.
        pub status: ReferralStatus,
    }
}

/// `Refer(referral)`.
pub(super) fn refer(
    context: &mut Context<'_>,
    new: NewReferral,
) -> Result<Referral, ContractError> {
    let sender = person::caller(context)?;
    let (patient, parent) = forwardable(context, &sender, &new.grant)?;
    let (to, now) = (new.to.clone(), context.now());
    if to == sender.id {
        let reason = "nobody refers to themselves";
        return Err(codes::VALUE.because(reason).at("/referral/to"));
    }
    let mut grant = proposed(new).accept(patient.id.clone(), now, "/referral")?;
    grant.parent = Some(parent.id.clone());
    grant::check_grantee(context, &grant.grantee, &patient.id, "/referral")?;
    check_within(&grant, &parent)?;
    if forbidden(context, &sender, &grant)? {
        return Err(absent());
    }
    let taken = context.bytes(&store::referral(&grant.id))?.is_some()
        || context.bytes(&store::grant_ref(&grant.id))?.is_some();
    if taken {
        return Err(error::TAKEN.because("the referral id is taken").at("/referral/id"));
    }
    let status = ReferralStatus::Offered;
    let referral = Referral { from: sender.id.clone(), to, grant, status, at: now };
    context.put_bytes(&store::referred(&referral.to, &referral.grant.id), store::MARK)?;
    let key = save(context, &referral)?;
    policy::protect(context, &patient.msp, &[key])?;
    audit::record(context, &sender, Act::Refer, &referral.grant.id, Some(&patient))?;
    Ok(referral)
}

/// `AcceptReferral(referralId)`: whether the sender may still pass it on is asked again.
pub(super) fn accept(context: &mut Context<'_>, id: Id) -> Result<Grant, ContractError> {
    let caller = person::caller(context)?;
    let mut referral = of_side(context, &caller, &id)?;
    if referral.to != caller.id {
        return Err(absent());
    }
    if referral.status != ReferralStatus::Offered || context.now() >= referral.grant.until {
        return Err(error::STATE.because("the referral is not open"));
    }
    let sender = person::find(context, &referral.from)?.filter(|s| s.active).ok_or_else(absent)?;
    let parent = referral.grant.parent.clone().ok_or_else(absent)?;
    let (patient, parent) = forwardable(context, &sender, &parent)?;
    check_within(&referral.grant, &parent)?;
    if forbidden(context, &sender, &referral.grant)? {
        return Err(absent());
    }
    referral.grant.created = context.now();
    referral.status = ReferralStatus::Accepted;
    passed::note(context, &parent.id, &referral.grant.id)?;
    write(context, &patient, &referral.grant, "/referral")?;
    save(context, &referral)?;
    audit::record(context, &caller, Act::AcceptReferral, &id, Some(&patient))?;
    let epoch = lookup::epoch(context, &patient.id)?;
    context.event(CONSENT_GRANTED, &ConsentChange { grant: id, epoch })?;
    Ok(referral.grant)
}

/// `EndReferral(referralId)`: by either side, before or after it was accepted.
pub(super) fn end(context: &mut Context<'_>, id: Id) -> Result<(), ContractError> {
    let caller = person::caller(context)?;
    let mut referral = of_side(context, &caller, &id)?;
    let patient = person::find(context, &referral.grant.patient)?.ok_or_else(absent)?;
    match referral.status {
        ReferralStatus::Offered => {
            audit::record(context, &caller, Act::EndReferral, &id, Some(&patient))?;
        }
        ReferralStatus::Accepted => {
            let found = passed::find(context, &id)?.filter(|(_, grant)| grant.revoked.is_none());
            let found = found.ok_or_else(|| error::STATE.because("the grant has ended already"))?;
            passed::end(context, &caller, &patient, found)?;
            lookup::bump_epoch(context, &patient.id)?;
        }
        ReferralStatus::Ended => {
            return Err(error::STATE.because("the referral has ended already"));
        }
    }
    referral.status = ReferralStatus::Ended;
    save(context, &referral)?;
    Ok(())
}

/// `ListReferrals(after, limit)`: those to the caller.
pub(super) fn list(
    context: &mut Context<'_>,
    after: String,
    limit: u32,
) -> Result<Page<Referral>, ContractError> {
    let caller = person::caller(context)?;
    let limit = page::limit(limit)?;
    let listed = page::index(context, "referred", &[caller.id.as_str()], &after, limit)?;
    let mut items = Vec::with_capacity(listed.items.len());
    for id in listed.items.into_iter().flatten().filter_map(Id::new) {
        items.extend(context.get::<Referral>(&store::referral(&id))?);
    }
    Ok(Page { items, next: listed.next })
}

fn proposed(new: NewReferral) -> NewGrant {
    NewGrant {
        id: new.id,
        effect: None,
        grantee: Grantee::Subject { subject: new.to },
        verbs: new.verbs,
        purposes: new.purposes,
        scope: new.scope,
        from: None,
        until: new.until,
        delegate: new.delegate,
    }
}

/// The patient and the grant, if it is one that this person holds, that holds now, and that may be passed on.
fn forwardable(
    context: &mut Context<'_>,
    sender: &Subject,
    id: &Id,
) -> Result<(Subject, Grant), ContractError> {
    let (_, grant) = passed::find(context, id)?.ok_or_else(absent)?;
    let patient = person::patient(context, &grant.patient)?.ok_or_else(absent)?;
    let reader = lookup::reader(context, sender, &patient.id)?;
    let forwards = grant.effect == Effect::Permit && grant.verbs.contains(&Verb::Forward);
    if !forwards || !is_grantee(&grant.grantee, &reader) {
        return Err(absent());
    }
    let now = context.now();
    if grant.revoked.is_some() || now < grant.from || now >= grant.until {
        return Err(error::STATE.because("the grant that is passed on does not hold now"));
    }
    Ok((patient, grant))
}

fn check_within(grant: &Grant, parent: &Grant) -> Result<(), ContractError> {
    let step = parent.delegate.unwrap_or(0) > grant.delegate.unwrap_or(0);
    if step && is_within(grant, parent) {
        return Ok(());
    }
    Err(error::WIDER.because("it is more than the sender may pass on").at("/referral"))
}

/// Whether the patient forbids the sender part of what would be passed on, or to pass anything on.
///
/// Scopes are not compared here: who is forbidden anything of the kind passes nothing of the kind on.
fn forbidden(
    context: &mut Context<'_>,
    sender: &Subject,
    grant: &Grant,
) -> Result<bool, ContractError> {
    lookup::epoch(context, &grant.patient)?;
    let reader = lookup::reader(context, sender, &grant.patient)?;
    let now = context.now();
    let grants = lookup::grants_for(context, &grant.patient, &reader)?;
    Ok(grants.iter().any(|g| {
        let verb = |v: &Verb| *v == Verb::Forward || grant.verbs.contains(v);
        g.effect == Effect::Deny
            && g.revoked.is_none()
            && g.from <= now
            && now < g.until
            && (g.verbs.is_empty() || g.verbs.iter().any(verb))
            && (g.purposes.is_empty() || g.purposes.iter().any(|p| grant.purposes.contains(p)))
    }))
}

fn of_side(
    context: &mut Context<'_>,
    caller: &Subject,
    id: &Id,
) -> Result<Referral, ContractError> {
    let referral: Option<Referral> = context.get(&store::referral(id))?;
    let side = |r: &Referral| r.from == caller.id || r.to == caller.id;
    referral.filter(side).ok_or_else(absent)
}

fn save(context: &mut Context<'_>, referral: &Referral) -> Result<String, ContractError> {
    let key = store::referral(&referral.grant.id);
    context.put(&key, referral)?;
    let change = ReferralChange { referral: referral.grant.id.clone(), status: referral.status };
    context.event(REFERRAL_CHANGED, &change)?;
    Ok(key)
}

fn absent() -> ContractError {
    error::ABSENT.because("no such referral, or no grant of the caller's to pass on")
}
