//! Contract `telemetry`: what devices measure, anchored so that nothing can be changed, left out or told twice.
//!
//! A patient and a device agree on a link; the link has a chain of batches, each naming the hash of the one before it, signed by
//! the device. The ledger holds Merkle roots; samples lie sealed in a vault, and what rules watch is sealed too: the
//! patient's edge evaluates them ([`watch`]) and raises an alert with the proof that its sample was anchored.

mod alerts;
mod anchor;
pub mod events;
mod links;
pub mod model;
mod prove;
mod rules;
pub mod statement;
mod store;
pub mod watch;
pub mod words;

use carecord_chaincode::{Contract, Function, codes};

use crate::{error::*, events::*};

pub use alerts::LEVEL_MAX;
pub use anchor::{AHEAD_MS_MAX, BATCH_MS_MAX, LATE_MS, SAMPLES_MAX, SEAM_MS};
pub use links::LINK_SECONDS_MAX;
pub use prove::{Chain, Proven, SampleProof};

const PATIENT: &[&str] = &["patient"];
const DEVICE: &[&str] = &["device"];
const PRACTITIONER: &[&str] = &["practitioner"];
const LINKED: &[&str] = &["patient", "device"];
const VIEWERS: &[&str] = &["patient", "device", "practitioner"];

/// The contract's declaration.
pub(crate) fn contract() -> Contract {
    let contract = Contract::new("telemetry", "what devices measure, in chains of signed batches");
    views(watching(measuring(contract)))
}

fn measuring(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit(
                "LinkDevice",
                "asks a device of the patient's home to measure the patient",
                &["link"],
                links::propose,
            )
            .roles(PATIENT)
            .errors(&[PERSON, ABSENT, TAKEN, codes::VALUE])
            .events(&[DEVICE_LINKED]),
        )
        .function(
            Function::submit(
                "AcceptLink",
                "takes a link on and begins its chain",
                &["linkId"],
                links::accept,
            )
            .roles(DEVICE)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[DEVICE_LINKED]),
        )
        .function(
            Function::submit("UnlinkDevice", "ends a link", &["linkId"], links::end)
                .roles(LINKED)
                .errors(&[PERSON, ABSENT, STATE])
                .events(&[DEVICE_LINKED]),
        )
        .function(
            Function::submit(
                "Anchor",
                "adds a signed batch to the chain of a link",
                &["batch"],
                anchor::anchor,
            )
            .roles(DEVICE)
            .errors(&[PERSON, ABSENT, STATE, PROOF, codes::VALUE])
            .events(&[BATCH_ANCHORED]),
        )
}

fn watching(contract: Contract) -> Contract {
    contract
        .function(
            Function::submit("SetRule", "sets a sealed rule for a link", &["rule"], rules::set)
                .roles(PRACTITIONER)
                .errors(&[PERSON, ABSENT, STATE, TAKEN])
                .events(&[RULE_CHANGED]),
        )
        .function(
            Function::submit("EndRule", "ends a rule", &["ruleId"], rules::end)
                .roles(&["practitioner", "patient"])
                .errors(&[PERSON, ABSENT, STATE])
                .events(&[RULE_CHANGED]),
        )
        .function(
            Function::submit(
                "RaiseAlert",
                "says that a rule fired, with the proof of its sample",
                &["alert"],
                alerts::raise,
            )
            .roles(DEVICE)
            .errors(&[PERSON, ABSENT, STATE, TAKEN, PROOF, codes::VALUE])
            .events(&[ALERT_CHANGED]),
        )
        .function(
            Function::submit("Ack", "acknowledges an alert", &["alertId"], alerts::acknowledge)
                .roles(PRACTITIONER)
                .errors(&[PERSON, ABSENT, STATE])
                .events(&[ALERT_CHANGED]),
        )
        .function(
            Function::submit(
                "Escalate",
                "lifts an alert that nobody acknowledged in time",
                &["alertId"],
                alerts::escalate,
            )
            .roles(VIEWERS)
            .errors(&[PERSON, ABSENT, STATE])
            .events(&[ALERT_CHANGED]),
        )
}

fn views(contract: Contract) -> Contract {
    contract
        .function(
            Function::evaluate(
                "ProveSample",
                "checks that a sample is in an anchored batch",
                &["proof"],
                prove::prove,
            )
            .roles(VIEWERS)
            .errors(&[PERSON, ABSENT, PROOF, codes::VALUE]),
        )
        .function(
            Function::evaluate(
                "GetLink",
                "answers a link and the end of its chain",
                &["linkId"],
                prove::chain,
            )
            .roles(VIEWERS)
            .errors(&[PERSON, ABSENT]),
        )
        .function(
            Function::evaluate(
                "ListBatches",
                "lists the batches of a link, oldest first",
                &["linkId", "after", "limit"],
                prove::list,
            )
            .roles(VIEWERS)
            .errors(&[PERSON, ABSENT, codes::VALUE]),
        )
        .function(
            Function::evaluate(
                "ListAlerts",
                "lists the alerts of a link, oldest first",
                &["linkId", "after", "limit"],
                alerts::list,
            )
            .roles(VIEWERS)
            .errors(&[PERSON, ABSENT, codes::VALUE]),
        )
}
