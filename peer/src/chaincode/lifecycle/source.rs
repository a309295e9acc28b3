//! Which code this peer runs for a definition: what its organisation's approval names.
//!
//! Approvals lie in the organisation's own collection, of which every peer has the hashes. So the package is found by its
//! hash among those installed here, also if the approval was endorsed by another peer of the organisation.

use std::sync::Arc;

use carecord_ledger::{
    Simulator,
    definition::{Definition, implicit_collection},
};

use super::record::{self, CHAINCODE_SOURCES, NAMESPACES};
use crate::chaincode::packages::{Installed, Packages};

/// What an approval names.
#[derive(Debug)]
pub(in crate::chaincode) enum Source {
    /// The organisation has not approved this definition.
    NotApproved,
    /// No package: the chaincode of the same name that is built into the peer, if there is one.
    Unnamed,
    /// A package that is installed here.
    Package(Arc<Installed>),
    /// A package that is not installed here.
    NotInstalled,
}

/// What the organisation's approval of a definition names.
pub(in crate::chaincode) fn of(
    simulator: &mut Simulator<'_>,
    packages: &Packages,
    msp_id: &str,
    chaincode: &str,
    definition: &Definition,
) -> Result<Source, String> {
    let collection = implicit_collection(msp_id);
    let name = record::private_name(chaincode, definition.sequence);
    let approved = record::parameters(definition);
    if !approved.mismatches(simulator, &collection, NAMESPACES, &name)?.is_empty() {
        return Ok(Source::NotApproved);
    }
    let mut names = |package_id: &str| {
        let record = record::local_package(package_id);
        let mismatches = record.mismatches(simulator, &collection, CHAINCODE_SOURCES, &name)?;
        Ok::<_, String>(mismatches.is_empty())
    };
    if names("")? {
        return Ok(Source::Unnamed);
    }
    for package in packages.all() {
        if names(&package.id)? {
            return Ok(Source::Package(package));
        }
    }
    Ok(Source::NotInstalled)
}
