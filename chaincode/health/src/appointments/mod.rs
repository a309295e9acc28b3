//! Contract `appointments`: from a patient's request to a visit that took place.
//!
//! Practitioners publish slots, patients make requests. A *pool* is a specialty with its branches. Requests and slots come
//! together in two ways, and whichever commits first holds:
//!
//! * An administrator freezes a batch of a pool and has it matched ([`matching`]): the result does not depend on who asks, nor
//!   on who solves it, and anyone can verify it from what was frozen. The practitioner then accepts or declines.
//! * A practitioner picks a request for a slot: one of the best for that slot, or with a reason that stays on the ledger.
//!
//! The patient confirms; both check in, begin and end the visit, or say that the other did not come. Whoever lets the
//! other down bears it: a request that practitioners fail gains priority, a practitioner who fails requests loses free choice.
//! Specialty, urgency, periods and price stand in the clear under pseudonyms; what a visit is about is sealed.

mod answer;
mod batch;
mod claim;
mod conduct;
mod confirm;
pub mod events;
mod facts;
mod freeze;
mod lists;
pub mod matching;
pub mod model;
mod outcome;
pub mod price;
mod profile;
mod request;
mod slots;
mod stats;
mod store;
mod visit;
pub mod words;

use carecord_chaincode::{Contract, Function, codes};

use crate::{error::*, events::*, ids::Id};

pub use answer::ANSWER_SECONDS;
pub use batch::{BatchPart, Proven, handed};
pub use conduct::{FREE_PICKS, MEMORY_SECONDS};
pub use confirm::SETTLE_SECONDS;
pub use freeze::{BATCH_SECONDS, LATE_SECONDS_MAX};
pub use outcome::{DECLINES_MAX, EXCLUDED_MAX};
pub use request::{KEPT_MAX, OPEN_MAX};
pub use slots::PUBLISHED_MAX;
pub use stats::Stats;
pub use store::PART;
pub use visit::{EARLY_SECONDS, GRACE_SECONDS};

const PATIENT: &[&str] = &["patient"];
const PRACTITIONER: &[&str] = &["practitioner"];
const ADMIN: &[&str] = &["hospital-admin"];
const BOTH_SIDES: &[&str] = &["patient", "practitioner"];

/// The contract's declaration.
pub(crate) fn contract() -> Contract {
    let contract = Contract::new("appointments", "from a patient's request to a visit");
    views(visits(answers(batches(requests(slots_of(contract))))))
}

fn slots_of(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "Qualify",
                "vouches for the specialties of a practitioner of the caller's organisation",
                &["practitionerId", "specialties"],
                profile::qualify,
            )
            .roles(ADMIN)
            .errors(&[ORG, ABSENT, FOREIGN, codes::VALUE]),
        )
        .function(
            Function::submit(
                "SetProfile",
                "says what the caller speaks, charges and takes on",
                &["profile"],
                profile::set,
            )
            .roles(PRACTITIONER)
            .errors(&[PERSON, ABSENT, codes::VALUE]),
        )
        .function(
            Function::submit(
                "PublishSlots",
                "offers time, in order, without overlap",
                &["slots"],
                slots::publish,
            )
            .roles(PRACTITIONER)
            .errors(&[PERSON, STATE, SPECIALTY, TAKEN, LIMIT, codes::VALUE])
            .events(&[SLOTS_PUBLISHED]),
        )
        .function(
            Function::submit(
                "WithdrawSlot",
                "takes an open slot back",
                &["slotId"],
                slots::withdraw,
            )
            .roles(PRACTITIONER)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[SLOT_WITHDRAWN]),
        )
}

fn requests(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit("Request", "asks for a visit", &["request"], request::request)
                .roles(PATIENT)
                .errors(&[PERSON, ABSENT, TAKEN, STATE, LIMIT, codes::VALUE])
                .events(&[APPOINTMENT_REQUESTED]),
        )
        .function(
            Function::submit(
                "Amend",
                "changes the terms of an open request",
                &["requestId", "terms"],
                request::amend,
            )
            .roles(PATIENT)
            .errors(&[PERSON, ABSENT, STATE, codes::VALUE]),
        )
        .function(
            Function::submit(
                "Cancel",
                "takes a request back, and undoes its match until the patient has checked in",
                &["requestId"],
                request::cancel,
            )
            .roles(PATIENT)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[REQUEST_CLOSED]),
        )
        .function(
            Function::submit(
                "Claim",
                "picks one of the best open requests for one of the caller's slots",
                &["requestId", "slotId"],
                claim::claim,
            )
            .roles(PRACTITIONER)
            .errors(&[PERSON, ABSENT, SPECIALTY, STATE, PICK, LIMIT])
            .events(&[MATCH_CHANGED]),
        )
        .function(
            Function::submit(
                "ClaimBecause",
                "picks any open request for one of the caller's slots, for a reason",
                &["requestId", "slotId", "reason"],
                claim::claim_because,
            )
            .roles(PRACTITIONER)
            .errors(&[PERSON, ABSENT, SPECIALTY, STATE, LIMIT])
            .events(&[MATCH_CHANGED]),
        )
}

