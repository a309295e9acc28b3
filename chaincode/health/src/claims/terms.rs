//! What a plan covers: the terms that everybody sees, and the schedule that insurer and providers share.
//!
//! A service or diagnosis is named by its *tag* only: [`tag`], an HMAC under a key that the insurer and the providers
//! hold. So a schedule, handed to the endorsers of a claim, tells them prices and no codes.

use aws_lc_rs::hmac;
use carecord_chaincode::{ContractError, codes, json_object};

use crate::{claims::rounding::BASIS, ids::Id, token::Currency, vocabulary::Unscheduled};

/// Largest amount of money in any place, in minor units.
pub const AMOUNT_MAX: u64 = 1_000_000_000_000;
/// Most services of a schedule.
pub const SERVICES_MAX: usize = 8_192;
/// Most diagnoses that a plan excludes.
pub const EXCLUDED_MAX: usize = 1_024;
/// Longest period in days for handing in a claim: a hundred years, for books that are taken over.
const FILING_DAYS_MAX: u32 = 36_600;
const TAG_DOMAIN: &[u8] = b"carecord-claim-tag-v1";

json_object! {
    /// The terms of a plan; amounts in minor units of the currency.
    pub struct Terms {
        /// In which currency all its amounts are.
        pub currency: Currency,
        /// What a member pays in a benefit year before the plan pays.
        pub deductible: u64,
        /// The member's share of what remains, in basis points, within the network.
        pub coinsurance_bps: u32,
        /// The member's share outside the network, in basis points; absent if nothing is covered there.
        pub outside_bps: Option<u32>,
        /// The most that a member pays in a benefit year for covered services; absent if there is no limit.
        pub out_of_pocket_max: Option<u64>,
        /// How a service that the schedule does not name is covered.
        pub unscheduled: Unscheduled,
        /// How many days after the last day of service a claim may be handed in.
        pub filing_days: u32,
    }
}

json_object! {
    /// What a plan pays for one service.
    pub struct Service {
        /// The service's tag.
        pub tag: Id,
        /// The allowed amount of one unit.
        pub allowed: u64,
        /// What the member pays for each line with it, before everything else.
        pub copay: u64,
        /// Whether the deductible applies to it.
        pub deductible: bool,
        /// Whether it has to be authorised beforehand.
        pub authorisation: bool,
        /// Whether the plan leaves it out.
        pub excluded: bool,
    }
}

json_object! {
    /// The part of a plan that insurer and providers keep to themselves; the ledger has its commitment.
    pub struct Schedule {
        /// Makes the commitment unguessable.
        pub salt: Id,
        /// Sorted by tag.
        pub services: Vec<Service>,
        /// Tags of the diagnoses that the plan does not cover, sorted.
        pub excluded: Vec<Id>,
    }
}

/// The tag of a code (`system|code`) under the key that a plan's parties share.
pub fn tag(key: &[u8; 32], code: &str) -> Id {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut context = hmac::Context::with_key(&key);
    context.update(TAG_DOMAIN);
    context.update(&[0]);
    context.update(code.as_bytes());
    Id::new(hex::encode(&context.sign().as_ref()[..16])).expect("16 bytes are 32 hex digits")
}

impl Terms {
    /// Refuses terms that make no sense.
    pub(crate) fn check(&self) -> Result<(), ContractError> {
        let refuse = |reason: &str, field: &str| {
            Err(codes::VALUE.because(reason).at(format!("/plan/terms/{field}")))
        };
        if self.deductible > AMOUNT_MAX {
            return refuse("the amount is too large", "deductible");
        }
        if self.out_of_pocket_max.is_some_and(|max| max > AMOUNT_MAX || max < self.deductible) {
            return refuse("the maximum is too large, or below the deductible", "outOfPocketMax");
        }
        if self.coinsurance_bps > BASIS || self.outside_bps.is_some_and(|bps| bps > BASIS) {
            return refuse("a share is at most 10000 basis points", "coinsuranceBps");
        }
        if self.filing_days == 0 || self.filing_days > FILING_DAYS_MAX {
            return refuse("claims are handed in within 1 to 36600 days", "filingDays");
        }
        Ok(())
    }
}

impl Schedule {
    /// Refuses a schedule whose order or amounts would let two readings of it differ.
    pub(crate) fn check(&self) -> Result<(), ContractError> {
        let refuse = |reason: &str| Err(codes::VALUE.because(reason).at("/schedule"));
        if self.services.len() > SERVICES_MAX || self.excluded.len() > EXCLUDED_MAX {
            return refuse("the schedule has too many entries");
        }
        let sorted = self.services.windows(2).all(|pair| pair[0].tag < pair[1].tag)
            && self.excluded.windows(2).all(|pair| pair[0] < pair[1]);
        if !sorted {
            return refuse("services and excluded diagnoses are sorted by tag, each once");
        }
        if self.services.iter().any(|s| s.allowed > AMOUNT_MAX || s.copay > AMOUNT_MAX) {
            return refuse("an amount is too large");
        }
        Ok(())
    }

    /// What the plan says of a service.
    pub fn service(&self, tag: &Id) -> Option<&Service> {
        let at = self.services.binary_search_by(|service| service.tag.cmp(tag)).ok()?;
        self.services.get(at)
    }

    /// Whether the plan leaves any of these diagnoses out.
    pub fn excludes(&self, diagnoses: &[Id]) -> bool {
        diagnoses.iter().any(|diagnosis| self.excluded.binary_search(diagnosis).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_depends_on_key_and_code() {
        let key = [7; 32];
        let of = |code| tag(&key, code);
        assert_eq!(of("http://snomed.info/sct|50849002"), of("http://snomed.info/sct|50849002"));
        assert_ne!(of("http://snomed.info/sct|50849002"), of("http://snomed.info/sct|50849003"));
        assert_ne!(of("a"), tag(&[8; 32], "a"));
    }
}
