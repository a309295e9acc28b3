//! `ApproveChaincodeDefinitionForMyOrg`: an organisation agrees to a definition, in its own collection.

use bytes::Bytes;
use carecord_channel::Bundle;
use carecord_ledger::{
    Simulator,
    definition::{Definition, LIFECYCLE, implicit_collection},
};
use carecord_proto::lifecycle::{
    ApproveChaincodeDefinitionForMyOrgArgs, ApproveChaincodeDefinitionForMyOrgResult,
    chaincode_source,
};
use prost::Message;

use super::{
    Failure,
    input::{Input, decode},
    query,
    record::{self, CHAINCODE_SOURCES, NAMESPACES},
};
use crate::chaincode::definitions::sequence;

/// Records the approval of the peer's organisation.
pub(super) fn approve(
    bundle: &Bundle,
    simulator: &mut Simulator<'_>,
    msp_id: &str,
    input: &Bytes,
) -> Result<Vec<u8>, Failure> {
    let args: ApproveChaincodeDefinitionForMyOrgArgs =
        decode("ApproveChaincodeDefinitionForMyOrg", input)?;
    let package_id = package_id(&args);
    let mut input = Input::from(args);
    input.check(bundle, simulator)?;
    let current = sequence(simulator, &input.name)?;
    check_sequence(current, input.definition.sequence)?;
    input.set_defaults(bundle)?;
    let (name, definition) = (&input.name, &input.definition);
    if definition.sequence == current {
        check_same(simulator, name, definition)?;
    }
    let collection = implicit_collection(msp_id);
    let private_name = record::private_name(name, definition.sequence);
    let (parameters, package) =
        (record::parameters(definition), record::local_package(&package_id));
    if is_unchanged(simulator, &collection, &private_name, &parameters, &package)? {
        let sequence = definition.sequence;
        return Err(Failure::Other(if sequence == current {
            format!(
                "attempted to redefine the current committed sequence ({sequence}) for namespace {name}"
            )
        } else {
            format!(
                "attempted to redefine uncommitted sequence ({sequence}) for namespace {name} with \
                 unchanged content"
            )
        }));
    }
    parameters.write_private(simulator, &collection, NAMESPACES, &private_name)?;
    package.write_private(simulator, &collection, CHAINCODE_SOURCES, &private_name)?;
    Ok(ApproveChaincodeDefinitionForMyOrgResult {}.encode_to_vec())
}

fn package_id(args: &ApproveChaincodeDefinitionForMyOrgArgs) -> String {
    match args.source.as_ref().and_then(|source| source.r#type.as_ref()) {
        Some(chaincode_source::Type::LocalPackage(local)) => local.package_id.clone(),
        _ => String::new(),
    }
}

fn check_sequence(current: i64, requested: i64) -> Result<(), String> {
    if current == requested && requested == 0 {
        return Err("requested sequence is 0, but first definable sequence number is 1".to_owned());
    }
    if requested < current {
        return Err(format!(
            "currently defined sequence {current} is larger than requested sequence {requested}"
        ));
    }
    let next = current + 1;
    if requested > next {
        return Err(format!(
            "requested sequence {requested} is larger than the next available sequence number {next}"
        ));
    }
    Ok(())
}

/// An approval after the fact must be of what is in force.
fn check_same(
    simulator: &mut Simulator<'_>,
    name: &str,
    wanted: &Definition,
) -> Result<(), String> {
    let sequence = wanted.sequence;
    let committed = query::read(simulator, name)?.ok_or_else(|| {
        format!("missing metadata for currently committed sequence number ({sequence})")
    })?;
    let difference = difference(&committed, wanted);
    difference.map_or(Ok(()), |difference| {
        Err(format!(
            "attempted to redefine the current committed sequence ({sequence}) for namespace {name} \
             with different parameters: {difference}"
        ))
    })
}

fn difference(committed: &Definition, passed: &Definition) -> Option<String> {
    let differ = |what: &str, committed: &str, passed: &str| {
        Some(format!("expected {what} '{committed}' does not match passed {what} '{passed}'"))
    };
    if committed.version != passed.version {
        return differ("Version", &committed.version, &passed.version);
    }
    if committed.endorsement_plugin != passed.endorsement_plugin {
        let (committed, passed) = (&committed.endorsement_plugin, &passed.endorsement_plugin);
        return differ("EndorsementPlugin", committed, passed);
    }
    if committed.init_required != passed.init_required {
        let (committed, passed) =
            (committed.init_required.to_string(), passed.init_required.to_string());
        return differ("InitRequired", &committed, &passed);
    }
    if committed.validation_plugin != passed.validation_plugin {
        let (committed, passed) = (&committed.validation_plugin, &passed.validation_plugin);
        return differ("ValidationPlugin", committed, passed);
    }
    if committed.policy != passed.policy {
        let (committed, passed) = (hex::encode(&committed.policy), hex::encode(&passed.policy));
        return differ("ValidationParameter", &committed, &passed);
    }
    (committed.collections != passed.collections).then(|| "Collections do not match".to_owned())
}

/// Whether this very approval is there already; reads type and fields of parameters and package, as Fabric does.
fn is_unchanged(
    simulator: &mut Simulator<'_>,
    collection: &str,
    private_name: &str,
    parameters: &record::Record,
    package: &record::Record,
) -> Result<bool, String> {
    let key = record::metadata_key(NAMESPACES, private_name);
    let exists = simulator
        .private_hash(LIFECYCLE, collection, &key)
        .map_err(|error| error.to_string())?
        .is_some();
    let same = exists
        && parameters.mismatches(simulator, collection, NAMESPACES, private_name)?.is_empty();
    Ok(same
        && package.mismatches(simulator, collection, CHAINCODE_SOURCES, private_name)?.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_is_for_the_definition_in_force_or_the_next() {
        assert!(check_sequence(0, 1).is_ok());
        assert!(check_sequence(1, 1).is_ok());
        assert!(check_sequence(1, 2).is_ok());
        for (current, requested, text) in [
            (0, 0, "requested sequence is 0, but first definable sequence number is 1"),
            (2, 1, "currently defined sequence 2 is larger than requested sequence 1"),
            (0, 2, "requested sequence 2 is larger than the next available sequence number 1"),
        ] {
            assert_eq!(check_sequence(current, requested).expect_err(text), text);
        }
    }
}
