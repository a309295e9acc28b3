//! All checks, in the order in which they run.

use super::Check;

mod bench;
mod bringup;
mod catch_up;
mod clean_clone;
mod flips;
mod gateway_sdk;
mod golden;
mod kills;
mod leaks;
mod main_job;
mod suites;
mod syncs;
mod threats;
mod verifier;

/// Every check of every group.
pub(super) fn all() -> Vec<Check> {
    let groups: [&[Check]; 14] = [
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
        bench::CHECKS,
        clean_clone::CHECKS,
    ];
    groups.concat()
}
