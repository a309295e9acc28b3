//! Contract `claims`: plans, claims and who pays what of them.
//!
//! The ledger knows of a claim who, whose, where it stands, and commitments. Its codes and diagnoses lie sealed in the
//! vault, as a record that the patient lets the insurer read. Its lines, with tags in place of codes, are handed to the
//! peers of insurer and provider when a call needs them, and are checked against the commitments: see [`opening`]. Both
//! then run the pure function of [`adjudication`], so neither can decide otherwise, and both must endorse each change.

pub mod adjudication;
pub mod calendar;
mod decide;
pub mod encounters;
pub mod events;
pub mod instalments;
mod keys;
mod lists;
mod model;
pub mod opening;
pub mod outcome;
mod payplan;
mod plans;
mod remit;
pub mod rounding;
mod submit;
pub mod terms;

use carecord_chaincode::{Context, Contract, ContractError, Function, codes};

use crate::{error::*, ids::Id, model::Subject};

use events::*;

pub use decide::{ADJUDICATE_TRANSIENT, facts};
pub use model::{Authorisation, Claim, Encounter, Enrolment, Plan, Sums};
pub use payplan::{DAYS_MAX, NewPaymentPlan, Payment, PaymentPlan};
pub use plans::{Eligibility, NETWORK_MAX, NewAuthorisation, NewEnrolment, NewPlan};
pub use remit::{CLAIMS_MAX, NewRemittance, Remittance};
pub use submit::{APPEAL_SECONDS_MAX, AUTHORISATIONS_MAX, NewAppeal, NewClaim};

const INSURER: &[&str] = &["insurer"];
const PROVIDER: &[&str] = &["practitioner"];
const PATIENT: &[&str] = &["patient"];
const PARTIES: &[&str] = &["patient", "practitioner", "insurer"];
const APPELLANTS: &[&str] = &["patient", "practitioner"];

/// The contract's declaration.
pub(crate) fn contract() -> Contract {
    let contract = Contract::new("claims", "what insurers pay for, and what patients owe");
    reading(paying(flagging(claiming(planning(contract)))))
}

fn planning(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit("RegisterPlan", "registers a plan", &["plan"], plans::register)
                .roles(INSURER)
                .errors(&[PERSON, ABSENT, TAKEN, codes::VALUE])
                .events(&[CLAIM_PLAN_CHANGED]),
        )
        .function(
            Function::submit("Enroll", "makes a patient a member", &["enrolment"], plans::enroll)
                .roles(INSURER)
                .errors(&[PERSON, ABSENT, TAKEN, codes::VALUE])
                .events(&[CLAIM_PLAN_CHANGED]),
        )
        .function(
            Function::evaluate(
                "CheckEligibility",
                "answers whether a member is covered today, and the caller in the network",
                &["enrolmentId"],
                plans::check_eligibility,
            )
            .roles(PARTIES)
            .errors(&[PERSON, ABSENT]),
        )
        .function(
            Function::submit(
                "PriorAuth",
                "asks the insurer to authorise a service",
                &["authorisation"],
                plans::prior_auth,
            )
            .roles(PROVIDER)
            .errors(&[PERSON, ABSENT, TAKEN])
            .events(&[CLAIM_PLAN_CHANGED]),
        )
        .function(
            Function::submit(
                "DecidePriorAuth",
                "authorises a service until a day, or does not",
                &["authorisationId", "decision", "until"],
                plans::decide_prior_auth,
            )
            .roles(INSURER)
            .errors(&[PERSON, ABSENT, STATE, codes::VALUE])
            .events(&[CLAIM_PLAN_CHANGED]),
        )
}

fn claiming(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit("Submit", "hands a claim in", &["claim"], submit::submit)
                .roles(PROVIDER)
                .transient(&["claim", "member"])
                .errors(&[PERSON, ABSENT, TAKEN, STATE, OPENING, codes::VALUE])
                .events(&[CLAIM_CHANGED]),
        )
        .function(
            Function::submit(
                "Adjudicate",
                "decides who pays what of a claim",
                &["claimId"],
                decide::adjudicate,
            )
            .roles(INSURER)
            .transient(ADJUDICATE_TRANSIENT)
            .errors(&[PERSON, ABSENT, STATE, OPENING, codes::VALUE])
            .events(&[CLAIM_CHANGED]),
        )
        .function(
            Function::submit(
                "Appeal",
                "asks for another decision, with corrected lines if need be",
                &["appeal"],
                submit::appeal,
            )
            .roles(APPELLANTS)
            .transient(&["claim", "before", "member"])
            .errors(&[PERSON, ABSENT, TAKEN, STATE, OPENING, codes::VALUE])
            .events(&[CLAIM_CHANGED]),
        )
}

