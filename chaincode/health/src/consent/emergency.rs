//! Emergency access: a short grant that a practitioner gives themselves, in everyone's sight, and that is reviewed.
//!
//! | step | rule |
//! |---|---|
//! | who | a practitioner whom two organisations named ([`crate::identity::EmergencyRole`]) |
//! | how long | [`SECONDS`] from the transaction's time, to read, for emergency treatment |
//! | what | records with one of the patient's summary tags; all of them if asked for and the patient allows that |
//! | what never | what the patient hid or forbids this reader: a denial wins over this permit as over any other |
//! | how often | [`PER_DAY_MAX`] times in 24 hours, and not at all while a use waits longer than [`REVIEW_SECONDS`] for review |
//! | review | by an auditor of another organisation than the practitioner's; an unjustified use ends the right |
//!
//! That the patient forbids it and that there is no such patient are one answer.

use carecord_chaincode::{Context, ContractError, codes, json_object};

use crate::{
    audit::{self, Act},
    consent::{
        functions::write,
        grant::{Grant, Grantee, LIST_MAX, Scope},
        lookup,
    },
    error,
    events::{ConsentChange, EMERGENCY_ACCESS, EMERGENCY_REVIEWED},
    identity,
    ids::{Commitment, Id, MspId},
    model::Subject,
    page, person, policy, store,
    vocabulary::{Effect, Purpose, Role, Verb, vocabulary},
};

/// How long an emergency grant lasts: four hours.
pub const SECONDS: i64 = 4 * 3600;
/// Within what time a use is to be reviewed: 72 hours.
pub const REVIEW_SECONDS: i64 = 72 * 3600;
/// How often a practitioner breaks the glass in 24 hours.
pub const PER_DAY_MAX: usize = 3;
/// Most uses of one practitioner that are looked at for a missing review.
const OPEN_MAX: usize = 64;
const DAY: i64 = 24 * 3600;

vocabulary! {
    /// What a patient lets an emergency open.
    EmergencyMode {
        /// The summary, and everything if it is asked for.
        Allow = "allow",
        /// The summary only.
        Summary = "summary",
        /// Nothing.
        Forbid = "forbid",
    }
}

vocabulary! {
    /// What a review came to.
    Outcome {
        /// There was an emergency.
        Justified = "justified",
        /// There was none.
        Unjustified = "unjustified",
    }
}

json_object! {
    /// What a patient sets for emergencies; without it, everything can be asked for and nothing is a summary.
    pub struct EmergencyPreset {
        /// What is let open.
        pub mode: EmergencyMode,
        /// The tags of records that are the summary.
        pub summary: Vec<Id>,
    }
}

json_object! {
    /// An emergency as the practitioner states it.
    pub struct NewEmergency {
        /// Chosen by the client; the grant that comes of it has the same id.
        pub id: Id,
        /// Who is to be treated.
        pub patient: Id,
        /// A salted commitment to the reason, which reviewers are shown outside the ledger.
        pub reason: Commitment,
        /// Whether more than the summary is needed.
        pub full: bool,
    }
}

json_object! {
    /// What a reviewer found.
    pub struct Review {
        /// Who.
        pub by: Id,
        /// Their organisation.
        pub org: MspId,
        /// What.
        pub outcome: Outcome,
        /// When, seconds since 1970.
        pub at: i64,
    }
}

json_object! {
    /// One use of emergency access.
    pub struct Emergency {
        /// Its id, and that of the grant.
        pub id: Id,
        /// Whose records.
        pub patient: Id,
        /// The patient's organisation.
        pub home: MspId,
        /// Who broke the glass.
        pub by: Id,
        /// Their organisation.
        pub org: MspId,
        /// As stated.
        pub reason: Commitment,
        /// As stated.
        pub full: bool,
        /// When, seconds since 1970.
        pub at: i64,
        /// Absent until it is reviewed.
        pub review: Option<Review>,
    }
}

