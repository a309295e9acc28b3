//! The contract metadata: the document that Fabric's tools ask a chaincode for, drawn from the declaration.
//!
//! Fabric's own fields are kept; roles, errors and events stand in `x-` fields, which its schema leaves free.

use serde_json::{Map, Value, json};

use crate::{Contract, Function, Mode};

/// The function under which Fabric's contract APIs publish metadata.
pub const METADATA_FUNCTION: &str = "org.hyperledger.fabric:GetMetadata";
const SCHEMA: &str =
    "https://hyperledger.github.io/fabric-chaincode-node/main/api/contract-schema.json";

/// Writes the whole document.
pub(crate) fn document(
    name: &str,
    version: &str,
    default: Option<&str>,
    contracts: &[Contract],
) -> Value {
    let contracts: Map<String, Value> = contracts
        .iter()
        .map(|c| (c.name.to_owned(), contract(c, version, default == Some(c.name))))
        .collect();
    json!({
        "$schema": SCHEMA,
        "info": {"title": name, "version": version},
        "contracts": contracts,
        "components": {"schemas": {}},
    })
}

fn contract(contract: &Contract, version: &str, default: bool) -> Value {
    json!({
        "name": contract.name,
        "info": {"title": contract.name, "description": contract.purpose, "version": version},
        "default": default,
        "transactions": contract.functions.iter().map(function).collect::<Vec<_>>(),
    })
}

fn function(function: &Function) -> Value {
    let parameters: Vec<_> = function
        .arguments
        .iter()
        .map(|(name, schema)| json!({"name": name, "schema": schema}))
        .collect();
    let tag = match function.mode {
        Mode::Submit => "submit",
        Mode::Evaluate => "evaluate",
    };
    let errors: Vec<_> = function
        .errors
        .iter()
        .map(|e| json!({"code": e.id, "class": e.class.to_string(), "hint": e.hint}))
        .collect();
    json!({
        "name": function.name,
        "description": function.purpose,
        "tag": [tag],
        "parameters": parameters,
        "returns": function.result,
        "x-roles": function.roles,
        "x-errors": errors,
        "x-events": function.events,
        "x-transient": function.transient,
    })
}
