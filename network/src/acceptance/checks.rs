//! All checks, in the order in which they run.

use std::path::Path;
use std::time::Duration;

use super::program::Program;
use super::{Check, Context};
use crate::error::Outcome;

mod add_organisation;
mod bench;
mod bringup;
mod catch_up;
mod certificates;
mod clean_clone;
mod configuration;
mod expiry;
mod fabric_ca_client;
mod flips;
mod gateway_sdk;
mod golden;
mod insurers_day;
mod kills;
mod leaks;
mod ledger_tools;
mod lifecycle;
mod main_job;
mod operator_mistakes;
mod orderer_faults;
mod osnadmin;
mod outside;
mod private_data;
mod rapidcare;
mod renewal_at_ca;
mod suites;
mod syncs;
mod threats;
mod under_load;
mod vaults;
mod verifier;
mod wiped_orderer;

/// Every check of every group.
pub(super) fn all() -> Vec<Check> {
    let groups: &[&[Check]] = &[
        golden::CHECKS,
        flips::CHECKS,
        suites::CHECKS,
        threats::CHECKS,
        bringup::CHECKS,
        main_job::CHECKS,
        leaks::CHECKS,
        gateway_sdk::CHECKS,
        verifier::CHECKS,
        syncs::CHECKS,
        kills::CHECKS,
        catch_up::CHECKS,
        add_organisation::CHECKS,
        configuration::CHECKS,
        fabric_ca_client::CHECKS,
        certificates::CHECKS,
        renewal_at_ca::CHECKS,
        ledger_tools::CHECKS,
        lifecycle::CHECKS,
        osnadmin::CHECKS,
        wiped_orderer::CHECKS,
        under_load::CHECKS,
        orderer_faults::CHECKS,
        expiry::CHECKS,
        operator_mistakes::CHECKS,
        private_data::CHECKS,
        insurers_day::CHECKS,
        vaults::CHECKS,
        outside::CHECKS,
        rapidcare::CHECKS,
        bench::CHECKS,
        clean_clone::CHECKS,
    ];
    groups.concat()
}

/// Runs our own binary on the network of `dir`; it must succeed.
async fn program(context: &Context, arguments: &[&str], dir: &Path) -> Outcome<()> {
    const PATIENCE: Duration = Duration::from_secs(180);
    let program = Program::new(&context.binary).args(arguments).env("CARECORD_DIR", dir);
    program.succeed(PATIENCE).await.map(|_| ())
}