/// `SetEmergency(preset)`.
pub(super) fn set(
    context: &mut Context<'_>,
    preset: EmergencyPreset,
) -> Result<EmergencyPreset, ContractError> {
    let patient = person::caller(context)?;
    if preset.summary.len() > LIST_MAX {
        return Err(codes::VALUE.because("more than 64 tags").at("/preset/summary"));
    }
    if preset.mode == EmergencyMode::Summary && preset.summary.is_empty() {
        return Err(codes::VALUE.because("a summary needs tags").at("/preset/summary"));
    }
    let key = store::emergency_preset(&patient.id);
    context.put(&key, &preset)?;
    policy::protect(context, &patient.msp, &[key])?;
    audit::record(context, &patient, Act::SetEmergency, &patient.id, Some(&patient))?;
    Ok(preset)
}

/// `BreakGlass(emergency)`: answers the grant, which `records:Open` then goes by.
pub(super) fn break_glass(
    context: &mut Context<'_>,
    new: NewEmergency,
) -> Result<Grant, ContractError> {
    let caller = person::caller(context)?;
    check_right(context, &caller)?;
    let absent = || error::ABSENT.because("no such patient, or no emergency access to them");
    let patient = person::patient(context, &new.patient)?.ok_or_else(absent)?;
    let scope = scope(context, &patient, new.full)?.ok_or_else(absent)?;
    let now = context.now();
    let grant = Grant {
        id: new.id.clone(),
        patient: patient.id.clone(),
        effect: Effect::Permit,
        grantee: Grantee::Subject { subject: caller.id.clone() },
        verbs: vec![Verb::Read],
        purposes: vec![Purpose::EmergencyTreatment],
        scope,
        from: now,
        until: now.saturating_add(SECONDS),
        created: now,
        revoked: None,
        delegate: None,
        parent: None,
    };
    write(context, &patient, &grant, "/emergency")?;
    note(context, &caller, &patient, new)?;
    audit::record(context, &caller, Act::BreakGlass, &grant.id, Some(&patient))?;
    let epoch = lookup::epoch(context, &patient.id)?;
    context.event(EMERGENCY_ACCESS, &ConsentChange { grant: grant.id.clone(), epoch })?;
    Ok(grant)
}

/// `ReviewBreakGlass(emergencyId, outcome)`.
pub(super) fn review(
    context: &mut Context<'_>,
    id: Id,
    outcome: Outcome,
) -> Result<Emergency, ContractError> {
    let reviewer = person::caller(context)?;
    let mut emergency = found(context, &id)?;
    if !may_review(&reviewer, &emergency) {
        return Err(none());
    }
    if emergency.review.is_some() {
        return Err(error::STATE.because("it is reviewed already"));
    }
    let (by, org, at) = (reviewer.id.clone(), reviewer.msp.clone(), context.now());
    emergency.review = Some(Review { by, org, outcome, at });
    context.put(&store::emergency(&id), &emergency)?;
    context.delete(&store::emergency_open(&emergency.by, &id))?;
    if outcome == Outcome::Unjustified {
        identity::take_back_emergency(context, &emergency.by)?;
    }
    let patient = person::find(context, &emergency.patient)?;
    audit::record(context, &reviewer, Act::Review, &id, patient.as_ref())?;
    let epoch = lookup::epoch(context, &emergency.patient)?;
    context.event(EMERGENCY_REVIEWED, &ConsentChange { grant: id, epoch })?;
    Ok(emergency)
}

/// `GetEmergency(emergencyId)`: for its patient, its practitioner and whoever may review it.
pub(super) fn get(context: &mut Context<'_>, id: Id) -> Result<Emergency, ContractError> {
    let caller = person::caller(context)?;
    let emergency = found(context, &id)?;
    let concerned = [&emergency.patient, &emergency.by].contains(&&caller.id);
    if concerned || may_review(&caller, &emergency) { Ok(emergency) } else { Err(none()) }
}

