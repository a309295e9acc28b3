//! The chaincodes that are part of every peer: whoever deploys without a package means one of them.

use std::sync::Arc;

use carecord_chaincode::Chaincode;

use crate::codes::Code;
use crate::error::{Failure, Outcome};

/// All of them.
pub fn built_in() -> Vec<Arc<dyn Chaincode>> {
    vec![Arc::new(carecord_health::chaincode()), Arc::new(carecord_chaincode::bench::chaincode())]
}

/// Refuses a name that no peer could run without a package: a definition stays for good.
pub fn refuse_unknown(name: &str) -> Outcome<()> {
    let known = built_in();
    if known.iter().any(|chaincode| chaincode.name() == name) {
        return Ok(());
    }
    let names: Vec<&str> = known.iter().map(|chaincode| chaincode.name()).collect();
    let cause = format!("no chaincode {name:?} is built into the peers, and no package is given");
    let hint = format!(
        "built in are {}; --package gives the package of another; nobody has approved anything",
        names.join(", ")
    );
    Err(Failure::new(Code::ChaincodePackage, cause).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_every_peer_has_goes_without_a_package() {
        refuse_unknown("bench").unwrap();
        refuse_unknown("health").unwrap();
        let said = refuse_unknown("bnch").unwrap_err().to_string();
        assert!(said.contains("\"bnch\""), "{said}");
    }
}