fn flagging(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "SignEncounter",
                "signs when the caller treated a patient",
                &["encounterId", "patientId", "facts"],
                encounters::sign,
            )
            .roles(PROVIDER)
            .errors(&[PERSON, ABSENT, TAKEN])
            .events(&[CLAIM_PLAN_CHANGED]),
        )
        .function(
            Function::submit(
                "ConfirmEncounter",
                "confirms that an encounter took place as the practitioner signed it",
                &["encounterId"],
                encounters::confirm,
            )
            .roles(PATIENT)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[CLAIM_PLAN_CHANGED]),
        )
        .function(
            Function::submit(
                "ReportOverlap",
                "flags a claim whose practitioner was in another encounter at the same time",
                &["claimId", "encounterId"],
                encounters::report_overlap,
            )
            .roles(INSURER)
            .transient(&["claim", "other"])
            .errors(&[PERSON, ABSENT, OPENING, codes::VALUE])
            .events(&[CLAIM_CHANGED]),
        )
        .function(
            Function::submit(
                "ClearFlags",
                "lets a flagged claim be paid",
                &["claimId"],
                encounters::clear_flags,
            )
            .roles(INSURER)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[CLAIM_CHANGED]),
        )
}

fn paying(contract: Contract) -> Contract {
    let contract = contract
        .function(
            Function::submit(
                "Remit",
                "pays a practitioner for claims",
                &["remittance"],
                remit::remit,
            )
            .roles(INSURER)
            .transient(&["outcomes", "paid"])
            .errors(&[PERSON, NOT_TRANSFERABLE, ABSENT, TAKEN, STATE, FUNDS, OPENING, codes::VALUE])
            .events(&[CLAIM_PAYMENT]),
        )
        .function(
            Function::submit(
                "CreatePlan",
                "proposes to a patient to pay in instalments",
                &["plan"],
                payplan::create,
            )
            .roles(INSURER)
            .transient(&["outcomes"])
            .errors(&[PERSON, ABSENT, TAKEN, STATE, OPENING, codes::VALUE])
            .events(&[CLAIM_PAYMENT]),
        )
        .function(
            Function::submit(
                "MarkLate",
                "marks an instalment whose days of grace are over",
                &["planId", "number"],
                payplan::mark_late,
            )
            .roles(INSURER)
            .errors(&[PERSON, ABSENT, STATE, codes::VALUE])
            .events(&[CLAIM_PAYMENT]),
        )
        .function(
            Function::submit(
                "Default",
                "asks for the whole rest, after three late instalments",
                &["planId"],
                payplan::default,
            )
            .roles(INSURER)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[CLAIM_PAYMENT]),
        );
    owing(contract)
}

fn owing(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit("AcceptPlan", "accepts a plan", &["planId"], payplan::accept)
                .roles(PATIENT)
                .errors(&[PERSON, ABSENT, STATE])
                .events(&[CLAIM_PAYMENT]),
        )
        .function(
            Function::submit("DeclinePlan", "declines a plan", &["planId"], payplan::decline)
                .roles(PATIENT)
                .errors(&[PERSON, ABSENT, STATE])
                .events(&[CLAIM_PAYMENT]),
        )
        .function(
            Function::submit(
                "PayInstallment",
                "pays the next instalment",
                &["payment"],
                payplan::pay_installment,
            )
            .roles(PATIENT)
            .errors(&[PERSON, NOT_TRANSFERABLE, ABSENT, STATE, FUNDS, codes::VALUE])
            .events(&[CLAIM_PAYMENT]),
        )
        .function(
            Function::evaluate(
                "PaymentPlan",
                "answers a payment plan to its patient or insurer",
                &["planId"],
                payplan::get,
            )
            .roles(&["patient", "insurer"])
            .errors(&[PERSON, ABSENT]),
        )
        .function(
            Function::evaluate(
                "PaymentPlans",
                "lists the payment plans of the calling patient or insurer",
                &["after", "limit"],
                payplan::list,
            )
            .roles(&["patient", "insurer"])
            .errors(&[PERSON, codes::VALUE]),
        )
}

fn reading(contract: Contract) -> Contract {
    contract
        .function(
            Function::evaluate("Get", "answers a claim to its parties", &["claimId"], lists::get)
                .roles(PARTIES)
                .errors(&[PERSON, ABSENT]),
        )
        .function(
            Function::evaluate(
                "Statement",
                "lists the claims of the calling patient, insurer or hospital",
                &["after", "limit"],
                lists::statement,
            )
            .roles(PARTIES)
            .errors(&[PERSON, codes::VALUE]),
        )
}

/// A claim on the caller's insurer, with its key.
fn claim_of(
    context: &mut Context<'_>,
    id: &Id,
    clerk: &Subject,
) -> Result<(String, Claim), ContractError> {
    let key = keys::claim(id);
    let found: Option<Claim> = context.get(&key)?;
    let found = found.filter(|claim| claim.insurer == clerk.msp);
    let claim = found.ok_or_else(|| ABSENT.because("no such claim on the caller's insurer"))?;
    Ok((key, claim))
}

/// Refuses an id under which there is something already.
fn untaken(context: &mut Context<'_>, key: &str, at: &str) -> Result<(), ContractError> {
    match context.bytes(key)? {
        None => Ok(()),
        Some(_) => Err(TAKEN.because("the id is taken").at(at)),
    }
}

fn change(claim: &Claim) -> ClaimChange {
    ClaimChange { claim: claim.id.clone(), status: claim.status, round: claim.round }
}
