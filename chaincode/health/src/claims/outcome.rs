//! What an adjudication takes in and what comes out: lines, accumulators, and who pays what for which reason.

use carecord_chaincode::{ContractError, codes, json_object};

use crate::{
    channels::ChannelId,
    claims::{calendar, terms::AMOUNT_MAX},
    ids::Id,
    vocabulary::Reason,
};

/// Most lines of a claim.
pub const LINES_MAX: usize = 100;
/// Most diagnoses of a line.
pub const DIAGNOSES_MAX: usize = 12;
/// Most units of a line.
pub const UNITS_MAX: u32 = 10_000;

json_object! {
    /// One service on a claim.
    pub struct Line {
        /// The service's tag.
        pub tag: Id,
        /// Tags of the diagnoses that it was for.
        pub diagnoses: Vec<Id>,
        /// What the provider asks for, in minor units.
        pub charge: u64,
        /// How often it was given.
        pub units: u32,
        /// Minutes that are charged; 0 if the service is not charged by time.
        pub minutes: u32,
    }
}

json_object! {
    /// When somebody treated whom, to the second; the ledger has its commitment, signed by both.
    pub struct EncounterFacts {
        /// Makes the commitment unguessable.
        pub salt: Id,
        /// Who treated.
        pub practitioner: Id,
        /// Who was treated.
        pub patient: Id,
        /// When it began, seconds since 1970.
        pub from: i64,
        /// When it ended, seconds since 1970.
        pub until: i64,
        /// The payment channel that metered it.
        pub channel: Option<ChannelId>,
    }
}

json_object! {
    /// The private part of a claim; the ledger has its commitment.
    pub struct ClaimLines {
        /// Makes the commitment unguessable.
        pub salt: Id,
        /// The first day of service, days since 1970.
        pub from: i64,
        /// The last day of service, in the same benefit year.
        pub until: i64,
        /// In the order in which they are adjudicated.
        pub lines: Vec<Line>,
        /// The encounter behind them, if the claim names one.
        pub encounter: Option<EncounterFacts>,
    }
}

json_object! {
    /// What a member has paid so far in a benefit year, in minor units; the ledger has its commitment.
    pub struct Accumulators {
        /// Makes the commitment unguessable.
        pub salt: Id,
        /// Towards the deductible.
        pub deductible: u64,
        /// Towards the out-of-pocket maximum; the deductible is part of it.
        pub out_of_pocket: u64,
    }
}

json_object! {
    /// Who pays what of a line, in minor units: `insurer + patient + writeOff = submitted`.
    pub struct LineOutcome {
        /// What the provider asked for.
        pub submitted: u64,
        /// What the plan recognises.
        pub allowed: u64,
        /// The patient's fixed part of the allowed amount.
        pub copay: u64,
        /// The patient's part that counts towards the deductible.
        pub deductible: u64,
        /// The patient's share of the rest of the allowed amount.
        pub coinsurance: u64,
        /// What the patient pays outside the plan.
        pub uncovered: u64,
        /// All that the patient pays: the four before it.
        pub patient: u64,
        /// What the insurer pays.
        pub insurer: u64,
        /// What the provider may ask of nobody.
        pub write_off: u64,
        /// Why, in the order of the rules.
        pub reasons: Vec<Reason>,
    }
}

json_object! {
    /// The sums over a claim's lines.
    pub struct Totals {
        /// What the provider asked for.
        pub submitted: u64,
        /// What the insurer pays.
        pub insurer: u64,
        /// What the patient pays.
        pub patient: u64,
        /// What the provider may ask of nobody.
        pub write_off: u64,
    }
}

json_object! {
    /// The result of adjudicating a claim; the ledger has its commitment.
    pub struct Outcome {
        /// Makes the commitment unguessable.
        pub salt: Id,
        /// Which claim.
        pub claim: Id,
        /// 1 for the first adjudication, one more after each appeal.
        pub round: u32,
        /// In the order of the claim's lines.
        pub lines: Vec<LineOutcome>,
        /// Their sums.
        pub totals: Totals,
        /// What the claim added to the member's deductible.
        pub deductible: u64,
        /// What the claim added to the member's out-of-pocket amount.
        pub out_of_pocket: u64,
    }
}

impl ClaimLines {
    /// Refuses lines that make no sense.
    pub(crate) fn check(&self) -> Result<(), ContractError> {
        let refuse = |reason: &str| Err(codes::VALUE.because(reason).at("/claim"));
        if self.lines.is_empty() || self.lines.len() > LINES_MAX {
            return refuse("a claim has 1 to 100 lines");
        }
        if self.until < self.from || self.from < calendar::DAY_MIN || self.until > calendar::DAY_MAX
        {
            return refuse(
                "the period of service ends before it begins, or is not from 1900 to 9999",
            );
        }
        if calendar::year(self.from) != calendar::year(self.until) {
            return refuse("the period of service is not within one benefit year");
        }
        let bad = |line: &Line| {
            line.charge > AMOUNT_MAX
                || !(1..=UNITS_MAX).contains(&line.units)
                || line.diagnoses.len() > DIAGNOSES_MAX
        };
        if self.lines.iter().any(bad) {
            return refuse("a line has too large an amount, no units, or too many of something");
        }
        match &self.encounter {
            Some(encounter) if encounter.until < encounter.from => {
                refuse("the encounter ends before it begins")
            }
            _ => Ok(()),
        }
    }

    /// The benefit year that the claim counts in.
    pub fn year(&self) -> i64 {
        calendar::year(self.from)
    }
}
