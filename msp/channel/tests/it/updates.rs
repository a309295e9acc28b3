//! Configuration updates: what an orderer of Fabric 3.1.5 accepts, what it makes of it, and its reasons to refuse.

use crate::vectors::{lines, message, text};
use carecord_channel::config::update::UpdateError;
use carecord_channel::{Bundle, Error};
use carecord_proto::common::{Config, Envelope};
use serde_json::Value;
use std::collections::BTreeMap;

/// The stages that are the channel's; the others belong to the consensus protocol.
const STAGES: [&str; 4] = ["configtx", "new_bundle", "check_resources", "validate_new"];

fn stage(error: &UpdateError) -> &'static str {
    match error {
        UpdateError::Envelope(_) | UpdateError::Authorize(_) | UpdateError::Missing(_) => {
            "configtx"
        }
        UpdateError::Result(_) => "new_bundle",
        UpdateError::Capability(_) => "check_resources",
        UpdateError::Change(_) => "validate_new",
    }
}

/// Texts end differently where a decoder, a map in Go's order or a printed message speaks.
fn same(ours: &str, expected: &str) -> bool {
    let decoder = [": proto: ", ": error unmarshalling", "Disallowed channel group: "];
    let cut = decoder.iter().filter_map(|mark| expected.find(mark)).min();
    ours == expected
        || cut.is_some_and(|at| ours.starts_with(&expected[..at]))
        || (expected.starts_with("config update is not compatible: ") && expected.starts_with(ours))
}

#[derive(Default)]
struct Count {
    accepted: usize,
    refused: usize,
    refused_later: usize,
    words: Vec<String>,
    differences: Vec<String>,
}

fn check(bundle: &Bundle, vector: &Value, count: &mut Count) {
    let name = format!("{} {}", vector["id"], vector["name"]);
    let result = bundle.propose_update(&message::<Envelope>(&vector["envelope"]));
    if vector["accepted"].as_bool().expect("a verdict") {
        match result {
            Ok((envelope, _)) => {
                let expected: Config = message(&vector["config"]);
                if envelope.config.as_ref() != Some(&expected) {
                    count.differences.push(format!("{name}: another result"));
                }
                bundle.next_bundle(&envelope).unwrap_or_else(|e| panic!("{name}: follows: {e}"));
                count.accepted += 1;
            }
            Err(error) => count.differences.push(format!("{name}: {} {error}", stage(&error))),
        }
        return;
    }
    let errors = vector["errors"].as_array().expect("a list");
    if !errors.iter().any(|error| STAGES.contains(&text(&error["stage"]))) {
        // what the consensus protocol refuses is fine here, or refused earlier for a reason of its own
        count.refused_later += 1;
        return;
    }
    match result {
        Ok(_) => count.differences.push(format!("{name}: accepted, expected {errors:?}")),
        Err(error) => {
            count.refused += 1;
            let ours = error.to_string();
            let at_stage = |e: &&Value| text(&e["stage"]) == stage(&error);
            if !errors.iter().any(|e| at_stage(&e)) {
                count
                    .differences
                    .push(format!("{name}: {} {ours}, expected {errors:?}", stage(&error)));
            } else if !errors.iter().filter(at_stage).any(|e| same(&ours, text(&e["error"]))) {
                count.words.push(format!("{name}: {ours}\n  expected {errors:?}"));
            }
        }
    }
}

#[test]
fn updates_are_judged_as_fabric_judges_them() {
    let Some(bases) = lines("config-verdicts/bases.jsonl") else { return };
    let Some(vectors) = lines("config-verdicts/vectors.jsonl.gz") else { return };
    let bases: BTreeMap<String, Bundle> = bases
        .iter()
        .filter_map(|base| {
            let id = base["id"].to_string();
            match Bundle::from_config(text(&base["channel"]), &message::<Config>(&base["config"])) {
                Ok(bundle) => Some((id, bundle)),
                // a channel for validators that we do not have can not be updated here either
                Err(Error::Capability(error)) => {
                    println!("base {id}: {error}");
                    None
                }
                Err(error) => panic!("base {id}: {error}"),
            }
        })
        .collect();
    let mut count = Count::default();
    let mut left_out = 0;
    for vector in &vectors {
        match bases.get(&vector["base"].to_string()) {
            Some(bundle) => check(bundle, vector, &mut count),
            None => left_out += 1,
        }
    }
    println!(
        "config verdicts: {} vectors, {} accepted with the same result, {} refused at the same stage, {} refused by \
         the consensus protocol, {left_out} on unsupported bases, {} in other words, {} differences",
        vectors.len(),
        count.accepted,
        count.refused,
        count.refused_later,
        count.words.len(),
        count.differences.len()
    );
    assert!(count.differences.is_empty(), "{:#?}", count.differences);
    assert!(count.words.is_empty(), "{}", count.words.join("\n"));
}