/// `Overdue(subjectId)`: the uses of a practitioner that nobody reviewed in time, by id.
pub(super) fn overdue(context: &mut Context<'_>, id: Id) -> Result<Vec<Id>, ContractError> {
    let now = context.now();
    let listed = page::index(context, "emopen", &[id.as_str()], "", OPEN_MAX)?;
    let mut late = Vec::new();
    for use_id in listed.items.into_iter().flatten().filter_map(Id::new) {
        let at: Option<i64> = context.get(&store::emergency_open(&id, &use_id))?;
        if at.is_some_and(|at| now - at > REVIEW_SECONDS) {
            late.push(use_id);
        }
    }
    Ok(late)
}

/// Whether the caller may break the glass now.
fn check_right(context: &mut Context<'_>, caller: &Subject) -> Result<(), ContractError> {
    let role = identity::emergency_role(context, &caller.id)?;
    if !role.is_some_and(|role| role.org == caller.msp && role.holds()) {
        let reason = "two organisations have to name the practitioner for emergencies";
        return Err(error::EMERGENCY.because(reason));
    }
    if !overdue(context, caller.id.clone())?.is_empty() {
        return Err(error::STATE.because("an earlier emergency was not reviewed in time"));
    }
    // The index is by time: what comes after this moment are the uses of the last 24 hours.
    let since = store::padded(u64::try_from(context.now() - DAY).unwrap_or(0));
    let today = page::index(context, "emuse", &[caller.id.as_str()], &since, PER_DAY_MAX)?;
    if today.items.len() >= PER_DAY_MAX {
        return Err(error::LIMIT.because("the glass was broken three times in 24 hours"));
    }
    Ok(())
}

/// What an emergency opens of this patient; none if nothing.
fn scope(
    context: &mut Context<'_>,
    patient: &Subject,
    full: bool,
) -> Result<Option<Scope>, ContractError> {
    let preset: Option<EmergencyPreset> = context.get(&store::emergency_preset(&patient.id))?;
    let everything = EmergencyPreset { mode: EmergencyMode::Allow, summary: vec![] };
    let EmergencyPreset { mode, summary } = preset.unwrap_or(everything);
    Ok(match mode {
        EmergencyMode::Forbid => None,
        EmergencyMode::Allow if full => Some(Scope::everything()),
        _ if summary.is_empty() => None,
        _ => Some(Scope { tags: summary, ..Scope::everything() }),
    })
}

fn note(
    context: &mut Context<'_>,
    caller: &Subject,
    patient: &Subject,
    new: NewEmergency,
) -> Result<(), ContractError> {
    let at = context.now();
    let emergency = Emergency {
        id: new.id,
        patient: patient.id.clone(),
        home: patient.msp.clone(),
        by: caller.id.clone(),
        org: caller.msp.clone(),
        reason: new.reason,
        full: new.full,
        at,
        review: None,
    };
    let key = store::emergency(&emergency.id);
    context.put(&key, &emergency)?;
    context.put(&store::emergency_open(&caller.id, &emergency.id), &at)?;
    context.put_bytes(&store::emergency_use(&caller.id, at, &emergency.id), store::MARK)?;
    policy::protect(context, &patient.msp, &[key])
}

/// An auditor of the patient's organisation; if that is the practitioner's too, one of any other.
fn may_review(reviewer: &Subject, emergency: &Emergency) -> bool {
    let Emergency { home, org, .. } = emergency;
    reviewer.role == Role::Auditor && reviewer.msp != *org && (reviewer.msp == *home || home == org)
}

fn found(context: &mut Context<'_>, id: &Id) -> Result<Emergency, ContractError> {
    context.get(&store::emergency(id))?.ok_or_else(none)
}

fn none() -> ContractError {
    error::ABSENT.because("no such emergency, or none that the caller may see")
}
