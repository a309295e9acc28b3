//! Contract `records`: where each ciphertext is, whose it is, and each attempt to open it.
//!
//! Who may add a record: the patient; a practitioner of the patient's home organisation, unless the patient forbids it;
//! anyone to whom the patient granted `submit`. Who may add a version: the patient; the record's author, as long as they
//! could still add a record; anyone whose `submit` grant covers the record. Who may open one: the patient, and whom [`crate::consent`] permits; an
//! author has no standing right to what they wrote.

mod add;
mod list;
mod open;
mod status;

use carecord_chaincode::{Context, Contract, ContractError, Function, codes};

use crate::{
    consent::{
        decision::{Facts, Reason},
        lookup,
    },
    error::*,
    events::*,
    ids::Id,
    model::Subject,
    person,
    vocabulary::{Decision, Purpose, Role, Verb},
};

pub use add::{FORMAT_1, NewRecord, NewVersion, SIZE_MAX};

/// Most tags of a record.
pub const TAGS_MAX: usize = 16;

const PATIENT: &[&str] = &["patient"];
const READERS: &[&str] = &["patient", "practitioner", "insurer", "researcher"];
const WRITERS: &[&str] = &["patient", "practitioner"];

/// The contract's declaration.
pub(crate) fn contract() -> Contract {
    reading(writing(Contract::new("records", "encrypted records and who opened them")))
}

fn writing(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit("Add", "adds a record for a patient", &["record"], add::add)
                .roles(WRITERS)
                .errors(&[PERSON, ABSENT, TAKEN, codes::VALUE])
                .events(&[RECORD_ADDED]),
        )
        .function(
            Function::submit(
                "AddVersion",
                "adds the next version of a record",
                &["version"],
                add::add_version,
            )
            .roles(WRITERS)
            .errors(&[PERSON, ABSENT, TAKEN, STATE, codes::VALUE])
            .events(&[RECORD_VERSION_ADDED]),
        )
        .function(
            Function::submit(
                "Hide",
                "denies a record to everyone but the caller",
                &["recordId"],
                status::hide,
            )
            .roles(PATIENT)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[RECORD_HIDDEN]),
        )
        .function(
            Function::submit(
                "Unhide",
                "lets the grants decide again",
                &["recordId"],
                status::unhide,
            )
            .roles(PATIENT)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[RECORD_UNHIDDEN]),
        )
        .function(
            Function::submit(
                "Retract",
                "marks a record as entered in error, by its patient or its author",
                &["recordId"],
                status::retract,
            )
            .roles(WRITERS)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[RECORD_RETRACTED]),
        )
}

fn reading(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "Open",
                "records an attempt to open a record and whether it is permitted",
                &["recordId", "purpose"],
                open::open,
            )
            .roles(READERS)
            .errors(&[PERSON])
            .events(&[RECORD_ACCESS]),
        )
        .function(
            Function::evaluate(
                "Get",
                "answers a record's entry to whoever could open it",
                &["recordId", "purpose"],
                open::get,
            )
            .roles(READERS)
            .errors(&[PERSON, ABSENT]),
        )
        .function(
            Function::evaluate(
                "History",
                "answers a record's versions to whoever could open it, newest last",
                &["recordId", "purpose"],
                open::history,
            )
            .roles(READERS)
            .errors(&[PERSON, ABSENT]),
        )
        .function(
            Function::evaluate(
                "ListMine",
                "lists the calling patient's records",
                &["after", "limit"],
                list::mine,
            )
            .roles(PATIENT)
            .errors(&[PERSON, codes::VALUE]),
        )
        .function(
            Function::evaluate(
                "ListForMe",
                "lists the records that the caller could open for a purpose",
                &["purpose", "after", "limit"],
                list::for_me,
            )
            .roles(READERS)
            .errors(&[PERSON, codes::VALUE]),
        )
}

/// Why somebody may write records of a patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    /// They are the patient, or the patient granted them `submit`.
    Permitted,
    /// They practise where the patient is at home, and the patient does not forbid it.
    AtHome,
}

/// The patient for whom `author` may write such a record; that there is none and that it is not allowed look the same.
pub(crate) fn writable_patient(
    context: &mut Context<'_>,
    author: &Subject,
    patient: &Id,
    draft: &Facts,
) -> Result<Subject, ContractError> {
    let absent = || ABSENT.because("no such patient, or no right to write for them");
    let patient = person::patient(context, patient)?.ok_or_else(absent)?;
    match may_write(context, author, &patient, draft)? {
        Some(_) => Ok(patient),
        None => Err(absent()),
    }
}

/// On what ground `author` may write such a record of a patient; none if they may not.
pub(crate) fn may_write(
    context: &mut Context<'_>,
    author: &Subject,
    patient: &Subject,
    draft: &Facts,
) -> Result<Option<Ground>, ContractError> {
    let purpose = match author.role {
        Role::Patient => Purpose::PatientRequest,
        _ => Purpose::Treatment,
    };
    let (verdict, _) = lookup::ask(context, author, &patient.id, draft, Verb::Submit, purpose)?;
    let at_home = author.role == Role::Practitioner && author.msp == patient.msp;
    Ok(match verdict.decision {
        Decision::Permit => Some(Ground::Permitted),
        Decision::Deny if at_home && verdict.reason == Reason::Default => Some(Ground::AtHome),
        Decision::Deny => None,
    })
}
