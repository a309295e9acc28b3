//! The chaincodes that a topology names, deployed when its network first comes up.

use std::time::Duration;

use super::Unserved;
use crate::chaincodes::{self, Deployment};
use crate::error::Outcome;
use crate::output::Output;
use crate::session::Session;
use crate::state::ChaincodeEntry;

/// Deploys what the network file names and has not been deployed, except on channels that are not served; returns the names.
pub async fn deploy(
    session: &Session,
    unserved: &[Unserved],
    patience: Duration,
    output: Output,
) -> Outcome<Vec<String>> {
    let served = |name: &String| unserved.iter().all(|other| other.channel != *name);
    let due = |entry: &&ChaincodeEntry| !entry.deployed && served(&entry.channel);
    let waiting: Vec<&ChaincodeEntry> = session.file().chaincodes.iter().filter(due).collect();
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    let step = output.step("chaincodes");
    for chaincode in &waiting {
        step.progress(&chaincode.name);
        let channel = session.file().channel(Some(&chaincode.channel))?;
        let wanted = Deployment {
            name: &chaincode.name,
            version: Some(&chaincode.version),
            policy: Some(&chaincode.endorsement),
            init_required: None,
            collections: None,
            package: None,
        };
        chaincodes::deploy(session, channel, &wanted, patience).await?;
    }
    let names: Vec<String> = waiting.iter().map(|chaincode| chaincode.name.clone()).collect();
    step.done(&names.join(", "));
    Ok(names)
}
