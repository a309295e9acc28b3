//! `InstallChaincode` and the queries of what is installed: matters of this peer, on no channel.

use std::collections::BTreeMap;

use bytes::Bytes;
use carecord_proto::lifecycle::{
    GetInstalledChaincodePackageArgs, GetInstalledChaincodePackageResult, InstallChaincodeArgs,
    InstallChaincodeResult, QueryInstalledChaincodeArgs, QueryInstalledChaincodeResult,
    QueryInstalledChaincodesArgs, QueryInstalledChaincodesResult,
    query_installed_chaincode_result as one, query_installed_chaincodes_result as all,
};
use prost::Message;

use super::{Failure, input::decode, query, source};
use crate::peer::Peer;

/// Name and version of the definitions that a package runs, by channel.
type References = BTreeMap<String, Vec<(String, String)>>;

/// Installs a package.
pub(super) fn install(peer: &Peer, input: &Bytes) -> Result<Vec<u8>, Failure> {
    let args: InstallChaincodeArgs = decode("InstallChaincode", input)?;
    let installed = peer.packages().install(&args.chaincode_install_package)?;
    for channel in peer.channels() {
        channel.definitions().forget();
    }
    let (package_id, label) = (installed.id.clone(), installed.label.clone());
    Ok(InstallChaincodeResult { package_id, label }.encode_to_vec())
}

/// One package and what it runs.
pub(super) fn query(peer: &Peer, input: &Bytes) -> Result<Vec<u8>, Failure> {
    let args: QueryInstalledChaincodeArgs = decode("QueryInstalledChaincode", input)?;
    let id = args.package_id;
    let found = peer
        .packages()
        .get(&id)
        .ok_or_else(|| Failure::NotFound(format!("chaincode install package '{id}' not found")))?;
    let chaincode = |(name, version)| one::Chaincode { name, version };
    let references = references(peer)?.remove(&id).unwrap_or_default().into_iter();
    let references = references.map(|(channel, chaincodes)| {
        let chaincodes = chaincodes.into_iter().map(chaincode).collect();
        (channel, one::References { chaincodes })
    });
    let (label, references) = (found.label.clone(), references.collect());
    Ok(QueryInstalledChaincodeResult { package_id: id, label, references }.encode_to_vec())
}

/// All packages and what they run.
pub(super) fn query_all(peer: &Peer, input: &Bytes) -> Result<Vec<u8>, Failure> {
    let QueryInstalledChaincodesArgs {} = decode("QueryInstalledChaincodes", input)?;
    let mut by_package = references(peer)?;
    let chaincode = |(name, version)| all::Chaincode { name, version };
    let installed_chaincodes = peer.packages().all().into_iter().map(|package| {
        let references = by_package.remove(&package.id).unwrap_or_default().into_iter();
        let references = references.map(|(channel, chaincodes)| {
            let chaincodes = chaincodes.into_iter().map(chaincode).collect();
            (channel, all::References { chaincodes })
        });
        let (package_id, label) = (package.id.clone(), package.label.clone());
        all::InstalledChaincode { package_id, label, references: references.collect() }
    });
    let installed_chaincodes = installed_chaincodes.collect();
    Ok(QueryInstalledChaincodesResult { installed_chaincodes }.encode_to_vec())
}

/// The package itself.
pub(super) fn package(peer: &Peer, input: &Bytes) -> Result<Vec<u8>, Failure> {
    let args: GetInstalledChaincodePackageArgs = decode("GetInstalledChaincodePackage", input)?;
    let chaincode_install_package = peer.packages().bytes(&args.package_id)?;
    Ok(GetInstalledChaincodePackageResult { chaincode_install_package }.encode_to_vec())
}

/// What runs, by package: committed definitions whose approval by this organisation names one that is installed.
fn references(peer: &Peer) -> Result<BTreeMap<String, References>, String> {
    let mut references = BTreeMap::<String, References>::new();
    let msp_id = peer.config().signer.msp_id();
    for channel in peer.channels() {
        let mut simulator = channel.ledger().simulator("").map_err(|error| error.to_string())?;
        for name in query::names(&mut simulator)? {
            let definition = simulator.definition(&name).map_err(|error| error.to_string())?;
            let Some(definition) = definition else { continue };
            let used = source::of(&mut simulator, peer.packages(), msp_id, &name, &definition)?;
            if let source::Source::Package(package) = used {
                let channels = references.entry(package.id.clone()).or_default();
                let chaincodes = channels.entry(channel.id().to_owned()).or_default();
                chaincodes.push((name, definition.version));
            }
        }
    }
    Ok(references)
}
