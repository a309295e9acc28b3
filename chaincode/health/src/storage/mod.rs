//! Contract `storage`: who keeps which ciphertext, proven and paid.
//!
//! An owner buys a quota and places objects under it; the ledger chooses the providers ([`score`]), one organisation each, in two regions
//! at least, where the owner allows. A provider checks the bytes and keeps them; from then on anyone may challenge it for a block that
//! nobody alone could choose ([`seed`]). A provider is paid out of the quota for each epoch in which it passed a
//! challenge; what it loses or leaves goes to another by `Repair`. Bytes go from vault to vault, never over the ledger.

mod challenge;
pub mod events;
pub mod model;
mod objects;
mod providers;
mod quota;
pub mod score;
pub mod seed;
mod settle;
mod store;
pub mod words;

use carecord_chaincode::{Contract, Function, codes};

use crate::{error::*, events::*};

pub use challenge::{BLOCK, BLOCK_BYTES, BlockProof, STEP_SECONDS};
pub use objects::{COPIES_MAX, COPIES_MIN, FAILED_MAX, KEEP_SECONDS, MIB};
pub use providers::{PROVIDERS_MAX, REPORT_MS_MAX};
pub use quota::GRACE_EPOCHS;
pub use store::{EPOCH_SECONDS, epoch};

const PROVIDER: &[&str] = &["storage-provider"];
const OWNERS: &[&str] = &["patient", "practitioner", "insurer", "researcher"];
const ANYONE: &[&str] =
    &["patient", "practitioner", "insurer", "researcher", "auditor", "storage-provider"];
const PARTIES: &[&str] = &["patient", "practitioner", "insurer", "researcher", "storage-provider"];

/// The contract's declaration.
pub(crate) fn contract() -> Contract {
    let contract = Contract::new("storage", "who keeps which ciphertext, proven and paid");
    challenges(objects_of(quotas(providing(contract))))
}

fn providing(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "RegisterProvider",
                "registers the caller as a provider, or changes its terms",
                &["provider"],
                providers::register,
            )
            .roles(PROVIDER)
            .errors(&[PERSON, STATE, LIMIT, codes::VALUE])
            .events(&[PROVIDER_CHANGED]),
        )
        .function(
            Function::submit("Exit", "takes no more objects", &[], providers::exit)
                .roles(PROVIDER)
                .errors(&[PERSON, STATE])
                .events(&[PROVIDER_CHANGED]),
        )
        .function(
            Function::submit(
                "ReportLatency",
                "says how long a retrieval took",
                &["providerId", "ms"],
                providers::report,
            )
            .roles(OWNERS)
            .errors(&[PERSON, ABSENT, FOREIGN, STATE, codes::VALUE]),
        )
        .function(
            Function::evaluate(
                "ListProviders",
                "lists the providers",
                &["after", "limit"],
                providers::list,
            )
            .errors(&[codes::VALUE]),
        )
}

fn quotas(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "BuyQuota",
                "puts a deposit in, out of which providers are paid",
                &["quota"],
                quota::buy,
            )
            .roles(OWNERS)
            .errors(&[PERSON, TAKEN, FUNDS, codes::VALUE])
            .events(&[QUOTA_CHANGED]),
        )
        .function(
            Function::submit(
                "CloseQuota",
                "gives the rest of a quota's deposit back",
                &["quotaId"],
                quota::close,
            )
            .roles(OWNERS)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[QUOTA_CHANGED]),
        )
        .function(
            Function::evaluate("GetQuota", "answers a quota", &["quotaId"], quota::get)
                .roles(OWNERS)
                .errors(&[PERSON, ABSENT]),
        )
        .function(
            Function::submit(
                "Settle",
                "pays the provider for an epoch in which it proved an object",
                &["objectId", "epoch"],
                settle::settle,
            )
            .roles(PROVIDER)
            .errors(&[PERSON, ABSENT, STATE, FUNDS])
            .events(&[QUOTA_CHANGED]),
        )
}

fn objects_of(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "Place",
                "places an object with providers",
                &["object"],
                objects::place,
            )
            .roles(OWNERS)
            .errors(&[PERSON, ABSENT, STATE, TAKEN, LIMIT, FUNDS, codes::VALUE])
            .events(&[OBJECT_CHANGED]),
        )
        .function(
            Function::submit(
                "Keep",
                "says that the provider has checked the bytes and keeps them",
                &["objectId"],
                objects::keep,
            )
            .roles(PROVIDER)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[OBJECT_CHANGED]),
        )
        .function(
            Function::submit(
                "Repair",
                "gives copies that were lost to other providers",
                &["objectId"],
                objects::repair,
            )
            .roles(ANYONE)
            .errors(&[PERSON, ABSENT, STATE, FUNDS])
            .events(&[OBJECT_CHANGED]),
        )
        .function(
            Function::submit(
                "Remove",
                "ends the keeping of an object",
                &["objectId"],
                objects::remove,
            )
            .roles(OWNERS)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[OBJECT_CHANGED]),
        )
        .function(
            Function::submit(
                "Drop",
                "gives up an object that nobody pays for any more",
                &["objectId"],
                objects::give_up,
            )
            .roles(PROVIDER)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[OBJECT_CHANGED]),
        )
        .function(
            Function::evaluate(
                "GetObject",
                "answers an object and its copies to its owner and its providers",
                &["objectId"],
                objects::get,
            )
            .roles(PARTIES)
            .errors(&[PERSON, ABSENT]),
        )
}

fn challenges(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "Challenge",
                "opens a challenge of a copy, with a commitment to random bits",
                &["challenge"],
                challenge::open,
            )
            .roles(ANYONE)
            .errors(&[PERSON, ABSENT, FOREIGN, TAKEN, STATE])
            .events(&[CHALLENGE_CHANGED]),
        )
        .function(
            Function::submit(
                "Draw",
                "adds a third organisation's random bits",
                &["challengeId", "nonce"],
                challenge::draw,
            )
            .roles(ANYONE)
            .errors(&[PERSON, ABSENT, FOREIGN, STATE])
            .events(&[CHALLENGE_CHANGED]),
        )
        .function(
            Function::submit(
                "Reveal",
                "shows the challenger's bits, which decides the block",
                &["challengeId", "nonce"],
                challenge::reveal,
            )
            .roles(ANYONE)
            .errors(&[PERSON, ABSENT, STATE, PROOF])
            .events(&[CHALLENGE_CHANGED]),
        )
        .function(
            Function::submit(
                "Respond",
                "shows the block that is asked for, in the transient field block",
                &["proof"],
                challenge::respond,
            )
            .roles(PROVIDER)
            .transient(&[BLOCK])
            .errors(&[PERSON, ABSENT, STATE, PROOF, codes::VALUE])
            .events(&[CHALLENGE_CHANGED]),
        )
        .function(
            Function::submit(
                "Lapse",
                "ends a challenge whose next step was not done in time",
                &["challengeId"],
                challenge::lapse,
            )
            .roles(ANYONE)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[CHALLENGE_CHANGED]),
        )
        .function(
            Function::evaluate(
                "GetChallenge",
                "answers a challenge",
                &["challengeId"],
                challenge::get,
            )
            .roles(ANYONE)
            .errors(&[PERSON, ABSENT]),
        )
}
