//! How well a practitioner's time is used.

use carecord_chaincode::{Context, ContractError, codes, json_object};

use crate::{
    appointments::{
        conduct, outcome,
        slots::{self, CALENDAR_MAX},
        store,
        words::SlotStatus,
    },
    error,
    ids::Id,
    person,
    vocabulary::Role,
};

/// Longest stretch of time of one report.
const SPAN_SECONDS_MAX: i64 = 92 * 24 * 3600;

json_object! {
    /// A practitioner's slots in a stretch of time.
    pub struct Stats {
        /// Slots published and not withdrawn.
        pub slots: u32,
        /// Minutes of those.
        pub minutes: u32,
        /// Slots promised to requests.
        pub taken: u32,
        /// Slots that are over.
        pub used: u32,
        /// Minutes promised or over, in thousandths of all minutes.
        pub utilisation: u32,
        /// Matches given back after accepting, in the last 30 days.
        pub released: u32,
        /// Visits missed, in the last 30 days.
        pub absent: u32,
    }
}

/// `Stats(practitionerId, from, until)`: to the practitioner and their organisation's administrators.
pub(super) fn stats(
    context: &mut Context<'_>,
    practitioner: Id,
    from: i64,
    until: i64,
) -> Result<Stats, ContractError> {
    check_caller(context, &practitioner)?;
    if from < 0 || until <= from || until.saturating_sub(from) > SPAN_SECONDS_MAX {
        let reason = "a report covers up to 92 days, start before end";
        return Err(codes::VALUE.because(reason).at("/until"));
    }
    let conduct = conduct::of(context, &practitioner)?;
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let mut stats = Stats {
        slots: 0,
        minutes: 0,
        taken: 0,
        used: 0,
        utilisation: 0,
        released: count(conduct.released.len()),
        absent: count(conduct.absent.len()),
    };
    let mut busy = 0_u32;
    let whose = practitioner.as_str();
    for id in store::ids_between(context, "apcalendar", whose, (from, until), CALENDAR_MAX)? {
        let Some(slot) = slots::find(context, &id)? else { continue };
        let minutes = outcome::minutes(slot.start, slot.end);
        stats.slots += 1;
        stats.minutes = stats.minutes.saturating_add(minutes);
        let counter = match slot.status {
            SlotStatus::Taken => &mut stats.taken,
            SlotStatus::Used => &mut stats.used,
            SlotStatus::Open | SlotStatus::Withdrawn => continue,
        };
        *counter += 1;
        busy = busy.saturating_add(minutes);
    }
    let share = 1000 * u64::from(busy) / u64::from(stats.minutes.max(1));
    stats.utilisation = u32::try_from(share).unwrap_or(1000);
    Ok(stats)
}

/// The practitioner, or an administrator of their organisation; for everyone else there is no such practitioner.
fn check_caller(context: &mut Context<'_>, practitioner: &Id) -> Result<(), ContractError> {
    let absent =
        || error::ABSENT.because("no such practitioner, or none that the caller may ask about");
    if context.caller()?.role() == Some(Role::Admin.as_str()) {
        let org = person::admin_org(context)?.msp;
        let found = person::find(context, practitioner)?;
        return match found {
            Some(p) if p.msp == org && p.role == Role::Practitioner => Ok(()),
            _ => Err(absent()),
        };
    }
    if person::caller(context)?.id == *practitioner { Ok(()) } else { Err(absent()) }
}
