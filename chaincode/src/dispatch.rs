//! From the arguments of a transaction to the function they name.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use bytes::Bytes;

use crate::{
    Chaincode, Context, Contract, ContractError, Function, Response, Stub, codes, metadata,
};

/// A chaincode made of contracts.
pub struct Contracts {
    name: &'static str,
    version: &'static str,
    contracts: Vec<Contract>,
    functions: BTreeMap<(&'static str, &'static str), (usize, usize)>,
    default: Option<&'static str>,
}

impl Contracts {
    /// A chaincode of this name made of these contracts.
    pub fn new(name: &'static str, version: &'static str, contracts: Vec<Contract>) -> Self {
        let mut functions = BTreeMap::new();
        for (at, contract) in contracts.iter().enumerate() {
            for (index, function) in contract.functions.iter().enumerate() {
                let before = functions.insert((contract.name, function.name), (at, index));
                assert!(before.is_none(), "{}:{} is declared once", contract.name, function.name);
            }
        }
        Self { name, version, contracts, functions, default: None }
    }

    /// Functions called without a contract's name are looked for in this one.
    pub fn default_contract(mut self, name: &'static str) -> Self {
        assert!(self.contracts.iter().any(|c| c.name == name), "{name} is one of the contracts");
        self.default = Some(name);
        self
    }

    /// The published metadata, as JSON.
    pub fn metadata(&self) -> serde_json::Value {
        metadata::document(self.name, self.version, self.default, &self.contracts)
    }

    /// Every function as (contract, function, roles that may call it), for tests generated from the declaration.
    pub fn table(&self) -> Vec<(&'static str, &'static str, &'static [&'static str])> {
        self.functions
            .iter()
            .map(|((contract, name), (at, index))| {
                (*contract, *name, self.contracts[*at].functions[*index].roles)
            })
            .collect()
    }

    fn find(&self, named: &str) -> Result<&Function, ContractError> {
        let (contract, function) = match named.split_once(':') {
            Some(parts) => parts,
            None => (self.default.unwrap_or(""), named),
        };
        let found = self
            .functions
            .get(&(contract, function))
            .map(|(at, index)| &self.contracts[*at].functions[*index]);
        found.ok_or_else(|| {
            let reason = if self.contracts.iter().any(|c| c.name == contract) {
                format!("contract {contract} has no function of that name")
            } else {
                format!("chaincode {} has no contract of that name", self.name)
            };
            codes::FUNCTION.because(reason)
        })
    }

    fn run(&self, stub: &mut dyn Stub) -> Result<Bytes, ContractError> {
        let args = stub.args().to_vec();
        let (function, args) = args
            .split_first()
            .ok_or_else(|| codes::FUNCTION.because("the call names no function"))?;
        let function = std::str::from_utf8(function)
            .map_err(|_| codes::FUNCTION.because("the function's name is not UTF-8 text"))?;
        if function == metadata::METADATA_FUNCTION {
            return Ok(self.metadata().to_string().into());
        }
        self.find(function)?.call(&mut Context::new(stub), args)
    }
}

impl Chaincode for Contracts {
    fn name(&self) -> &str {
        self.name
    }

    fn invoke(&self, stub: &mut dyn Stub) -> Response {
        match catch_unwind(AssertUnwindSafe(|| self.run(stub))) {
            Ok(Ok(payload)) => Response::success(payload),
            Ok(Err(refusal)) => Response::error(refusal.to_string()),
            Err(_) => Response::error(codes::FAILED.because("the function panicked").to_string()),
        }
    }
}
