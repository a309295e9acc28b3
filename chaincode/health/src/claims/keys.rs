//! Every state key of this contract, in one table.
//!
//! | key | value |
//! |---|---|
//! | `claimplan` id | [`super::Plan`] |
//! | `enrolment` id | [`super::Enrolment`] |
//! | `encounter` id | [`super::Encounter`] |
//! | `claimauth` id | [`super::Authorisation`] |
//! | `claim` id | [`super::Claim`] |
//! | `claimonce` mark | id of the claim that has this service: see [`super::opening::service_mark`] |
//! | `claimsum` enrolment, year | [`super::Sums`]: what the member has paid, as a commitment |
//! | `claimof` `p`/`i`/`o`, patient or msp, claim | a mark |
//! | `payplan` id | [`super::PaymentPlan`] |
//! | `payplanof` `p`/`i`, patient or msp, plan | a mark |
//! | `remittance` id | [`super::Remittance`] |
//!
//! Attributes are random ids, MSP ids, years, and marks: hashes that nobody can guess without the member's secret.

use crate::{
    ids::{Commitment, Id, MspId},
    store::build,
};

pub(super) const CLAIM_OF: &str = "claimof";
pub(super) const PAYMENT_PLAN_OF: &str = "payplanof";

pub(super) fn plan(id: &Id) -> String {
    build("claimplan", &[id.as_str()])
}

pub(super) fn enrolment(id: &Id) -> String {
    build("enrolment", &[id.as_str()])
}

pub(super) fn encounter(id: &Id) -> String {
    build("encounter", &[id.as_str()])
}

pub(super) fn authorisation(id: &Id) -> String {
    build("claimauth", &[id.as_str()])
}

pub(super) fn claim(id: &Id) -> String {
    build("claim", &[id.as_str()])
}

pub(super) fn once(mark: &Commitment) -> String {
    build("claimonce", &[mark.as_str()])
}

pub(super) fn sums(enrolment: &Id, year: i64) -> String {
    build("claimsum", &[enrolment.as_str(), &format!("{year:04}")])
}

pub(super) fn claim_of_patient(patient: &Id, claim: &Id) -> String {
    build(CLAIM_OF, &["p", patient.as_str(), claim.as_str()])
}

pub(super) fn claim_of_insurer(msp: &MspId, claim: &Id) -> String {
    build(CLAIM_OF, &["i", msp.as_str(), claim.as_str()])
}

pub(super) fn claim_of_provider(msp: &MspId, claim: &Id) -> String {
    build(CLAIM_OF, &["o", msp.as_str(), claim.as_str()])
}

pub(super) fn payment_plan(id: &Id) -> String {
    build("payplan", &[id.as_str()])
}

pub(super) fn payment_plan_of_patient(patient: &Id, plan: &Id) -> String {
    build(PAYMENT_PLAN_OF, &["p", patient.as_str(), plan.as_str()])
}

pub(super) fn payment_plan_of_insurer(msp: &MspId, plan: &Id) -> String {
    build(PAYMENT_PLAN_OF, &["i", msp.as_str(), plan.as_str()])
}

pub(super) fn remittance(id: &Id) -> String {
    build("remittance", &[id.as_str()])
}
