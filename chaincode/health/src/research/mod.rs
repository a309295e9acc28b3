//! Contract `research`: studies that patients join for a reward, under terms that their consent covers.
//!
//! The reward of each place is set apart when a study is published. Joining is one transaction: a grant to the sponsor's
//! researchers on records that bear the study's id as a tag, and the reward. The ethics board of another organisation
//! approves a study, and that organisation's peer has to endorse every change of it. Leaving ends the grant.

mod data;
pub mod duo;
pub mod events;
mod keys;
mod model;
mod parties;
mod studies;

use carecord_chaincode::{Contract, Function, codes};

use crate::error::*;
use events::*;

pub use data::{NewSearch, SEARCHES_MAX};
pub use model::{Answer, Contribution, Party, PartyStatus, Place, Search, Study, StudyStatus};
pub use parties::{Acceptance, OFFER_SECONDS};
pub use studies::{LIFE_SECONDS_MAX, NewStudy, PLACES_MAX, SMALLEST_MIN};

const RESEARCHER: &[&str] = &["researcher"];
const ETHICS: &[&str] = &["regulator"];
const PATIENT: &[&str] = &["patient"];
const PROVIDER: &[&str] = &["practitioner"];
const WRITERS: &[&str] = &["patient", "practitioner"];
const READERS: &[&str] = &["patient", "practitioner", "researcher", "regulator"];

/// The contract's declaration.
pub(crate) fn contract() -> Contract {
    let contract = Contract::new("research", "studies, who takes part, and what they get");
    collecting(joining(studying(contract)))
}

fn studying(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "PublishStudy",
                "publishes a study and sets all its rewards apart",
                &["study"],
                studies::publish,
            )
            .roles(RESEARCHER)
            .errors(&[PERSON, ABSENT, TAKEN, FUNDS, codes::VALUE])
            .events(&[STUDY_CHANGED]),
        )
        .function(
            Function::submit(
                "Approve",
                "approves or rejects a study for the ethics board",
                &["studyId", "decision"],
                studies::approve,
            )
            .roles(ETHICS)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[STUDY_CHANGED]),
        )
        .function(
            Function::submit(
                "Settle",
                "takes back the rewards that nobody earned",
                &["studyId"],
                studies::settle,
            )
            .roles(RESEARCHER)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[STUDY_CHANGED]),
        )
        .function(
            Function::evaluate("Get", "answers a study", &["studyId"], studies::get)
                .roles(READERS)
                .errors(&[PERSON, ABSENT]),
        )
        .function(
            Function::evaluate("List", "lists the studies", &["after", "limit"], studies::list)
                .roles(READERS)
                .errors(&[PERSON, codes::VALUE]),
        )
}

fn joining(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "Offer",
                "offers a place in a study to a patient",
                &["studyId", "patientId", "place"],
                parties::offer,
            )
            .roles(WRITERS)
            .errors(&[PERSON, ABSENT, TAKEN, STATE, codes::VALUE])
            .events(&[STUDY_PLACE_CHANGED]),
        )
        .function(
            Function::submit(
                "Accept",
                "joins a study: consents to its use of data and is paid",
                &["acceptance"],
                parties::accept,
            )
            .roles(PATIENT)
            .errors(&[PERSON, ABSENT, TAKEN, STATE, LIMIT, codes::VALUE])
            .events(&[STUDY_ACCEPTED]),
        )
        .function(
            Function::submit("Decline", "does not join a study", &["studyId"], parties::decline)
                .roles(PATIENT)
                .errors(&[PERSON, ABSENT, STATE])
                .events(&[STUDY_PLACE_CHANGED]),
        )
        .function(
            Function::submit("Withdraw", "leaves a study", &["studyId"], parties::withdraw)
                .roles(PATIENT)
                .errors(&[PERSON, ABSENT, STATE])
                .events(&[STUDY_PLACE_CHANGED]),
        )
        .function(
            Function::evaluate(
                "ListMine",
                "lists the studies that the calling patient was offered",
                &["after", "limit"],
                parties::mine,
            )
            .roles(PATIENT)
            .errors(&[PERSON, codes::VALUE]),
        )
}

fn collecting(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "Contribute",
                "gives a de-identified record to a study",
                &["studyId", "recordId"],
                data::contribute,
            )
            .roles(WRITERS)
            .errors(&[PERSON, ABSENT, TAKEN, STATE])
            .events(&[STUDY_CHANGED]),
        )
        .function(
            Function::evaluate(
                "Collect",
                "lists the records of those who take part now",
                &["studyId", "after", "limit"],
                data::collect,
            )
            .roles(RESEARCHER)
            .errors(&[PERSON, ABSENT, codes::VALUE]),
        )
        .function(
            Function::submit(
                "Search",
                "asks the hospitals how many patients fit",
                &["search"],
                data::search,
            )
            .roles(RESEARCHER)
            .errors(&[PERSON, ABSENT, TAKEN, STATE, LIMIT])
            .events(&[STUDY_CHANGED]),
        )
        .function(
            Function::submit(
                "AnswerSearch",
                "answers a search for the caller's hospital",
                &["searchId", "count"],
                data::answer,
            )
            .roles(PROVIDER)
            .errors(&[PERSON, ABSENT, TAKEN, STATE, codes::VALUE])
            .events(&[STUDY_CHANGED]),
        )
        .function(
            Function::evaluate(
                "Answers",
                "lists the hospitals' answers to a search",
                &["searchId", "after", "limit"],
                data::answers,
            )
            .roles(RESEARCHER)
            .errors(&[PERSON, ABSENT, codes::VALUE]),
        )
}
