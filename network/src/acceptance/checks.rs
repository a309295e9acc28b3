//! All checks, in the order in which they run.

use super::Check;

mod bringup;

/// Every check of every group.
pub(super) fn all() -> Vec<Check> {
    let groups: [&[Check]; 1] = [bringup::CHECKS];
    groups.concat()
}
