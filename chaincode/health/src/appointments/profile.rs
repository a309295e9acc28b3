//! Who may offer what: an organisation vouches for specialties, a practitioner says how they work.

use carecord_chaincode::{Argument, Context, ContractError, Schema, codes, parse_json, serde_json};

use crate::{
    appointments::{
        model::{Profile, Qualification},
        store,
        words::Specialty,
    },
    error,
    ids::{Id, MspId},
    model::Orgs,
    person,
    vocabulary::Role,
};

/// Most specialties of a practitioner.
const SPECIALTIES_MAX: usize = 8;
/// Most languages, and most insurers, of a profile.
const LISTED_MAX: usize = 32;
/// Most minutes of a day.
const DAY_MINUTES: u32 = 24 * 60;
/// Highest price of a minute, minor units.
const RATE_MAX: u64 = 1_000_000_000;

/// A list of specialties as one argument.
#[derive(Debug)]
pub(super) struct Specialties(Vec<Specialty>);

impl Schema for Specialties {
    fn schema() -> serde_json::Value {
        Vec::<Specialty>::schema()
    }
}

impl Argument for Specialties {
    fn parse(raw: &[u8], name: &str) -> Result<Self, ContractError> {
        parse_json(raw, name).map(Self)
    }
}

/// `Qualify(practitionerId, specialties)`: an empty list takes back what was vouched for.
pub(super) fn qualify(
    context: &mut Context<'_>,
    practitioner: Id,
    specialties: Specialties,
) -> Result<(), ContractError> {
    let org = person::admin_org(context)?.msp;
    let found = person::find(context, &practitioner)?.filter(|p| p.role == Role::Practitioner);
    let Some(found) = found else {
        return Err(error::ABSENT.because("no such practitioner").at("/practitionerId"));
    };
    if found.msp != org {
        return Err(error::FOREIGN.because("the practitioner belongs to another organisation"));
    }
    let Specialties(specialties) = specialties;
    let twice = (1..specialties.len()).any(|i| specialties[..i].contains(&specialties[i]));
    if specialties.len() > SPECIALTIES_MAX || twice {
        let reason = format!("up to {SPECIALTIES_MAX} specialties, each once");
        return Err(codes::VALUE.because(reason).at("/specialties"));
    }
    let at = context.now();
    let key = store::qualification(&practitioner);
    context.put(&key, &Qualification { practitioner, specialties, org, at })
}

/// `SetProfile(profile)`.
pub(super) fn set(context: &mut Context<'_>, profile: Profile) -> Result<(), ContractError> {
    let practitioner = person::caller(context)?;
    let refuse = |reason: &str, at: &str| {
        Err(codes::VALUE.because(reason.to_owned()).at(format!("/profile/{at}")))
    };
    if profile.languages.is_empty() || profile.languages.len() > LISTED_MAX {
        return refuse("a profile has 1 to 32 languages", "languages");
    }
    if profile.in_network.len() > LISTED_MAX {
        return refuse("a profile has up to 32 insurers", "inNetwork");
    }
    if !(1..=RATE_MAX).contains(&profile.rate) {
        return refuse("a minute costs between 1 and 1,000,000,000", "rate");
    }
    if !(1..=DAY_MINUTES).contains(&profile.daily_cap) {
        return refuse("a day has 1 to 1,440 minutes", "dailyCap");
    }
    check_orgs(context, profile.in_network.iter(), "/profile/inNetwork")?;
    context.put(&store::profile(&practitioner.id), &profile)
}

/// Organisations that somebody names are registered ones: no other text gets onto the ledger in their place.
pub(super) fn check_orgs<'a>(
    context: &mut Context<'_>,
    named: impl Iterator<Item = &'a MspId>,
    at: &str,
) -> Result<(), ContractError> {
    let known: Option<Orgs> = context.get(&crate::store::orgs())?;
    let known = known.map_or_else(Vec::new, |orgs| orgs.msps);
    for org in named {
        if !known.contains(org) {
            return Err(error::ABSENT.because("no such organisation").at(at.to_owned()));
        }
    }
    Ok(())
}

/// `GetProfile(practitionerId)`.
pub(super) fn get(context: &mut Context<'_>, practitioner: Id) -> Result<Profile, ContractError> {
    find(context, &practitioner)?.ok_or_else(|| error::ABSENT.because("no such profile"))
}

pub(super) fn find(
    context: &mut Context<'_>,
    practitioner: &Id,
) -> Result<Option<Profile>, ContractError> {
    context.get(&store::profile(practitioner))
}

/// What a practitioner is vouched for.
pub(super) fn specialties(
    context: &mut Context<'_>,
    practitioner: &Id,
) -> Result<Vec<Specialty>, ContractError> {
    let found: Option<Qualification> = context.get(&store::qualification(practitioner))?;
    Ok(found.map_or_else(Vec::new, |q| q.specialties))
}
