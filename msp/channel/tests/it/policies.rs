//! Signature and implicit meta policies: results, reasons and counted signatures as Fabric has them.

use crate::vectors::{bytes, lines, message, text};
use bytes::Bytes;
use carecord_channel::SignedData;
use carecord_channel::policy::{Policies, Policy, SignaturePolicy, valid_identities};
use carecord_msp::{Msp, MspManager, MspVersion};
use carecord_proto::common::ConfigGroup;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

struct Channel {
    msps: MspManager,
    identities: BTreeMap<u64, Bytes>,
}

impl Channel {
    fn load() -> Option<Self> {
        let msps = lines("policies/msps.jsonl")?;
        let msps = msps.iter().map(|line| {
            let msp = Msp::new(&message(&line["msp_config"]), MspVersion::V1_4_3);
            Arc::new(msp.expect("a golden MSP"))
        });
        let msps = MspManager::new(msps.collect());
        let identities = lines("policies/identities.jsonl")?;
        let identities = identities
            .iter()
            .map(|line| (line["id"].as_u64().expect("id"), bytes(&line["identity"])));
        Some(Self { msps, identities: identities.collect() })
    }

    fn signatures(&self, vector: &Value) -> Vec<SignedData> {
        let signatures = vector["signatures"].as_array().into_iter().flatten();
        let signatures = signatures.map(|signature| SignedData {
            identity: self.identities[&signature["identity"].as_u64().expect("id")].clone(),
            data: bytes(&signature["data"]),
            signature: bytes(&signature["signature"]),
        });
        signatures.collect()
    }

    /// Where in `signatures` those that count stand. A repeated identity counts where it first signed well.
    fn counted(&self, signatures: &[SignedData]) -> Vec<u64> {
        let one = |signed: &SignedData| valid_identities(&self.msps, std::slice::from_ref(signed));
        let mut good: Vec<_> = signatures.iter().map(|signed| one(signed).pop()).collect();
        let counted = valid_identities(&self.msps, signatures);
        let position = counted.iter().map(|identity| {
            let same = |other: &Option<Arc<carecord_msp::Identity>>| {
                other.as_ref().is_some_and(|other| {
                    (other.msp_id(), other.identifier())
                        == (identity.msp_id(), identity.identifier())
                })
            };
            let at = good.iter().position(same).expect("counted, so good");
            good[at] = None;
            at as u64
        });
        position.collect()
    }
}

fn outcome(result: Result<(), impl ToString>) -> (bool, Option<String>) {
    match result {
        Ok(()) => (true, None),
        Err(error) => (false, Some(error.to_string())),
    }
}

fn expected(vector: &Value) -> (bool, Option<String>) {
    let error = vector.get("error").and_then(Value::as_str).map(str::to_owned);
    (vector["result"].as_bool().expect("result"), error)
}

#[test]
fn signature_policies_answer_as_fabric_does() {
    let Some(channel) = Channel::load() else { return };
    let Some(vectors) = lines("policies/signature.jsonl") else { return };
    let mut differences = Vec::new();
    for vector in &vectors {
        let name = (&vector["id"], &vector["name"]);
        let signatures = channel.signatures(vector);
        let policy = match (
            SignaturePolicy::from_config(&bytes(&vector["policy"])),
            &vector["compile_error"],
        ) {
            (Ok(policy), Value::Null) => Policy::Signature(policy),
            (Err(error), Value::String(expected)) if error.to_string() == *expected => continue,
            (result, _) => {
                differences.push(format!("{name:?}: compiles to {result:?}"));
                continue;
            }
        };
        let result = outcome(policy.evaluate_signed(&channel.msps, &signatures));
        if result != expected(vector) {
            differences.push(format!("{name:?}: {result:?}"));
        }
        let counted: Vec<_> = vector["valid_signature_indexes"]
            .as_array()
            .map_or(vec![], |list| list.iter().map(|at| at.as_u64().expect("position")).collect());
        if channel.counted(&signatures) != counted {
            differences.push(format!("{name:?}: counted {:?}", channel.counted(&signatures)));
        }
    }
    println!("signature policies: {} vectors, {} differences", vectors.len(), differences.len());
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn implicit_policies_answer_as_fabric_does() {
    let Some(channel) = Channel::load() else { return };
    let Some(vectors) = lines("policies/implicit.jsonl") else { return };
    let (mut asked, mut differences) = (0, Vec::new());
    for vector in &vectors {
        let group: ConfigGroup = message(&vector["config_group"]);
        let policies = Policies::compile("Channel", &group).expect("compiles");
        let signatures = channel.signatures(vector);
        for evaluation in vector["evaluations"].as_array().expect("a list") {
            asked += 1;
            let path = text(&evaluation["path"]);
            let policy = policies.get(path);
            let result = outcome(policy.evaluate_signed(&channel.msps, &signatures));
            let found = evaluation["found"].as_bool().expect("found");
            if result != expected(evaluation) || policy.is_reject() == found {
                differences.push(format!("{} {path}: {result:?}", vector["id"]));
            }
        }
    }
    println!("implicit policies: {asked} evaluations, {} differences", differences.len());
    assert!(differences.is_empty(), "{differences:#?}");
}
