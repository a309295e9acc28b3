//! Contract `consent`: what patients let others do, and what follows from it.
//!
//! Grants name people, organisations, verbs, purposes, periods, record ids and random tags. What a tag or a record is
//! about is known to the patient's client only. Who may read whom is visible to the channel's members as pseudonyms.

mod amend;
pub mod decision;
mod emergency;
mod functions;
pub mod grant;
mod groups;
pub(crate) mod lists;
pub(crate) mod lookup;
mod passed;
mod referral;
mod request;
pub mod within;

use carecord_chaincode::{Contract, Function, codes};

use crate::{error::*, events::*};

pub use amend::Amendment;
pub use emergency::{
    Emergency, EmergencyMode, EmergencyPreset, NewEmergency, Outcome, PER_DAY_MAX, REVIEW_SECONDS,
    Review, SECONDS,
};
pub use functions::{Answer, Explanation};
pub(crate) use functions::{end, give};
pub use grant::{Grant, Grantee, NewGrant, NewScope, Scope};
pub use groups::{Linked, MEMBERS_MAX};
pub use lists::Recipient;
pub use lookup::{GRANTS_PER_GRANTEE_MAX, GROUPS_MAX};
pub use passed::PASSED_ON_MAX;
pub use referral::{NewReferral, Referral, ReferralChange, ReferralStatus};
pub use request::{NewRequest, OPEN_REQUESTS_MAX};

const PATIENT: &[&str] = &["patient"];
const READERS: &[&str] = &["patient", "practitioner", "insurer", "researcher"];
const AUDITOR: &[&str] = &["auditor"];
const CLINICIANS: &[&str] = &["practitioner"];
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
    lists(emergencies(groups_of(requests(referrals(contract)))))
}

fn emergencies(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "SetEmergency",
                "sets what an emergency opens of the calling patient",
                &["preset"],
                emergency::set,
            )
            .roles(PATIENT)
            .errors(&[PERSON, codes::VALUE]),
        )
        .function(
            Function::submit(
                "BreakGlass",
                "gives the caller a grant of four hours in an emergency, to be reviewed",
                &["emergency"],
                emergency::break_glass,
            )
            .roles(CLINICIANS)
            .errors(&[PERSON, EMERGENCY, ABSENT, STATE, TAKEN, LIMIT])
            .events(&[EMERGENCY_ACCESS]),
        )
        .function(
            Function::submit(
                "ReviewBreakGlass",
                "says whether there was an emergency, by an auditor of another organisation",
                &["emergencyId", "outcome"],
                emergency::review,
            )
            .roles(AUDITOR)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[EMERGENCY_REVIEWED]),
        )
        .function(
            Function::evaluate(
                "GetEmergency",
                "answers a use of emergency access to those it concerns",
                &["emergencyId"],
                emergency::get,
            )
            .roles(&["patient", "practitioner", "auditor"])
            .errors(&[PERSON, ABSENT]),
        )
        .function(Function::evaluate(
            "Overdue",
            "lists the emergencies of a practitioner that were not reviewed in time",
            &["subjectId"],
            emergency::overdue,
        ))
}

fn referrals(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "Amend",
                "changes verbs, purposes, scope or end of one of the caller's grants",
                &["amendment"],
                amend::amend,
            )
            .roles(PATIENT)
            .errors(&[PERSON, ABSENT, STATE, WIDER, codes::VALUE])
            .events(&[CONSENT_AMENDED]),
        )
        .function(
            Function::submit(
                "Refer",
                "offers to pass on what the caller was granted",
                &["referral"],
                referral::refer,
            )
            .roles(CLINICIANS)
            .errors(&[PERSON, ABSENT, STATE, WIDER, TAKEN, codes::VALUE])
            .events(&[REFERRAL_CHANGED]),
        )
        .function(
            Function::submit(
                "AcceptReferral",
                "takes what was passed on to the caller: a grant comes of it",
                &["referralId"],
                referral::accept,
            )
            .roles(CLINICIANS)
            .errors(&[PERSON, ABSENT, STATE, WIDER, TAKEN, LIMIT])
            .events(&[CONSENT_GRANTED]),
        )
        .function(
            Function::submit(
                "EndReferral",
                "ends a referral by either side, with the grant that came of it",
                &["referralId"],
                referral::end,
            )
            .roles(CLINICIANS)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[REFERRAL_CHANGED]),
        )
        .function(
            Function::evaluate(
                "ListReferrals",
                "lists the referrals to the caller",
                &["after", "limit"],
                referral::list,
            )
            .roles(CLINICIANS)
            .errors(&[PERSON, codes::VALUE]),
        )
}

fn requests(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "Request",
                "asks a patient for a grant to the caller",
                &["request"],
                request::request,
            )
            .roles(READERS)
            .errors(&[PERSON, ABSENT, TAKEN, LIMIT, codes::VALUE])
            .events(&[CONSENT_REQUESTED]),
        )
        .function(
            Function::submit(
                "Approve",
                "grants what the caller was asked for",
                &["requestId"],
                request::approve,
            )
            .roles(PATIENT)
            .errors(&[PERSON, ABSENT, STATE, TAKEN, LIMIT])
            .events(&[CONSENT_GRANTED]),
        )
        .function(
            Function::submit(
                "Reject",
                "refuses what the caller was asked for",
                &["requestId"],
                request::reject,
            )
            .roles(PATIENT)
            .errors(&[PERSON, ABSENT])
            .events(&[CONSENT_REJECTED]),
        )
        .function(
            Function::evaluate(
                "ListRequests",
                "lists what the calling patient is asked for",
                &["after", "limit"],
                request::list,
            )
            .roles(PATIENT)
            .errors(&[PERSON, codes::VALUE]),
        )
}

fn groups_of(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "Link",
                "puts somebody into one of the caller's groups, to which grants may go",
                &["groupId", "subjectId"],
                groups::link,
            )
            .roles(PATIENT)
            .errors(&[PERSON, ABSENT, TAKEN, LIMIT, codes::VALUE])
            .events(&[CONSENT_LINKED]),
        )
        .function(
            Function::submit(
                "Unlink",
                "takes somebody out of one of the caller's groups",
                &["groupId", "subjectId"],
                groups::unlink,
            )
            .roles(PATIENT)
            .errors(&[PERSON, ABSENT])
            .events(&[CONSENT_UNLINKED]),
        )
        .function(
            Function::evaluate(
                "ListLinks",
                "lists who is in the caller's groups",
                &["after", "limit"],
                groups::list,
            )
            .roles(PATIENT)
            .errors(&[PERSON, codes::VALUE]),
        )
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
