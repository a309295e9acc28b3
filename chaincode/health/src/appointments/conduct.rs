//! How reliable a practitioner was, and what follows for their picks.

use carecord_chaincode::{Context, ContractError};

use crate::{
    appointments::{model::Conduct, store},
    ids::Id,
};

/// From how many of the best requests a practitioner may pick without a reason.
pub const FREE_PICKS: u32 = 3;
/// How long a release or an absence counts: each takes one of [`FREE_PICKS`], down to the best request alone.
pub const MEMORY_SECONDS: i64 = 30 * 24 * 3600;
/// Most entries that are remembered; the oldest are forgotten first.
const REMEMBERED_MAX: usize = 32;

pub(super) fn of(context: &mut Context<'_>, practitioner: &Id) -> Result<Conduct, ContractError> {
    let found: Option<Conduct> = context.get(&store::conduct(practitioner))?;
    let mut conduct = found.unwrap_or(Conduct { released: vec![], absent: vec![] });
    let since = context.now() - MEMORY_SECONDS;
    conduct.released.retain(|at| *at > since);
    conduct.absent.retain(|at| *at > since);
    Ok(conduct)
}

/// From how many of the best requests a practitioner may pick now.
pub(super) fn free_picks(conduct: &Conduct) -> u32 {
    let faults = u32::try_from(conduct.released.len() + conduct.absent.len()).unwrap_or(u32::MAX);
    FREE_PICKS.saturating_sub(faults).max(1)
}

pub(super) fn note_release(
    context: &mut Context<'_>,
    practitioner: &Id,
) -> Result<(), ContractError> {
    note(context, practitioner, |conduct| &mut conduct.released)
}

pub(super) fn note_absence(
    context: &mut Context<'_>,
    practitioner: &Id,
) -> Result<(), ContractError> {
    note(context, practitioner, |conduct| &mut conduct.absent)
}

fn note(
    context: &mut Context<'_>,
    practitioner: &Id,
    list: impl Fn(&mut Conduct) -> &mut Vec<i64>,
) -> Result<(), ContractError> {
    let mut conduct = of(context, practitioner)?;
    let now = context.now();
    let list = list(&mut conduct);
    list.push(now);
    if list.len() > REMEMBERED_MAX {
        list.remove(0);
    }
    context.put(&store::conduct(practitioner), &conduct)
}
