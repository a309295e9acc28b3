//! Contract `identity`: organisations, people and their encryption keys.
//!
//! Two parties are needed for a person: an administrator of their organisation binds a pseudonym to the hash of their
//! certificate's key, and the person, by signing a transaction with that key, registers the encryption key.

mod emergency;
mod key;
mod org;
mod person;

use carecord_chaincode::{Contract, Function, codes};

use crate::{error::*, events::*};

pub use emergency::EmergencyRole;
pub(crate) use emergency::{of as emergency_role, take_back as take_back_emergency};
pub use person::PublicSubject;

const ADMIN: &[&str] = &["hospital-admin"];
const ANYONE: &[&str] = &[
    "patient",
    "practitioner",
    "insurer",
    "researcher",
    "auditor",
    "device",
    "storage-provider",
    "regulator",
];

/// The contract's declaration.
pub(crate) fn contract() -> Contract {
    let contract = Contract::new("identity", "organisations, people and their encryption keys");
    emergencies(keys(profiles(people(orgs(contract)))))
}

fn emergencies(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "NameEmergency",
                "names a practitioner of the caller's organisation for emergency access",
                &["subjectId"],
                emergency::name,
            )
            .roles(ADMIN)
            .errors(&[ORG, FOREIGN, ABSENT, STATE])
            .events(&[EMERGENCY_ROLE_CHANGED]),
        )
        .function(
            Function::submit(
                "ApproveEmergency",
                "approves a practitioner whom another organisation named",
                &["subjectId"],
                emergency::approve,
            )
            .roles(ADMIN)
            .errors(&[ORG, FOREIGN, ABSENT, STATE])
            .events(&[EMERGENCY_ROLE_CHANGED]),
        )
        .function(
            Function::submit(
                "EndEmergency",
                "takes the right to emergency access back, by either organisation",
                &["subjectId"],
                emergency::end,
            )
            .roles(ADMIN)
            .errors(&[ORG, FOREIGN, ABSENT])
            .events(&[EMERGENCY_ROLE_CHANGED]),
        )
        .function(
            Function::evaluate(
                "Emergency",
                "answers who named and approved a practitioner for emergencies",
                &["subjectId"],
                emergency::get,
            )
            .errors(&[ABSENT]),
        )
}

fn orgs(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "RegisterOrg",
                "registers the caller's organisation",
                &["kind"],
                org::register,
            )
            .roles(ADMIN)
            .errors(&[ORG, TAKEN])
            .events(&[ORG_REGISTERED]),
        )
        .function(Function::evaluate("Orgs", "lists the registered organisations", &[], org::list))
}

fn people(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "RegisterPatient",
                "registers a patient of the caller's hospital under a random pseudonym",
                &["subjectId", "keyHash"],
                person::register_patient,
            )
            .roles(ADMIN)
            .errors(&[ORG, TAKEN])
            .events(&[SUBJECT_REGISTERED]),
        )
        .function(
            Function::submit(
                "RegisterPractitioner",
                "registers a practitioner of the caller's hospital",
                &["subjectId", "keyHash"],
                person::register_practitioner,
            )
            .roles(ADMIN)
            .errors(&[ORG, TAKEN])
            .events(&[SUBJECT_REGISTERED]),
        )
        .function(
            Function::submit(
                "RegisterMember",
                "registers an insurer, researcher, auditor, device or storage provider of the caller's organisation",
                &["subjectId", "keyHash", "role"],
                person::register_member,
            )
            .roles(ADMIN)
            .errors(&[ORG, TAKEN, codes::VALUE])
            .events(&[SUBJECT_REGISTERED]),
        )
        .function(
            Function::submit(
                "Suspend",
                "stops a person of the caller's organisation",
                &["subjectId"],
                person::suspend,
            )
            .roles(ADMIN)
            .errors(&[ORG, FOREIGN, ABSENT, STATE])
            .events(&[SUBJECT_CHANGED]),
        )
        .function(
            Function::submit(
                "Reinstate",
                "lets a suspended person act again",
                &["subjectId"],
                person::reinstate,
            )
            .roles(ADMIN)
            .errors(&[ORG, FOREIGN, ABSENT, STATE])
            .events(&[SUBJECT_CHANGED]),
        )
}

fn profiles(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "UpsertProfile",
                "writes a salted commitment to the caller's profile",
                &["commitment"],
                person::upsert_profile,
            )
            .roles(ANYONE)
            .errors(&[PERSON]),
        )
        .function(
            Function::evaluate("Me", "answers the caller's registration", &[], person::me)
                .roles(ANYONE)
                .errors(&[PERSON]),
        )
        .function(
            Function::evaluate(
                "Get",
                "answers a person's public registration",
                &["subjectId"],
                person::get,
            )
            .errors(&[ABSENT]),
        )
}

fn keys(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "RegisterKey",
                "registers the caller's first encryption key, signed by the caller's certificate key",
                &["registration"],
                key::register,
            )
            .roles(ANYONE)
            .errors(&[PERSON, STATE, PROOF])
            .events(&[KEY_REGISTERED]),
        )
        .function(
            Function::submit(
                "RotateKey",
                "replaces the caller's encryption key by the next one of the chain",
                &["registration"],
                key::rotate,
            )
            .roles(ANYONE)
            .errors(&[PERSON, STATE, PROOF])
            .events(&[REWRAP_NEEDED]),
        )
        .function(
            Function::submit("RevokeKey", "revokes the caller's encryption key", &["kid"], key::revoke)
                .roles(ANYONE)
                .errors(&[PERSON, STATE])
                .events(&[KEY_REVOKED]),
        )
        .function(Function::evaluate(
            "Keys",
            "answers the chain of a person's encryption keys, oldest first",
            &["subjectId"],
            key::chain,
        ))
}
