//! Contract `consent`: what patients let others do, and what follows from it.
//!
//! Grants name people, organisations, verbs, purposes, periods, record ids and random tags. What a tag or a record is
//! about is known to the patient's client only. Who may read whom is visible to the channel's members as pseudonyms.

pub mod decision;
mod functions;
pub mod grant;
pub(crate) mod lists;
pub(crate) mod lookup;

use carecord_chaincode::{Contract, Function, codes};

use crate::{error::*, events::*};

pub use functions::{Answer, Explanation};
pub(crate) use functions::{end, give};
pub use grant::{Grant, Grantee, NewGrant, NewScope, Scope};
pub use lists::Recipient;
pub use lookup::GRANTS_PER_GRANTEE_MAX;

const PATIENT: &[&str] = &["patient"];
const READERS: &[&str] = &["patient", "practitioner", "insurer", "researcher"];
const WRITERS: &[&str] = &["patient", "practitioner"];

/// The contract's declaration.
pub(crate) fn contract() -> Contract {
    let contract = Contract::new("consent", "what patients let others do with their records")
        .function(
            Function::submit(
                "Grant",
                "permits or forbids somebody something",
                &["grant"],
                functions::grant,
            )
            .roles(PATIENT)
            .errors(&[PERSON, ABSENT, TAKEN, LIMIT, codes::VALUE])
            .events(&[CONSENT_GRANTED]),
        )
        .function(
            Function::submit(
                "Revoke",
                "ends one of the caller's grants",
                &["grantId"],
                functions::revoke,
            )
            .roles(PATIENT)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[CONSENT_REVOKED]),
        )
        .function(
            Function::evaluate(
                "Check",
                "answers whether the caller could open a record now",
                &["recordId", "purpose"],
                functions::check,
            )
            .roles(READERS)
            .errors(&[PERSON]),
        )
        .function(
            Function::evaluate(
                "Explain",
                "tells the patient what would be decided for somebody, and by which grants",
                &["recordId", "subjectId", "verb", "purpose"],
                functions::explain,
            )
            .roles(PATIENT)
            .errors(&[PERSON, ABSENT]),
        );
    lists(contract)
}

fn lists(contract: Contract) -> Contract {
    contract
        .function(
            Function::evaluate(
                "Recipients",
                "lists to whom the data key of a new record of a patient is to be wrapped",
                &["patientId", "tags"],
                lists::recipients,
            )
            .roles(WRITERS)
            .errors(&[PERSON, ABSENT, LIMIT, codes::VALUE]),
        )
        .function(
            Function::evaluate(
                "ListMine",
                "lists the caller's grants",
                &["after", "limit"],
                lists::mine,
            )
            .roles(PATIENT)
            .errors(&[PERSON, codes::VALUE]),
        )
        .function(
            Function::evaluate(
                "ListForMe",
                "lists the permitting grants to the caller in person that hold now",
                &["after", "limit"],
                lists::for_me,
            )
            .roles(READERS)
            .errors(&[PERSON, codes::VALUE]),
        )
}