fn batches(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "FreezeBatch",
                "writes down the open requests and slots of a pool, to be matched",
                &["batchId", "specialty", "before"],
                freeze::freeze,
            )
            .roles(ADMIN)
            .errors(&[ORG, TAKEN, STATE, codes::VALUE])
            .events(&[BATCH_FROZEN]),
        )
        .function(
            Function::submit("RunMatching", "matches a frozen batch", &["batchId"], batch::run)
                .roles(ADMIN)
                .errors(&[ORG, ABSENT, STATE, LIMIT])
                .events(&[BATCH_RUN]),
        )
        .function(
            Function::submit(
                "SubmitMatching",
                "takes the matching of a frozen batch that was solved elsewhere, if its prices prove it",
                &["batchId", "slots", "prices"],
                batch::submit,
            )
            .roles(ADMIN)
            .errors(&[ORG, ABSENT, STATE, PROOF])
            .events(&[BATCH_RUN]),
        )
        .function(
            Function::evaluate(
                "VerifyMatching",
                "checks the proof of a batch that was run",
                &["batchId"],
                batch::verify_stored,
            )
            .errors(&[ABSENT, PROOF]),
        )
        .function(
            Function::evaluate("GetBatch", "answers the head of a batch", &["batchId"], batch::get)
                .errors(&[ABSENT]),
        )
        .function(
            Function::evaluate(
                "GetBatchPart",
                "answers 250 requests and slots of a frozen batch",
                &["batchId", "part"],
                batch::part,
            )
            .errors(&[ABSENT, codes::VALUE]),
        )
        .function(
            Function::evaluate(
                "GetResult",
                "answers what became of a batch",
                &["batchId"],
                |context: &mut carecord_chaincode::Context<'_>, id: Id| {
                    batch::stored_result(context, &id)
                },
            )
            .errors(&[ABSENT]),
        )
}

fn answers(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "Accept",
                "says that the practitioner is willing",
                &["matchId"],
                answer::accept,
            )
            .roles(PRACTITIONER)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[MATCH_CHANGED]),
        )
        .function(
            Function::submit("Decline", "says no to a match", &["matchId"], answer::decline)
                .roles(BOTH_SIDES)
                .errors(&[PERSON, ABSENT, STATE])
                .events(&[MATCH_CHANGED]),
        )
        .function(
            Function::submit(
                "Release",
                "gives back an accepted match, at the cost of free choice",
                &["matchId"],
                answer::release,
            )
            .roles(PRACTITIONER)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[MATCH_CHANGED]),
        )
        .function(
            Function::submit(
                "Confirm",
                "binds the patient and opens the channel out of which the visit is paid",
                &["matchId", "deposit"],
                confirm::confirm,
            )
            .roles(PATIENT)
            .errors(&[PERSON, ABSENT, STATE, FUNDS, codes::VALUE])
            .events(&[MATCH_CHANGED]),
        )
}

fn visits(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "CheckIn",
                "says that the patient is there",
                &["matchId"],
                visit::check_in,
            )
            .roles(PATIENT)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[MATCH_CHANGED]),
        )
        .function(
            Function::submit("Start", "begins the visit", &["matchId"], visit::start)
                .roles(PRACTITIONER)
                .errors(&[PERSON, ABSENT, STATE])
                .events(&[MATCH_CHANGED]),
        )
        .function(
            Function::submit("Stop", "ends the visit", &["matchId"], visit::stop)
                .roles(BOTH_SIDES)
                .errors(&[PERSON, ABSENT, STATE])
                .events(&[MATCH_CHANGED]),
        )
        .function(
            Function::submit(
                "NoShow",
                "says that the other side did not come",
                &["matchId"],
                visit::no_show,
            )
            .roles(BOTH_SIDES)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[MATCH_CHANGED]),
        )
}

fn views(contract: Contract) -> Contract {
    contract
        .function(
            Function::evaluate(
                "ListOpen",
                "lists the open requests of a specialty that the caller serves, oldest first",
                &["specialty", "after", "limit"],
                lists::open,
            )
            .roles(PRACTITIONER)
            .errors(&[PERSON, SPECIALTY, codes::VALUE]),
        )
        .function(
            Function::evaluate(
                "ListMine",
                "lists the caller's requests, oldest first",
                &["after", "limit"],
                lists::mine,
            )
            .roles(PATIENT)
            .errors(&[PERSON, codes::VALUE]),
        )
        .function(
            Function::evaluate(
                "ListMatches",
                "lists the caller's matches, oldest first",
                &["after", "limit"],
                lists::matches,
            )
            .roles(BOTH_SIDES)
            .errors(&[PERSON, codes::VALUE]),
        )
        .function(
            Function::evaluate("GetMatch", "answers a match", &["matchId"], answer::get)
                .roles(BOTH_SIDES)
                .errors(&[PERSON, ABSENT]),
        )
        .function(
            Function::evaluate(
                "GetProfile",
                "answers how a practitioner works",
                &["practitionerId"],
                profile::get,
            )
            .errors(&[ABSENT]),
        )
        .function(
            Function::evaluate(
                "Stats",
                "answers how a practitioner's time is used",
                &["practitionerId", "from", "until"],
                stats::stats,
            )
            .roles(&["practitioner", "hospital-admin"])
            .errors(&[PERSON, ORG, ABSENT, codes::VALUE]),
        )
}
